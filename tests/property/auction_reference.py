"""Dutch auctions on one path in plain Python, written from the rules: the oracle of the lanes engine.

The largest share is found as the root of the buffer margin after the bid, and a bidder's share as that of his marginal
profit; the clock is a table.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import brentq
from venue_reference import Reference


@dataclass
class AuctionReference(Reference):
    """A venue with auctions on one path."""

    time: float = 0.0
    last: bool = False
    tied: float = 0.0
    sales: dict = field(default_factory=dict)
    paid_for: set = field(default_factory=set)

    def step(self, first, *market):
        self.time += 0.0 if first else 3600 * self.step_hours
        self.tied *= 0.5 ** (self.step_hours / self.terms.auction.bidders.capital_half_life_hours)
        sold = super().step(first, *market)
        for account in self.accounts if self.last else ():
            if self.equity(account) < -1e-6:
                self.pay_for(account, -self.equity(account), -self.equity(account))
        return sold

    def pay_for(self, account, owed, short):
        """Others pay `owed`, of which `short` is what the account owes beyond its equity."""
        paid = min(owed, self.fund_left())
        account.cash["USD"] += paid
        self.paid += paid
        self.need = max(self.need, self.paid - self.received)
        self.add(account, "account_shortfall", short)
        self.add(account, "bidder_payment", owed - short)
        self.mark_liquidated(account)
        if short > 1e-6 and account.name not in self.paid_for:
            self.paid_for.add(account.name)
            self.add(account, "bankrupt_accounts", 1)
        if paid < owed:
            self.exhausted = True
            if owed - paid > 1e-6:
                self.socialise(account, owed - paid)

    def mark_liquidated(self, account):
        if not account.liquidated:
            account.liquidated = True
            self.add(account, "liquidated_accounts", 1)

    def resolve(self, account):
        rules = self.terms.auction
        short = lambda e, r: r - e > 1e-12 * r + 1e-6  # noqa: E731
        equity, need = self.equity(account), self.requirement(account)
        if short(equity, need):
            self.add(account, "margin_calls", 1)
        elif account.status == "own":
            return
        if account.status == "own":
            account.status = "auction"
            self.sales[account.name] = {"began": self.time, "kept": 0.0, "insolvent": equity <= 1e-6}
            self.add(account, "auctions", 1)
        sale = self.sales[account.name]
        gap = rules.bidders.arrival_seconds
        n = max(1, math.ceil((self.time - sale["began"]) / gap))
        while True:
            equity, need = self.equity(account), self.requirement(account)
            if not short(equity, need * (1.0 if sale["insolvent"] else self.terms.target)):
                account.status = "own"
                return
            elapsed = n * gap
            if sale["began"] + elapsed >= self.time + 3600 * self.step_hours:
                return
            n += 1
            if not sale["insolvent"] and self.share(elapsed) * (equity - sale["kept"]) <= 1e-6:
                sale.update(insolvent=True, began=sale["began"] + elapsed, kept=0.0)
                n = 1
                continue
            for where in ("book", "pool"):
                if getattr(self.terms.execution, where) is not None and account.positions:
                    self.bid(account, sale, where, elapsed)

    def share(self, elapsed):
        a = self.terms.auction
        return float(np.interp(elapsed, [0, a.fast_seconds, a.fast_seconds + a.slow_seconds], [a.start, a.cutoff, 0]))

    def bid(self, account, sale, where, elapsed):
        rules, bidders = self.terms.auction, self.terms.auction.bidders
        equity, need, gross = self.equity(account), self.requirement(account), self.gross(account)
        most, fee, kept = 1.0, 0.0, sale["kept"]
        if sale["insolvent"]:
            lowest = min(equity, 0.0)
            bid = lowest + (equity - need - lowest) * min(1.0, elapsed / rules.insolvent_seconds)
            worth = equity
        else:
            share, worth, fee = self.share(elapsed), equity - kept, self.terms.liquidation_fee
            bid = share * worth
            # the buffer margin after a bid for f: what is left, what was reserved, what is paid
            after = lambda f: (1 - f) * worth + kept + f * bid - self.terms.target * (1 - f) * need  # noqa: E731
            if after(0.0) >= 0.0:
                return
            most = brentq(after, 0.0, 1.0, xtol=1e-16, rtol=1e-15) if after(1.0) > 0 else 1.0
        orders = self.orders(account)
        capital = max(bid, 0.0) + need
        most = min(most, max(0.0, bidders.capital_usd - self.tied) / capital)
        most = min([most, *(self.most(where, s, a) / x for (s, a), x in orders.items())])
        gain = lambda f: (  # noqa: E731
            worth - bid - (bidders.required_profit + fee) * gross
            - sum(x * self.fill(where, s, a, f * x)[1] for (s, a), x in orders.items())
        )  # fmt: skip
        if most <= 0.0 or gain(0.0) <= 0.0:
            return
        f = most if gain(most) >= 0.0 else brentq(gain, 0.0, most, xtol=1e-16, rtol=1e-15)
        if f * gross <= 1e-6:
            return
        cost = 0.0
        for (side, asset), x in orders.items():
            spent, _, used = self.fill(where, side, asset, f * x)
            self.taken[where, side, asset] = self.taken.get((where, side, asset), 0.0) + used
            cost += spent
        if sale["insolvent"] and bid < 0.0:
            self.pay_for(account, -f * bid, f * max(0.0, -equity))
            account.cash["USD"] -= -f * bid
        for currency, x in account.cash.items():
            account.cash[currency] = x - f * (x - (kept if currency == "USD" else 0.0))
        for key, (units, entry) in list(account.positions.items()):
            self.sold[key.asset] += f * units * self.coins(key)
            self.closed[key.asset] += self.notional(key, f * units)
            account.positions[key] = [(1 - f) * units, entry]
        if f >= 1.0:
            account.positions = {}
        if not sale["insolvent"]:
            account.cash["USD"] += f * bid
            sale["kept"] += f * bid
            self.received += fee * f * gross
        self.tied += capital * f
        self.mark_liquidated(account)
        for measure, amount in (
            ("liquidated_notional", f * gross),
            ("execution_cost", cost),
            ("liquidation_fees", fee * f * gross),
            ("auction_discount", f * (worth - bid)),
            ("bidder_profit", f * (worth - bid) - cost - fee * f * gross),
        ):
            self.add(account, measure, amount)
