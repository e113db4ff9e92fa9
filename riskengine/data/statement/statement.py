"""`Statement`: what the answers of one venue say of one account, collected row by row, then made into a book.

Where a venue states equity E of a currency, cash is what makes the book's own value equal it at the marks,

    cash = E - sum over positions settled in it of their value,

whatever the venue counts as settled, unrealised or premium.  Positions in one instrument (isolated, or both sides of a
hedged account) are netted at the entry of the larger side, and what that locks in goes to cash.

Wallet balances of one currency add where one kind of answer gives several, as each margin account has its own; the same
figure again is the same wallet.  Two kinds of answer describe the same wallets, so they must agree.
"""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from riskengine.data.statement.terms import Terms
from riskengine.errors import Fault, suggest
from riskengine.pricing.black import black76
from riskengine.pricing.implied_vol import implied_volatility

# counted as dollars at par where the world has no coin of that name
DOLLARS = ("USD", "USDC", "USDT", "USDG")
_YEAR = 31_536_000.0


@dataclass
class Quote:
    """Marks of one instrument as they come: coin for inverse options, USD for all others."""

    mark: float | None = None
    index: float | None = None
    forward: float | None = None
    volatility: float | None = None


@dataclass(frozen=True)
class _Held:
    place: str
    name: str
    terms: Terms | None
    contracts: float | None
    entry: float | None
    size: float | None


@dataclass
class _Net:
    """One instrument of the account: coins, entry in USD, and what is locked in, in its own currency."""

    place: str
    terms: Terms
    name: str
    quantity: float
    entry: float
    locked: float


@dataclass
class Statement:
    """Rows of one account.

    Attributes
    ----------
    venue, file : str
    sizes : dict of str to float
        Contract size by instrument, where an answer gives it.
    faults : list of Fault
    """

    venue: str
    file: str
    sizes: dict[str, float] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _held: list[_Held] = field(default_factory=list)
    _quotes: dict[str, Quote] = field(default_factory=dict)
    _terms: dict[str, Terms] = field(default_factory=dict)
    _cash: dict[str, float] = field(default_factory=dict)
    _wallets: dict[str, dict[str, dict[float, str]]] = field(default_factory=dict)
    _equity: dict[str, tuple[float, bool]] = field(default_factory=dict)
    _index: dict[str, float] = field(default_factory=dict)
    _taken: set[tuple[str, ...]] = field(default_factory=set)
    _latest: float = 0.0

    def fault(self, place: str, message: str) -> None:
        """Record a fault of the row at `place`."""
        self.faults.append(Fault(message, self.file, None, place))

    def number(self, row: dict[str, Any], key: str, place: str) -> float | None:
        """The finite number at `key`, which venues write as a number or a string; None where it is absent or empty."""
        value = row.get(key)
        if value is None or value == "":
            return None
        try:
            found = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            found = math.nan
        if not math.isfinite(found):
            self.fault(place, f"{key} must be a finite number, got {value!r}")
            return None
        return found

    def known(self, *key: str) -> bool:
        """Whether a row of this key was taken before; it counts as taken from now on."""
        before = key in self._taken
        self._taken.add(key)
        return before

    def stamp(self, time: float | None, unit: float) -> None:
        """A time that a row was made at, in units of `unit` seconds."""
        if time is not None:
            self._latest = max(self._latest, time * unit)

    def index(self, asset: str, price: float | None) -> None:
        """USD price of an asset; the first stands."""
        if price is not None and price > 0.0:
            self._index.setdefault(asset, price)

    def quote(self, name: str, terms: Terms | None, mark=None, index=None, forward=None, volatility=None) -> None:
        """Marks of an instrument; of each figure the first that is positive stands."""
        own = self._quotes.setdefault(name, Quote())
        for key, value in (("mark", mark), ("index", index), ("forward", forward), ("volatility", volatility)):
            if value is not None and value > 0.0 and getattr(own, key) is None:
                setattr(own, key, value)
        if terms is not None:
            self._terms[name] = terms
            self.index(terms.asset, index)

    def hold(self, place, name: str, terms: Terms | None, contracts, entry, size: float | None = 1.0) -> None:
        """A signed position of `contracts` of `size` coins (dollars where it is an inverse future)."""
        self._held.append(_Held(place, name, terms, contracts, entry, size))

    def cash(self, place: str, currency: str, amount: float | None, answer: str = "") -> None:
        """Cash of one wallet in one currency; `answer` names the kind of answer that gives it."""
        if amount is None:
            self.fault(place, f"the balance of {currency} must be given")
            return
        self._wallets.setdefault(currency, {}).setdefault(answer, {}).setdefault(amount, place)

    def _count_wallets(self) -> None:
        """Cash of each currency; a fault where two kinds of answer disagree on it."""
        for currency, answers in self._wallets.items():
            totals = {kind: math.fsum(wallets) for kind, wallets in answers.items()}
            self._cash[currency], *others = totals.values()
            if any(other != self._cash[currency] for other in others):
                told = " and ".join(f"{total:.15g} ({kind})" for kind, total in totals.items())
                place = [*answers.popitem()[1].values()][-1]
                self.fault(place, f"the balance of {currency} must be the same in all answers, got {told}")

    def equity(self, place: str, currency: str, amount: float | None, whole: bool = False) -> None:
        """Equity of one currency with the positions settled in it; with `whole`, that of the whole account."""
        if amount is None:
            self.fault(place, f"the equity of {currency} must be given")
        elif currency in self._equity:
            self.fault(place, f"the equity of {currency} must be given once, got it again")
        else:
            self._equity[currency] = amount, whole

    def plain(self, as_of: float | None, assets: tuple[str, ...] | None) -> tuple[dict[str, Any], list[str]]:
        """The book as plain values, and the place of each position; faults are in `faults`.

        Parameters
        ----------
        as_of : float or None
            Unix seconds; the latest stamp of the rows where it is None.
        assets : tuple of str or None
            Those of the world, where there is one.
        """
        now = as_of if as_of is not None else self._latest
        if now <= 0.0:
            self.faults.append(Fault("as_of must be given: no row says when it was made (--as-of)", self.file))
            return {}, []
        self._count_wallets()
        nets = self._net(now, assets)
        if not nets and not self._cash and not self._equity and not self.faults:
            self.faults.append(Fault("must hold a position or a balance, got none", self.file))
        own = {n.terms.asset for n in nets}
        coins = [c for c in (*self._cash, *self._equity) if c not in DOLLARS or c in (assets or ())]
        known = assets if assets is not None else (*own, *(c for c in coins if c in self._index))
        held = {n.terms.currency for n in nets if n.locked}
        for currency in sorted({*self._cash, *self._equity, *held}):
            if currency not in DOLLARS and currency not in known and self._counts(currency):
                legal = ", ".join(dict.fromkeys((*DOLLARS, *known)))
                self.faults.append(Fault(f"cash must be in one of {legal}, got {currency}", self.file))
        wanted = tuple(a for a in known if a in own or a in coins) if assets else tuple(sorted({*own, *coins}))
        self._find_marks(nets, now)
        for asset in wanted:
            if asset in own and asset not in self._index:
                self.faults.append(Fault(f"the index price of {asset} must be in the file, got none", self.file))
        if self.faults:
            return {}, []
        values = [self._value(n, now) for n in nets]
        cash = self._balances(nets, values, assets or ())
        if self.faults:
            return {}, []
        others = sorted({n.terms.currency for n in nets} | set(self._cash) | set(self._equity))
        for dollar in [c for c in others if c in DOLLARS[1:]]:
            if dollar in cash and dollar != "USD":
                self.notes.append(f"positions settled in {dollar} are counted in USD at par; cash is held in {dollar}")
            else:
                self.notes.append(f"{dollar} is counted as USD at par")
        account = {
            "name": self.venue,
            "kind": "imported",
            "cash": cash,
            "positions": [self._position(n, now) for n in nets],
        }
        stamp = datetime.fromtimestamp(round(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        plain: dict[str, Any] = {"assets": list(wanted), "as_of": stamp, "mark_source": f"{self.venue} marks"}
        if self.notes:
            plain["notes"] = list(self.notes)
        # a pegged coin keeps the price that its world gives it
        plain["spot"] = {a: self._index[a] for a in wanted if a in self._index and a not in DOLLARS}
        return plain | {"accounts": [account]}, [n.place for n in nets]

    def _counts(self, currency: str) -> bool:
        return self._cash.get(currency, 0.0) != 0.0 or self._equity.get(currency, (0.0, False))[0] != 0.0

    def _net(self, now: float, assets: tuple[str, ...] | None) -> list[_Net]:
        """One entry for each instrument held, in the order of the file."""
        sides: dict[Terms, list[tuple[_Held, float, float]]] = {}
        for held in self._held:
            size = self.sizes.get(held.name, held.size)
            if held.contracts == 0.0 or not self._legal(held, size, now, assets):
                continue
            amount = held.contracts * size
            sides.setdefault(held.terms, []).append((held, amount, held.entry if held.entry is not None else 0.0))
        return [net for terms, own in sides.items() if (net := _netted(terms, own)) is not None]

    def _legal(self, held: _Held, size: float | None, now: float, assets: tuple[str, ...] | None) -> bool:
        """Whether a position can be taken; otherwise a fault says why."""
        before, terms = len(self.faults), held.terms
        if held.contracts is None:
            self.fault(held.place, f"the size of {held.name} must be given")
        if terms is None:
            what = f"a perpetual, dated future or option as {self.venue} names them"
            self.fault(held.place, f"instrument must be {what}, got {held.name!r}")
            return False
        if size is None:
            self.fault(held.place, f"the contract size of {held.name} must be given: add the answer of the venue's "
                       "list of instruments")  # fmt: skip
        if terms.currency not in (*DOLLARS, terms.asset):
            legal = f"{', '.join(DOLLARS)} or {terms.asset}"
            self.fault(held.place, f"{held.name} must settle in {legal}, got {terms.currency}")
        if assets is not None and terms.asset not in assets:
            near = suggest(terms.asset, assets)
            message = f"asset of {held.name} must be one of the world's {', '.join(assets)}, got {terms.asset}{near}"
            self.fault(held.place, message)
        if terms.expiry is not None and terms.expiry <= now:
            gone, at = (datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M") for t in (terms.expiry, now))
            self.fault(held.place, f"{held.name} must not have expired, got expiry {gone} for a book of {at} UTC")
        if terms.kind != "option" and not (held.entry or 0.0) > 0.0:
            self.fault(held.place, f"the entry price of {held.name} must be positive, got {held.entry!r}")
        return len(self.faults) == before

    def _find_marks(self, nets: list[_Net], now: float) -> None:
        """Index of each asset, and forward and volatility of each option, from what quotes say."""
        marks: dict[str, float] = {}
        for net in sorted(nets, key=lambda n: -abs(n.quantity)):
            quote = self._quotes[net.name]
            if net.terms.kind == "perpetual" and quote.mark is not None:
                self.index(net.terms.asset, quote.mark)
                one = marks.setdefault(net.terms.asset, quote.mark)
                if one != quote.mark:
                    self.notes.append(f"{net.name} is marked as the larger perpetual is, {one:g}, not {quote.mark:g}")
                    quote.mark = one
        listed = {(self._terms[n].asset, self._terms[n].expiry): q.forward for n, q in self._quotes.items()
                  if n in self._terms and q.forward is not None}  # fmt: skip
        # one forward for all that expires together: the mark of a future held, else what a quote says, else the index
        for net in nets:
            if net.terms.kind == "future" and self._quotes[net.name].mark is not None:
                listed[net.terms.asset, net.terms.expiry] = self._quotes[net.name].mark
        for net in nets:
            quote, terms = self._quotes[net.name], net.terms
            if terms.kind == "perpetual" or terms.asset not in self._index:
                continue
            quote.forward = listed.setdefault((terms.asset, terms.expiry), self._index[terms.asset])
            if terms.kind == "option" and quote.volatility is None and quote.mark is not None:
                quote.volatility = self._inverted(net, quote, now)

    def _inverted(self, net: _Net, quote: Quote, now: float) -> float | None:
        """Volatility of a mark; None, with a note, where no volatility gives it."""
        terms, forward = net.terms, quote.forward
        price = quote.mark * forward if terms.settlement == "inverse" else quote.mark
        tau, sign = (terms.expiry - now) / _YEAR, 1.0 if terms.type == "call" else -1.0
        try:
            found = float(implied_volatility(price, forward, terms.strike, tau, sign))
        except ValueError:
            found = 0.0
        if found > 0.0:
            return found
        self.notes.append(f"{net.name}: no volatility gives its mark {quote.mark:g}, so the world's is used")
        return None

    def _value(self, net: _Net, now: float) -> float | None:
        """USD value of a position as a margin book counts it at the marks; None where it has none."""
        quote, terms = self._quotes[net.name], net.terms
        spot = self._index[terms.asset]
        if terms.kind != "option":
            mark = quote.forward if terms.kind == "future" else quote.mark
            gain = net.quantity * ((spot if mark is None else mark) - net.entry)
            return gain * spot / mark if mark is not None and terms.settlement == "inverse" else gain
        if quote.volatility is None:
            return None
        tau, sign = (terms.expiry - now) / _YEAR, 1.0 if terms.type == "call" else -1.0
        discount = spot / quote.forward if terms.settlement == "inverse" else 1.0
        return net.quantity * float(black76(quote.forward, terms.strike, tau, quote.volatility, sign, discount))

    def _balances(self, nets: list[_Net], values: list[float | None], assets: tuple[str, ...]) -> dict[str, float]:
        """Cash by currency of the book: USD, and coins."""
        cash = dict(self._cash)
        for net in nets:
            if net.locked:
                cash[net.terms.currency] = cash.get(net.terms.currency, 0.0) + net.locked
        for currency, (equity, whole) in self._equity.items():
            mine = [(n, v) for n, v in zip(nets, values, strict=True) if whole or n.terms.currency == currency]
            unmarked = [n for n, v in mine if v is None]
            for net in unmarked:
                self.fault(net.place, f"{net.name} must have a mark: cash is equity less the value of positions")
            spot = 1.0 if currency in DOLLARS else self._index.get(currency, 1.0)
            coins = sum(x * self._index[c] for c, x in self._cash.items() if whole and c in self._index and
                        c not in DOLLARS)  # fmt: skip
            if not unmarked:
                cash[currency] = equity - (sum(v for _, v in mine) + coins) / spot
        out: dict[str, float] = {}
        for currency, amount in cash.items():
            name = "USD" if currency in DOLLARS and currency not in assets else currency
            if amount:
                out[name] = out.get(name, 0.0) + amount
        return out

    def _position(self, net: _Net, now: float) -> dict[str, Any]:
        """A position in the words of a margin book."""
        quote, terms = self._quotes[net.name], net.terms
        row: dict[str, Any] = {"instrument": terms.kind, "asset": terms.asset, "settlement": terms.settlement}
        if terms.kind == "option":
            row |= {"type": terms.type, "strike": terms.strike}
        if terms.expiry is not None:
            row["expiry_hours"] = (terms.expiry - now) / 3600.0
        row["quantity"] = net.quantity
        if terms.kind != "option":
            row["entry"] = net.entry
        if terms.kind == "perpetual":
            marks = {"mark": quote.mark}
        else:
            marks = {"mark_volatility": quote.volatility if terms.kind == "option" else None, "forward": quote.forward}
        return row | {name: value for name, value in marks.items() if value is not None}


def _netted(terms: Terms, own: list[tuple[_Held, float, float]]) -> _Net | None:
    """Positions in one instrument as one: the entry of its larger side, and what the netting locks in."""
    place, name = own[0][0].place, own[0][0].name
    amounts = np.array([amount for _, amount, _ in own])
    total = math.fsum(amounts)
    if terms.kind == "option":
        return _Net(place, terms, name, total, 0.0, 0.0) if total else None
    entries = np.array([entry for _, _, entry in own])
    if len(own) == 1:
        coins = total / entries[0] if terms.settlement == "inverse" else total
        return _Net(place, terms, name, float(coins), float(entries[0]), 0.0)
    side = np.sign(total) or 1.0
    larger = amounts * side > 0.0
    weights = np.abs(amounts[larger])
    if terms.settlement == "inverse":
        # dollars N at entry e are N / e coins; the coins of all sides together are kept
        entry = weights.sum() / (weights / entries[larger]).sum()
        locked = math.fsum(amounts / entries) - total / entry
        return _Net(place, terms, name, total / entry, entry, _clean(locked, amounts / entries))
    entry = (weights * entries[larger]).sum() / weights.sum()
    locked = total * entry - math.fsum(amounts * entries)
    return _Net(place, terms, name, total, entry, _clean(locked, amounts * entries))


def _clean(locked: float, terms: np.ndarray) -> float:
    """0 where it is rounding."""
    return 0.0 if abs(locked) <= 1e-12 * float(np.abs(terms).sum()) else locked
