"""Margin books: accounts of perpetuals, futures, European options and tokens from YAML or CSV, and back.

YAML::

    assets: [BTC, ETH]
    spot: {BTC: 34500, ETH: 1810}        # reference of moneyness and entry; must be the world's, may be left out
    accounts:
      - name: short_straddle_1
        kind: short_straddle
        cash: {USD: 20000, BTC: 0.5}
        positions:
          - {instrument: perpetual, asset: BTC, settlement: linear, quantity: 1.5, entry: 34000}
          - {instrument: option, asset: BTC, type: call, moneyness: 1.1, expiry_days: 30, quantity: -2}
          - {instrument: future, asset: BTC, expiry_days: 90, quantity: -1, entry: 35100}

        margining: cross                 # or asset, position: margined apart, see `riskengine.book.isolation`

``entry`` defaults to spot, ``settlement`` to ``linear``, ``quote`` (the dollar of a linear contract) to ``USD``; an
option has a ``strike`` or a ``moneyness`` (strike over spot); options, futures and principals (zero-coupon claims on a
coin, ``{instrument: principal, asset: USDC, expiry_days: 90, quantity: 5000}``) have ``expiry_days`` or
``expiry_hours``; a pool token (``{instrument: pool, asset: ETH, against: USDC, quantity: 2e4}``) counts liquidity, may
have a range ``low``, ``high`` or a ``fee_rate``, and the price at deposit as its ``entry``.

A book may be drawn instead: ``generate: {kinds: {market_maker: 10, box: 5}, seed: 1}`` names kinds of account and what
`riskengine.book.generated.AccountKinds` says of them; it is struck on the prices of the study's world.

CSV: one row per position with the columns ``account, kind, margining, instrument, asset, settlement, type, strike,
moneyness, expiry_days, expiry_hours, quantity, entry, quote, against, low, high, fee_rate``; a row whose instrument is
``cash`` gives `quantity` of the currency in `asset`.  Columns that no row needs may be absent.

A book that was marked at a venue says when and by whom with ``as_of`` and ``mark_source``; its ``spot`` is then the
index of that time, and positions may have the venue's ``mark`` (perpetuals), ``forward`` and ``mark_volatility``.  Such
books are what the answers of venues become, see `riskengine.data.statement`.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from riskengine.arrays import check_range
from riskengine.book.assembly import assembled
from riskengine.book.generated import AccountKinds
from riskengine.book.isolation import Margining, isolated
from riskengine.book.marks import Marks
from riskengine.book.portfolio import Portfolio
from riskengine.config.csv_book import read_csv_book
from riskengine.config.faults import BAD
from riskengine.config.reader import Path_, Tree, read_yaml
from riskengine.errors import Fault, InputError
from riskengine.instrument.terms import EuropeanOption, Future, Instrument, Perpetual, PoolToken, PrincipalToken
from riskengine.registry import suggest

if TYPE_CHECKING:
    from riskengine.config.build import Builder


# More than any account holds and any price reaches, and so small that sums and products stay in the range of float64
_MOST = 1e15


@dataclass(frozen=True)
class _Position:
    instrument: Literal["perpetual", "option", "future", "principal", "pool"]
    asset: str
    quantity: float
    settlement: Literal["linear", "inverse"] = "linear"
    entry: float | None = None
    type: Literal["call", "put"] | None = None
    strike: float | None = None
    moneyness: float | None = None
    expiry_days: float | None = None
    expiry_hours: float | None = None
    mark: float | None = None
    forward: float | None = None
    mark_volatility: float | None = None
    quote: str = "USD"
    against: str | None = None
    low: float | None = None
    high: float | None = None
    fee_rate: float | None = None

    def __post_init__(self) -> None:
        if self.quantity == 0.0:
            raise ValueError("quantity must not be 0, got 0")
        check_range("quantity", self.quantity, -_MOST, _MOST)
        positive = ("strike", "moneyness", "expiry_days", "expiry_hours", "entry", "mark", "forward",
                    "mark_volatility")  # fmt: skip
        for name in positive:
            value = getattr(self, name)
            if value is not None:
                if name.startswith("expiry") and value <= 0:
                    raise ValueError(f"{name} must be positive, got {value!r}: the {self.instrument} has expired")
                check_range(name, value, 0.0, _MOST, open_low=True)
        option, what = self.instrument == "option", f"{'an' if self.instrument == 'option' else 'a'} {self.instrument}"
        for names in (("type",), ("strike", "moneyness"), ("expiry_days", "expiry_hours")):
            given = [n for n in names if getattr(self, n) is not None]
            needed = option or (self.instrument in ("future", "principal") and names[0] == "expiry_days")
            if needed and len(given) != 1:
                raise ValueError(f"{what} must have one of {', '.join(names)}, got {', '.join(given) or 'none'}")
            if not needed and given:
                raise ValueError(f"{given[0]} must not be given for {what}, got {getattr(self, given[0])!r}")
        if self.instrument in ("principal", "pool") and (self.settlement, self.quote) != ("linear", "USD"):
            said = "it pays its asset" if self.instrument == "principal" else "it holds its coins"
            raise ValueError(f"settlement and quote must not be given for {what}: {said}")
        if self.quote != "USD" and (option or self.settlement == "inverse" or self.quote == self.asset):
            raise ValueError(f"quote must be USD, or another coin for a linear perpetual or future, got {self.quote!r}")
        legal = {
            "option": ("mark_volatility", "forward"),
            "future": ("entry", "forward"),
            "perpetual": ("entry", "mark"),
            "principal": (),
            "pool": ("entry", "against", "low", "high", "fee_rate"),
        }
        for name in ("entry", "mark", "forward", "mark_volatility", "against", "low", "high", "fee_rate"):
            if name not in legal[self.instrument] and getattr(self, name) is not None:
                raise ValueError(f"{name} must not be given for {what}, got {getattr(self, name)!r}")
        if self.instrument == "pool":
            check_range("quantity of a pool", self.quantity, 0.0, _MOST, open_low=True)
            self.pool()

    def pool(self) -> PoolToken:
        """Terms of a pool token."""
        given = {name: getattr(self, name) for name in ("against", "low", "high", "fee_rate")}
        return PoolToken(self.asset, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True)
class _Account:
    name: str
    positions: tuple[_Position, ...] = ()
    kind: str = "account"
    margining: Margining = "cross"
    cash: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for currency, amount in self.cash.items():
            check_range(f"cash in {currency}", amount, -_MOST, _MOST)


@dataclass(frozen=True)
class _Book:
    assets: tuple[str, ...]
    accounts: tuple[_Account, ...]
    spot: dict[str, float] = field(default_factory=dict)
    as_of: str | None = None
    mark_source: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.assets or len(set(self.assets)) != len(self.assets):
            raise ValueError(f"assets must be distinct and at least one, got {self.assets}")
        if not self.accounts:
            raise ValueError("accounts must hold at least one account, got none")
        for asset, price in self.spot.items():
            check_range(f"spot of {asset}", price, 0.0, _MOST, open_low=True)


def build_portfolio(builder: "Builder", path: Path_) -> Any:
    """`Portfolio` from the book at `path` of the builder's tree; faults go to the builder."""
    value = builder.value(path)
    if isinstance(value, dict) and set(value) == {"csv"}:
        try:
            builder.tree.graft(path, read_csv_book(Path(value["csv"])))
        except InputError as error:
            builder.faults += error.faults
            return BAD
    if isinstance(value, dict) and "generate" in value:
        return _generated(builder, path)
    before = len(builder.faults)
    assets = _check_names(builder, path)
    book = builder.record(_Book, path)
    if book is BAD:
        return BAD
    spot = _reference(builder, book, path)
    rows = [
        _positions(builder, account, assets, spot, (*path, "accounts", k)) for k, account in enumerate(book.accounts)
    ]
    if len(builder.faults) > before:
        return BAD
    names, kinds = tuple(a.name for a in book.accounts), tuple(a.kind for a in book.accounts)
    marks = None if book.as_of is None else _marks(builder, book, spot, path)
    if len(builder.faults) > before:
        return BAD
    whole = assembled(assets, rows, [a.cash for a in book.accounts], names, kinds, marks)
    choices = [a.margining for a in book.accounts]
    if set(choices) == {"cross"}:
        return whole
    unknown = [a for a in assets if a not in spot]
    if unknown:
        return builder.fault(f"spot of {', '.join(unknown)} must be given: margin apart shares cash by notional", path)
    return isolated(whole, choices, np.array([spot[a] for a in assets]))


@dataclass(frozen=True)
class _Generated:
    generate: AccountKinds


def _generated(builder: "Builder", path: Path_) -> Any:
    """`Portfolio` drawn on the builder's world, with the words that draw it again."""
    said = builder.record(_Generated, path)
    if said is BAD or builder.world_failed:
        return BAD
    if builder.world is None:
        return builder.fault("generate must be read with a world, on whose prices accounts are struck", path)
    model = builder.world.model
    if not hasattr(model, "spot"):
        return builder.fault(f"generate needs a world that states its spot, got kind {model.kind}", path)
    spot = dict(zip(model.assets, map(float, model.spot), strict=True))
    try:
        drawn = said.generate.book(tuple(model.assets), spot, builder.world.surface)
    except ValueError as error:
        return builder.fault(str(error), (*path, "generate"))
    return replace(drawn, origin=said.generate.named())


def _marks(builder: "Builder", book: _Book, spot: dict[str, float], path: Path_) -> Marks:
    """What the venue marked the book at; two marks of one thing are a fault."""
    perpetual: dict[str, float] = {}
    forward: dict[tuple[str, float], float] = {}
    volatility: dict[EuropeanOption, float] = {}
    for k, account in enumerate(book.accounts):
        for i, position in enumerate(account.positions):
            terms, _ = _instrument(position, spot.get(position.asset, 0.0))
            key = (position.asset, getattr(terms, "expiry_hours", 0.0))
            told = (
                ("mark", perpetual, position.asset, f"perpetuals on {position.asset}"),
                ("forward", forward, key, f"what expires with {terms.name}"),
                ("mark_volatility", volatility, terms, terms.name),
            )
            for name, known, of, what in told:
                value = getattr(position, name)
                if value is not None and known.setdefault(of, value) != value:
                    place = (*path, "accounts", k, "positions", i, name)
                    builder.fault(f"{name} of {what} must be one, got {known[of]!r} and {value!r}", place)
    return Marks(book.as_of, book.mark_source or "", spot, perpetual, forward, volatility, book.notes)


def _check_names(builder: "Builder", path: Path_) -> tuple[str, ...]:
    """Asset axis (the world's where the study has one, else the book's own), after checking every name in the book.

    Works on the plain values, so that wrong names are reported beside wrong numbers.
    """
    book = builder.value(path)
    own = book.get("assets") if isinstance(book, dict) else None
    own = [a for a in own if isinstance(a, str)] if isinstance(own, list) else []
    assets = tuple(own if builder.world is None else builder.world.model.assets)

    def check(name: Any, legal: tuple[str, ...], what: str, at: Path_) -> None:
        if isinstance(name, str) and name not in legal:
            builder.fault(f"{what} must be one of {', '.join(legal)}, got {name!r}{suggest(name, legal)}", at)

    for i, asset in enumerate(own):
        check(asset, assets, "asset of the book", (*path, "assets", i))
    accounts = book.get("accounts") if isinstance(book, dict) else None
    first: dict[str, int | None] = {}
    for k, account in enumerate(accounts if isinstance(accounts, list) else []):
        here = (*path, "accounts", k)
        if not isinstance(account, dict):
            continue
        name = account.get("name")
        if isinstance(name, str):
            if name in first:
                where = f", first on line {first[name]}" if first[name] is not None else ""
                builder.fault(f"account names must be distinct, got {name!r} again{where}", here)
            first.setdefault(name, builder.tree.place(here)[1])
        cash, positions = account.get("cash"), account.get("positions")
        for currency in cash if isinstance(cash, dict) else ():
            check(currency, ("USD", *assets), "currency of cash", (*here, "cash", currency))
        for i, position in enumerate(positions if isinstance(positions, list) else []):
            if isinstance(position, dict):
                check(position.get("asset"), assets, "asset", (*here, "positions", i, "asset"))
                for name in ("quote", "against"):
                    check(position.get(name), ("USD", *assets), name, (*here, "positions", i, name))
    return assets


def _reference(builder: "Builder", book: _Book, path: Path_) -> dict[str, float]:
    """Reference spots: the world's where the study has one, else the book's own."""
    for asset in book.spot:
        if asset not in book.assets:
            legal = ", ".join(book.assets)
            builder.fault(f"spot must be of one of the book's assets {legal}, got {asset!r}", (*path, "spot", asset))
    if book.as_of is None and (book.mark_source is not None or book.notes):
        builder.fault("as_of must be given where a mark_source or notes are", path)
    marked = [a for a in dict.fromkeys(p.asset for x in book.accounts for p in x.positions) if book.as_of is not None]
    for asset in (a for a in marked if a not in book.spot and a in book.assets):
        builder.fault(f"spot of {asset} must be given, its index at {book.as_of}", path)
    if book.as_of is None:
        names = ("mark", "forward", "mark_volatility")
        for k, account in enumerate(book.accounts):
            for i, p in enumerate(account.positions):
                for name in (n for n in names if getattr(p, n) is not None):
                    here = (*path, "accounts", k, "positions", i, name)
                    builder.fault(f"{name} must be given only in a book that says as_of when", here)
    if builder.world is None:
        return dict(book.spot)
    model = builder.world.model
    world_spot = dict(zip(model.assets, map(float, getattr(model, "spot", ())), strict=False))
    for asset, price in book.spot.items():
        if asset in world_spot and abs(price / world_spot[asset] - 1.0) > 1e-9:
            builder.fault(
                f"spot of {asset} must be the world's {world_spot[asset]!r}, got {price!r}", (*path, "spot", asset)
            )
    return book.spot | world_spot


def _positions(
    builder: "Builder", account: _Account, assets: tuple[str, ...], spot: dict[str, float], here: Path_
) -> dict[Instrument, tuple[float, float]]:
    """Instrument -> (quantity, entry) of one account."""
    row: dict[Instrument, tuple[float, float]] = {}
    for i, position in enumerate(account.positions):
        place = (*here, "positions", i)
        if position.asset not in assets or not {position.quote, position.against or "USD"} <= {"USD", *assets}:
            continue
        needs_spot = {"option": position.strike is None, "principal": False, "pool": False}.get(
            position.instrument, position.entry is None
        )
        if needs_spot and position.asset not in spot:
            if not builder.world_failed:
                builder.fault(f"spot of {position.asset} must be given: moneyness and entry are counted from it", place)
            continue
        instrument, entry = _instrument(position, spot.get(position.asset, 0.0))
        if instrument in row:
            builder.fault(f"instruments of an account must be distinct, got {instrument.name} again", place)
        if position.instrument == "pool" and account.margining != "cross":
            builder.fault(f"margining must be cross for an account with a pool token, got {account.margining}", here)
        row[instrument] = (position.quantity, entry)
    return row


def _instrument(position: _Position, spot: float) -> tuple[Instrument, float]:
    entry = spot if position.entry is None else position.entry
    if position.instrument == "perpetual":
        return Perpetual(position.asset, position.settlement, position.quote), entry
    if position.instrument == "pool":
        return position.pool(), position.entry or 0.0
    hours = position.expiry_days * 24.0 if position.expiry_hours is None else position.expiry_hours
    if position.instrument == "principal":
        return PrincipalToken(position.asset, hours), 0.0
    if position.instrument == "future":
        return Future(position.asset, hours, position.settlement, position.quote), entry
    # twelve digits: 1.1 x 1810 is 1991, not 1991.0000000000002
    strike = float(f"{position.moneyness * spot:.12g}") if position.strike is None else position.strike
    return EuropeanOption(position.asset, strike, hours, position.type, position.settlement), 0.0


def dump_portfolio(book: Portfolio) -> dict[str, Any]:
    """The book as plain values in the format above; reading them gives the same book."""
    accounts = []
    for k, (name, kind) in enumerate(zip(book.names, book.kinds, strict=True)):
        cash = {c: float(v) for c, v in zip(("USD", *book.assets), book.cash[k], strict=True) if v != 0.0}
        positions: list[dict[str, Any]] = []
        for m in np.flatnonzero(book.quantity[k]):
            terms, quantity = book.instruments[m], float(book.quantity[k, m])
            row = {"asset": terms.asset, "settlement": terms.settlement}
            if isinstance(terms, PrincipalToken):
                row = {"instrument": "principal", "asset": terms.asset, "expiry_hours": float(terms.expiry_hours)}
                row["quantity"] = quantity
            elif isinstance(terms, PoolToken):
                row = _dump_pool(terms) | {"quantity": quantity}
                row |= {"entry": float(book.entry[k, m])} if book.entry[k, m] else {}
            elif isinstance(terms, EuropeanOption):
                row = {"instrument": "option", **row, "type": terms.kind, "strike": float(terms.strike)}
                row |= {"expiry_hours": float(terms.expiry_hours), "quantity": quantity}
            else:
                dated = {"expiry_hours": float(terms.expiry_hours)} if isinstance(terms, Future) else {}
                row = {"instrument": "future" if dated else "perpetual", **row, **dated, "quantity": quantity}
                row["entry"] = float(book.entry[k, m])
                row |= {} if terms.quote == "USD" else {"quote": terms.quote}
            positions.append(row | ({} if book.marks is None else book.marks.of(terms)))
        accounts.append({"name": name, "kind": kind, "cash": cash, "positions": positions})
    marked = {} if book.marks is None else _dump_marks(book.marks)
    return {"assets": list(book.assets), **marked, "accounts": accounts}


def _dump_pool(terms: PoolToken) -> dict[str, Any]:
    own = {"low": float(terms.low), "high": float(terms.high)} if terms.low else {}
    own |= {"fee_rate": float(terms.fee_rate)} if terms.fee_rate else {}
    return {"instrument": "pool", "asset": terms.asset, "against": terms.against, **own}


def _dump_marks(marks: Marks) -> dict[str, Any]:
    out = {"as_of": marks.as_of, "mark_source": marks.source}
    return out | ({"notes": list(marks.notes)} if marks.notes else {}) | {"spot": dict(marks.spot)}


def load_book(
    file: Path, world: Any = None, format_: str | None = None, chain: Path | None = None, as_of: str | None = None
) -> Portfolio:
    """A margin book from a YAML or CSV file, or from a venue's answers in JSON.

    Parameters
    ----------
    file : Path
    world : World, optional
        Gives asset order and reference spots; without it the file must give the spots that it needs.  A book that was
        marked at a venue keeps its own index: ask `World.at` for the world there.
    format_ : str, optional
        ``book``, or a venue's name as in `riskengine.data.statement.reader.FORMATS`; found by content by default.
    chain : Path, optional
        Quotes of the venue.
    as_of : str, optional
        ISO stamp of a venue's answers; their latest stamp by default.

    Raises
    ------
    InputError
        With every fault of the file.
    """
    from riskengine.config.build import Builder

    tree = _tree(file, world, format_, chain, as_of)
    value = tree.value
    if world is not None and isinstance(value, dict) and "as_of" in value and isinstance(value.get("spot"), dict):
        usable = {a: float(x) for a, x in value["spot"].items() if isinstance(x, (int, float)) and 0.0 < x < _MOST}
        world = world.at(usable)
    builder = Builder(tree, world=world)
    return builder.done(build_portfolio(builder, ()))


def _tree(file: Path, world: Any, format_: str | None, chain: Path | None, as_of: str | None) -> Tree:
    """The file as the tree of a margin book."""
    if file.suffix == ".json" and format_ != "book":
        from riskengine.data.statement.reader import load_json, read_statement

        held = load_json(file)
        if format_ is not None or not (isinstance(held, dict) and {"assets", "accounts"} <= set(held)):
            assets = None if world is None else tuple(world.model.assets)
            plain, places = read_statement(file, chain, format_, as_of, assets)
            where = {("accounts", 0, "positions", i): (f"{file}: {at}", None) for i, at in enumerate(places)}
            return Tree(plain, str(file), {(): (str(file), None)} | where)
    if format_ not in (None, "book") or chain is not None or as_of is not None:
        raise InputError(Fault("must be a JSON file of a venue's answers where a format, chain or time is given",
                               str(file)))  # fmt: skip
    return read_csv_book(file) if file.suffix == ".csv" else read_yaml(file)
