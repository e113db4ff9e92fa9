"""A maker of options on one path in plain Python: an account with cash and options of its own.

What it charges is the integral of its quote by quadrature, not the potential; its profit is what its cash and options
are worth at the end.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import brentq
from venue_reference import Reference

from riskengine.instrument.terms import EuropeanOption

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)


@dataclass
class MakerReference(Reference):
    """A venue whose options a maker takes last."""

    places = ("book", "pool", "maker")

    cash: float = 0.0
    held: dict = field(default_factory=dict)
    charged: float = 0.0
    taken_on: float = 0.0

    def step(self, first, spot, mark, rate, relative, value, delta):
        self.value = value
        keep = 0.5 ** (self.step_hours / self.terms.execution.maker.half_life_hours)
        if not first:
            for key, units in self.held.items():
                self.cash += (1 - keep) * units * value[key]
                self.held[key] = keep * units
        return super().step(first, spot, mark, rate, relative, value, delta)

    def profit(self):
        return self.cash + sum(units * self.value[key] for key, units in self.held.items())

    def slippage(self, flows, f):
        """USD a second of closing `flows` at unit speed, after the share f of them: every option at the quote."""
        maker = self.terms.execution.maker
        rate = 0.0
        for asset in {k.asset for k in flows}:
            vega, exposure = (
                sum(
                    (self.held.get(k, 0.0) + f * flows.get(k, 0.0)) * self.greeks[k][g]
                    for k in {**self.held, **flows}
                    if k.asset == asset
                )
                for g in (0, 1)
            )
            for key, units in flows.items():
                if key.asset == asset:
                    n, d = self.greeks[key]
                    quote = maker.spread * abs(n) * np.sign(units) + n * maker.vega_widening * vega / (
                        100 * maker.vega_limit_usd[asset]
                    )
                    rate += units * (quote + d * maker.delta_widening * exposure / maker.delta_limit_usd[asset])
        return rate

    def charge(self, flows, f):
        at = 0.5 * f * (_NODES + 1)
        return 0.5 * f * sum(w * self.slippage(flows, x) for w, x in zip(_WEIGHTS, at, strict=True))

    def most_made(self, flows):
        maker, most = self.terms.execution.maker, 1.0
        for asset in {k.asset for k in flows}:
            mine = {k: u for k, u in flows.items() if k.asset == asset}
            limits = (100 * maker.vega_limit_usd[asset], maker.delta_limit_usd[asset])
            for g, limit in enumerate(limits):
                held = sum(u * self.greeks[k][g] for k, u in self.held.items() if k.asset == asset)
                asked = sum(u * self.greeks[k][g] for k, u in mine.items())
                room = limit - np.sign(asked) * held
                if asked:
                    most = min(most, room / abs(asked) if room > 1e-12 * limit else 0.0)
            worst = self.terms.execution.limit * sum(self.notional(k, u) for k, u in mine.items())
            dear = lambda f: self.slippage(mine, f) - worst  # noqa: B023, E731
            if dear(0.0) > 0:
                most = 0.0
            elif most > 0 and dear(most) > 0:
                most = brentq(dear, 0.0, most, xtol=1e-16, rtol=1e-15)
        return max(most, 0.0)

    def sell(self, account, where):
        if where != "maker":
            return super().sell(account, where)
        flows = {k: u for k, (u, _) in account.positions.items() if isinstance(k, EuropeanOption)}
        if not flows:
            return False, False, False
        equity, need = self.equity(account), self.requirement(account)
        gross = sum(self.notional(k, u) for k, u in flows.items())
        margin = sum(self.margin(k, u) for k, u in flows.items())
        target, fee = self.terms.target, self.terms.liquidation_fee
        freed = target * margin - fee * gross
        after = lambda f: equity - self.charge(flows, f) - fee * f * gross - target * (need - f * margin)  # noqa: E731
        f, restored = self.most_made(flows), False
        if f * gross <= 1e-6:
            return False, False, False
        if account.status == "own":
            if self.slippage(flows, f) > freed:
                dearer = lambda g: self.slippage(flows, g) - freed  # noqa: E731
                f = 0.0 if dearer(0.0) >= 0 else brentq(dearer, 0, f, xtol=1e-16, rtol=1e-15)
            if after(f) >= 0:
                f, restored = brentq(after, 0.0, f, xtol=1e-16, rtol=1e-15), True
        if f * gross <= 1e-6:
            return False, False, False
        room = equity + self.fund_left()
        room = room if room >= 1e-6 else 0.0
        short = self.charge(flows, f) > room
        if short:
            # what relieves the maker may cost nothing at first, where there is no room at all
            low, high, restored = 0.0, f, False
            while high - low > 1e-16 + 1e-15 * high:
                middle = 0.5 * (low + high)
                low, high = (low, middle) if self.charge(flows, middle) > room else (middle, high)
            f = low
        if f * gross <= 1e-6:
            return restored, short, False
        spent = {}
        for asset in {k.asset for k in flows}:
            mine = {k: u for k, u in flows.items() if k.asset == asset}
            worth = sum(self.notional(k, u) for k, u in mine.items())
            spent.update({k: self.charge(mine, f) * self.notional(k, u) / worth for k, u in mine.items()})
        for key, units in flows.items():
            usd, currency = self.gain(key, f * units, 0.0)
            account.cash[currency] += (usd - spent[key]) / (1.0 if currency == "USD" else self.spot[currency])
            self.cash -= usd - spent[key]
            self.held[key] = self.held.get(key, 0.0) + f * units
            self.sold[key.asset] += f * units * self.delta[key]
            self.closed[key.asset] += self.notional(key, f * units)
            if f >= 1.0:
                del account.positions[key]
            else:
                account.positions[key] = [(1 - f) * units, 0.0]
        total = sum(spent.values())
        self.charged += total
        self.taken_on += f * gross
        fees = min(fee * f * gross, max(0.0, equity - total))
        account.cash["USD"] -= fees
        self.received += fees
        for measure, amount in (
            ("liquidated_notional", f * gross),
            ("execution_cost", total),
            ("liquidation_fees", fees),
        ):
            self.add(account, measure, amount)
        return restored, short, True
