"""Account life of one path in plain Python, written from the rules: the oracle of the lanes engine.

Contracts are held as they are traded (entry prices and cash apart), funding is paid as it falls due, liquidity is
walked as reserves and books, and shares to close come from a root finder.  Nothing is shared with the engine but what
an option is worth and moves like, which is given.
"""

import math
from dataclasses import dataclass, field

from scipy.optimize import brentq

from riskengine.instrument.terms import EuropeanOption


@dataclass
class Account:
    """Cash by currency and positions instrument -> [units, entry]; units are coins, or USD of an inverse perpetual."""

    name: str
    kind: str
    cash: dict
    positions: dict
    status: str = "own"
    liquidated: bool = False


@dataclass
class Reference:
    """A venue on one path."""

    places = ("book", "pool")

    accounts: list
    terms: object
    fund: float
    step_hours: float
    received: float = 0.0
    paid: float = 0.0
    need: float = 0.0
    exhausted: bool = False
    uncovered: float = 0.0
    hottest: float = 0.0
    taken: dict = field(default_factory=dict)
    sums: dict = field(default_factory=dict)

    def add(self, account, measure, amount):
        self.sums[account.kind, measure] = self.sums.get((account.kind, measure), 0.0) + amount

    # what accounts are worth

    def gain(self, key, units, entry):
        """USD that closing `units` at the mark realises, and the currency it is realised in."""
        currency = "USD" if key.settlement == "linear" else key.asset
        if isinstance(key, EuropeanOption):
            return units * self.value[key], currency
        if key.settlement == "linear":
            return units * (self.mark[key.asset] - entry), currency
        return units * (1 / entry - 1 / self.mark[key.asset]) * self.spot[key.asset], currency

    def notional(self, key, units):
        spot, mark = self.spot[key.asset], self.mark[key.asset]
        if isinstance(key, EuropeanOption):
            return abs(units) * spot
        return abs(units) * (mark if key.settlement == "linear" else spot / mark)

    def margin(self, key, units):
        """Maintenance of one position."""
        if not isinstance(key, EuropeanOption):
            return self.terms.maintenance[key.asset] * self.notional(key, units)
        if units > 0:
            return units * self.value[key]
        share = self.terms.option_maintenance
        grown = share * self.value[key] / self.spot[key.asset] if key.kind == "put" else 0.0
        return abs(units) * max(share, grown) * self.spot[key.asset]

    def equity(self, account):
        cash = sum(x * (1.0 if c == "USD" else self.spot[c]) for c, x in account.cash.items())
        return cash + sum(self.gain(key, *held)[0] for key, held in account.positions.items())

    def requirement(self, account):
        return sum(self.margin(key, units) for key, (units, _) in account.positions.items())

    def gross(self, account):
        return sum(self.notional(k, u) for k, (u, _) in account.positions.items())

    # liquidity

    def pool_depth(self, asset):
        return self.terms.execution.pool.depth_usd[asset]

    def liquidity(self, where, asset):
        """Record of a book or pool; ``BTC options`` is the book of options of BTC."""
        return self.terms.execution.options if asset.endswith(" options") else getattr(self.terms.execution, where)

    def density(self, asset):
        name = asset.removesuffix(" options")
        return self.liquidity("book", asset).depth_usd[name] * self.relative[name] / 0.01

    def fill(self, where, side, asset, x):
        """(cost beside the mark, slippage of the last dollar, what the fill uses up) of filling x USD."""
        z = self.taken.get((where, side, asset), 0.0)
        if where == "book":
            spread, rho = self.liquidity(where, asset).half_spread, self.density(asset)
            first, last = spread + z / rho, spread + (z + x) / rho
            return 0.5 * (first + last) * x, last, x
        depth, keep = self.pool_depth(asset), 1 - self.terms.execution.pool.fee
        reserve_in = depth + z
        reserve_out = depth * depth / reserve_in
        if side == "sell":
            out = reserve_out - reserve_in * reserve_out / (reserve_in + keep * x)
            last = reserve_in * reserve_out * keep / (reserve_in + keep * x) ** 2
            return x - out, 1 - last, keep * x
        into = (reserve_in * reserve_out / (reserve_out - x) - reserve_in) / keep
        last = reserve_in * reserve_out / (reserve_out - x) ** 2 / keep
        return into - x, last - 1, keep * into

    def most(self, where, side, asset):
        """Notional up to the limit of the order."""
        execution = self.terms.execution
        limit = execution.limit
        if where == "book":
            z = self.taken.get((where, side, asset), 0.0)
            book = self.liquidity(where, asset)
            if book is None:
                return 0.0
            return max(0.0, (min(limit, book.reach) - book.half_spread) * self.density(asset) - z)
        if asset.endswith(" options"):
            return 0.0
        slip = lambda x: self.fill(where, side, asset, x)[1] - limit  # noqa: E731
        if slip(0.0) >= 0:
            return 0.0
        depth = self.pool_depth(asset)
        z = self.taken.get((where, side, asset), 0.0)
        top = 10 * depth if side == "sell" else depth * depth / (depth + z) * (1 - 1e-12)
        return brentq(slip, 0.0, top, xtol=1e-9, rtol=1e-15, maxiter=500)

    # the waterfall

    def step(self, first, spot, mark, rate, relative, value, delta):
        """One step; `rate` is the funding per year that was due since the last step, at the last mark."""
        if not first:
            for (where, side, asset), z in self.taken.items():
                half = self.liquidity(where, asset).refill_half_life_hours
                self.taken[where, side, asset] = z * 0.5 ** (self.step_hours / half)
            for account in self.accounts:
                for key, (units, _) in account.positions.items():
                    asset = key.asset
                    due = rate[asset] * self.step_hours / 8760
                    if isinstance(key, EuropeanOption):
                        continue
                    if key.settlement == "linear":
                        account.cash["USD"] -= units * self.mark[asset] * due
                    else:
                        account.cash[asset] -= units / self.mark[asset] * due
        self.spot, self.mark, self.relative, self.value, self.delta = spot, mark, relative, value, delta
        self.sold, self.closed = dict.fromkeys(spot, 0.0), dict.fromkeys(spot, 0.0)
        called = []
        for number, account in enumerate(self.accounts):
            if account.status == "closed":
                continue
            equity, need = self.equity(account), self.requirement(account)
            if account.status in ("taken", "auction") or need - equity > 1e-12 * need + 1e-6:
                own = account.status == "own" and need > 0
                called.append((round(1e9 * equity / need) if own else -math.inf, number))
        for _, number in sorted(called):
            self.resolve(self.accounts[number])
        return self.sold

    def unfinished(self, kind):
        """Notional of the accounts of a kind that would be called, sold or auctioned at once again."""
        return sum(
            self.gross(x)
            for x in self.accounts
            if x.kind == kind
            and (
                x.status in ("taken", "auction")
                or (x.status == "own" and self.requirement(x) - self.equity(x) > 1e-12 * self.requirement(x) + 1e-6)
            )
        )

    def fund_left(self):
        return max(0.0, self.fund + self.received - self.paid)

    def resolve(self, account):
        if account.status == "own":
            equity, need = self.equity(account), self.requirement(account)
            if need - equity <= 1e-12 * need + 1e-6:
                return
            self.add(account, "margin_calls", 1)
        short, sold = False, False
        for where in self.places:
            if getattr(self.terms.execution, where) is None or not account.positions:
                continue
            done, short, some = self.sell(account, where)
            sold = sold or some
            if done or short:
                break
        equity = self.equity(account)
        if equity < -1e-6 or short:
            owed = max(0.0, -equity)
            paid = min(owed, self.fund_left())
            account.cash["USD"] += paid
            self.paid += paid
            self.need = max(self.need, self.paid - self.received)
            self.add(account, "account_shortfall", owed)
            if account.status == "own":
                account.status = "taken"
                self.add(account, "bankrupt_accounts", 1)
            if short or paid < owed:
                self.exhausted = True
                left = self.deleverage(account, owed - paid if owed - paid > 1e-6 else 0.0)
                if left > 1e-6:
                    self.socialise(account, left)
        if not account.liquidated and (sold or account.status != "own"):
            account.liquidated = True
            self.add(account, "liquidated_accounts", 1)
        if account.status == "taken" and not account.positions:
            self.received += self.equity(account)
            account.cash = dict.fromkeys(account.cash, 0.0)
            account.status = "closed"

    @staticmethod
    def book_of(key):
        return key.asset + (" options" if isinstance(key, EuropeanOption) else "")

    def orders(self, account):
        """Notional by side and book of closing all positions."""
        orders = {}
        for key, (units, _) in account.positions.items():
            at = "sell" if units > 0 else "buy", self.book_of(key)
            orders[at] = orders.get(at, 0.0) + self.notional(key, units)
        return orders

    def coins(self, key):
        """Coins that one unit moves like."""
        return self.delta[key] if isinstance(key, EuropeanOption) else self.notional(key, 1.0) / self.spot[key.asset]

    def sell(self, account, where):
        """Returns (restored, fund exhausted, anything sold)."""
        equity, need, gross = self.equity(account), self.requirement(account), self.gross(account)
        orders = self.orders(account)
        cost = lambda f: sum(self.fill(where, s, a, f * x)[0] for (s, a), x in orders.items())  # noqa: E731
        dearer = lambda f: sum(x * self.fill(where, s, a, f * x)[1] for (s, a), x in orders.items())  # noqa: E731
        target, fee = self.terms.target, self.terms.liquidation_fee
        freed = target * need - fee * gross
        after = lambda f: equity - cost(f) - fee * f * gross - target * (1 - f) * need  # noqa: E731
        most = min([1.0, *(self.most(where, s, a) / x for (s, a), x in orders.items())])
        f, restored = most, False
        if most * gross <= 1e-6:
            return False, False, False
        if account.status == "own":
            if dearer(most) > freed:
                f = (
                    0.0
                    if dearer(0.0) >= freed
                    else brentq(lambda g: dearer(g) - freed, 0, most, xtol=1e-16, rtol=1e-15)
                )
            if after(f) >= 0:
                f, restored = brentq(after, 0.0, f, xtol=1e-16, rtol=1e-15), True
        if f * gross <= 1e-6:
            return False, False, False
        room = max(0.0, equity + self.fund_left())
        short = cost(f) > room
        if short:
            f, restored = brentq(lambda g: cost(g) - room, 0.0, f, xtol=1e-16, rtol=1e-15) if room > 0 else 0.0, False
        if f * gross <= 1e-6:
            return restored, short, False
        prices = {}
        for (side, asset), x in orders.items():
            spent, _, used = self.fill(where, side, asset, f * x)
            prices[side, asset] = spent / (f * x)
            self.taken[where, side, asset] = self.taken.get((where, side, asset), 0.0) + used
        total = 0.0
        for key, (units, entry) in list(account.positions.items()):
            slip = prices["sell" if units > 0 else "buy", self.book_of(key)] * self.notional(key, f * units)
            self.sold[key.asset] += f * units * self.coins(key)
            self.closed[key.asset] += self.notional(key, f * units)
            usd, currency = self.gain(key, f * units, entry)
            account.cash[currency] += (usd - slip) / (1.0 if currency == "USD" else self.spot[currency])
            total += slip
            account.positions[key] = [(1 - f) * units, entry]
        if f >= 1.0:
            account.positions = {}
        charged = min(fee * f * gross, max(0.0, equity - total))
        account.cash["USD"] -= charged
        self.received += charged
        for measure, amount in (
            ("liquidated_notional", f * gross),
            ("execution_cost", total),
            ("liquidation_fees", charged),
        ):
            self.add(account, measure, amount)
        return restored, short, True

    def score(self, account, key):
        units, entry = account.positions[key]
        mark = self.mark[key.asset]
        rise = mark / entry - 1 if key.settlement == "linear" else 1 - entry / mark
        share = rise if units > 0 else -rise
        leverage = self.gross(account) / self.equity(account)
        return share * leverage if share > 0 else share / leverage

    def deleverage(self, account, owed):
        ranked = [k for k in account.positions if not isinstance(k, EuropeanOption)]
        gross = sum(self.notional(k, account.positions[k][0]) for k in ranked)
        if gross == 0:
            return owed
        rate = owed / gross
        for key in sorted(ranked, key=lambda k: self.instruments.index(k)):
            others = [
                x
                for x in self.accounts
                if x is not account
                and x.status == "own"
                and key in x.positions
                and x.positions[key][0] * account.positions[key][0] < 0
                and self.equity(x) > 1e-6
            ]
            for other in sorted(others, key=lambda x: -self.score(x, key)):
                mine, theirs = account.positions[key], other.positions[key]
                size = min(abs(mine[0]), abs(theirs[0]))
                notional = self.notional(key, size)
                loss = min(rate * notional, self.equity(other))
                for who, held in ((account, mine), (other, theirs)):
                    units = math.copysign(size, held[0])
                    usd, currency = self.gain(key, units, held[1])
                    who.cash[currency] += usd / (1.0 if currency == "USD" else self.spot[currency])
                    left = 0.0 if size == abs(held[0]) else held[0] - units
                    if left == 0.0:
                        del who.positions[key]
                    else:
                        who.positions[key] = [left, held[1]]
                account.cash["USD"] += loss
                other.cash["USD"] -= loss
                owed -= loss
                self.add(other, "deleveraged_notional", notional)
                self.add(other, "deleveraging_loss", loss)
                self.add(other, "deleveragings", 1)
                if key not in account.positions:
                    break
        return max(0.0, owed)

    def socialise(self, account, owed):
        standing = [
            x for x in self.accounts if x is not account and x.status in ("own", "auction") and self.equity(x) > 0
        ]
        worth = [self.equity(x) for x in standing]
        share = min(1.0, owed / sum(worth)) if standing else 0.0
        for x, e in zip(standing, worth, strict=True):
            x.cash["USD"] -= share * e
            self.add(x, "socialised_loss", share * e)
        rest = max(0.0, owed - share * sum(worth))
        self.uncovered += rest
        account.cash["USD"] += owed
