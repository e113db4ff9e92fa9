"""Life of margin accounts on a path: funded at the start, closed in part when under-margined, backed by a fund.

What the fund cannot pay is charged to the accounts with equity, in proportion to it, so one default can push a
neighbour under its margin at the next step.
"""

import numpy as np

from riskengine.arrays import Floats
from riskengine.jit import kernel
from riskengine.liquidation.partial_close import partial_close
from riskengine.liquidation.terms import LiquidationTerms
from riskengine.liquidation.waterfall import draw, socialise


class AccountLife:
    """Accounts of one (model, level, multiplier) setting.

    Positions are closed in proportion, so an account on a path is two numbers: the share of its positions it still
    holds, and its cash.  Requirements and values scale with that share (margin models are positively homogeneous).

    Parameters
    ----------
    initial : ndarray, shape (K, P)
        Initial requirement at the start, multiplier included.
    value : ndarray, shape (K, P)
        Value of the positions at the start.
    funding : float
        Equity at the start is `funding` times `initial`.
    terms : LiquidationTerms
    rounding : ndarray, shape (K, P), or number
        USD by which equity may miss its requirement without being short of it.
    """

    def __init__(
        self, initial: Floats, value: Floats, funding: float, terms: LiquidationTerms, rounding: Floats | float = 0.0
    ):
        self._terms = terms
        self._rounding = np.broadcast_to(np.asarray(rounding, dtype=np.float64), value.shape)
        self.held = np.ones_like(value)
        self.cash = funding * initial - value
        self.fund = terms.insurance_fund * initial.sum(axis=0)
        self._fund_start = self.fund
        self.liquidations = np.zeros(value.shape[1])
        self.cost = np.zeros(value.shape[1])
        self.socialised = np.zeros(value.shape[1])
        self.uncharged = np.zeros(value.shape[1])  # socialised loss that no account had the equity to bear
        self._touched = np.zeros(value.shape, dtype=bool)
        self._found = np.empty(value.size, dtype=np.int64)

    def step(self, value: Floats, maintenance: Floats, closing_cost: Floats, multiplier: float = 1.0) -> Floats | None:
        """Liquidate whoever is under-margined.

        Parameters
        ----------
        value, maintenance, closing_cost : ndarray, shape (K, P)
            For whole positions.
        multiplier : float
            On `maintenance`.

        Returns
        -------
        ndarray, shape (K, P), or None
            Share of the whole positions closed in this step; None where nobody was liquidated.
        """
        count = _under_margined(self.cash, self.held, value, maintenance, multiplier, self._rounding, self._found)
        if count == 0:
            return None
        k, p = np.divmod(self._found[:count], self.fund.size)
        held = self.held[k, p]
        equity = self.cash[k, p] + held * value[k, p]
        need = held * (multiplier * maintenance[k, p])
        plan = partial_close(equity, need, held * closing_cost[k, p], self._terms.target)
        closed = plan.fraction * held
        self.cash[k, p] += closed * value[k, p] - plan.cost + plan.shortfall
        self.held[k, p] = np.where(plan.fraction >= 1.0, 0.0, held - closed)
        self._touched[k, p] = True
        lanes = self.fund.size
        self.liquidations += np.bincount(p, minlength=lanes)
        self.cost += np.bincount(p, weights=plan.cost, minlength=lanes)
        shortfall = np.bincount(p, weights=plan.shortfall, minlength=lanes)
        called = draw(self.fund, shortfall)
        self.fund = called.fund
        self.socialised += called.socialised
        lanes_hit = np.flatnonzero(called.exhausted)
        if lanes_hit.size:
            standing = self.cash[:, lanes_hit] + self.held[:, lanes_hit] * value[:, lanes_hit]
            charge = socialise(called.socialised[lanes_hit], standing)
            self.cash[:, lanes_hit] -= charge
            self.uncharged[lanes_hit] += called.socialised[lanes_hit] - charge.sum(axis=0)
        share = np.zeros_like(value)
        share[k, p] = closed
        return share

    def columns(self) -> dict[str, Floats]:
        """Per path: liquidations, share of accounts liquidated, cost, fund draw and exhaustion, socialised loss."""
        return {
            "liquidations": self.liquidations,
            "liquidated_share": self._touched.mean(axis=0),
            "liquidation_cost": self.cost,
            "fund_draw": self._fund_start - self.fund,
            "fund_exhausted": (self.socialised > 0.0).astype(np.float64),
            "socialised_loss": self.socialised,
        }


@kernel
def _under_margined(cash, held, value, maintenance, multiplier, rounding, found):
    """Write the flat positions of accounts that hold something and have less than they need; return how many."""
    count = 0
    lanes = cash.shape[1]
    for k in range(cash.shape[0]):
        for p in range(lanes):
            h = held[k, p]
            if h > 0.0 and cash[k, p] + h * value[k, p] + rounding[k, p] < h * (multiplier * maintenance[k, p]):
                found[count] = k * lanes + p
                count += 1
    return count
