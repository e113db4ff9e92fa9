"""A lending market whose bad-debt risk is known exactly: what a certificate of a collateral factor is held against.

One small loan on Aave v3, a lognormal price, two times at which it is monitored, keepers without delay or gas and a
pool without impact: the chance of bad debt under each liquidation threshold has a closed form
(`riskengine.lending.closed_form.twice_monitored_bad_debt`).  The market itself is simulated with everything that a
study uses, and the choice is made from the simulated paths alone.

Every call closes the loan whole, so bad debt is monotone in the threshold on each path.  A wrong choice is then one in
which the first unsafe threshold j passes, and its chance is exactly P(Bin(n, risk of j) <= x), x the breaches that a
certificate allows.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import bdtr

from riskengine.arrays import Floats
from riskengine.book.loans import Loans
from riskengine.lending.aave_v3.joint import JointRun
from riskengine.lending.aave_v3.market import AaveV3
from riskengine.lending.aave_v3.rules import AaveV3Rules, Reserve
from riskengine.lending.closed_form import twice_monitored_bad_debt
from riskengine.lending.keeper import Keeper
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.market.grid import TimeGrid
from riskengine.oracle.push import PushOracle
from riskengine.random import DrawKeys
from riskengine.rates.two_slope import TwoSlope
from riskengine.scenario.gbm import Gbm
from riskengine.tune.certify import allowed_breaches, certify

_BATCH = 4096  # paths of one market


@dataclass(frozen=True)
class OneLoan:
    """The market and its candidates.

    Attributes
    ----------
    thresholds : tuple of float
        Candidates, rising.
    sigma : float
        Volatility a year.
    step_hours : float
    collateral, debt : float
        USD at the start; small, so that a call may always close the loan whole.
    bonus : float
    """

    thresholds: tuple[float, ...]
    sigma: float = 1.0
    step_hours: int = 24
    collateral: float = 1250.0
    debt: float = 1000.0
    bonus: float = 0.05

    @cached_property
    def risks(self) -> Floats:
        """Exact chance of bad debt under every candidate."""
        step = self.step_hours / 8760.0
        return np.array(
            [
                twice_monitored_bad_debt(self.collateral, self.debt, t, self.bonus, self.sigma, step)
                for t in self.thresholds
            ]
        )

    @cached_property
    def markets(self) -> tuple[AaveV3, ...]:
        """The market under every candidate."""
        free = TwoSlope(0.8, 0.0, 0.0, 0.0)
        usd = Reserve("USDC", None, 6, 0.0, 0.0, 0.0, 0.0, free)
        return tuple(
            AaveV3(
                AaveV3Rules(
                    "one loan",
                    "2000-01-01",
                    "closed form",
                    (Reserve("COIN", "COIN", 18, 0.5, t, self.bonus, 0.0, free), usd),
                    PushOracle(0.0, float(self.step_hours)),
                ),
                Keeper(0.0, 0.0, 1),
                ConstantProduct({"COIN": 1e15}, fee=0.0),
            )
            for t in self.thresholds
        )

    def losses(self, seed: int, first: int, count: int) -> Floats:
        """Whether each of `count` paths from `first` on leaves bad debt under each candidate, (count, C)."""
        world = Gbm(("COIN",), (1.0,), (0.0,), (self.sigma,), ((1.0,),))
        paths = world.sample(TimeGrid(3600 * self.step_hours, 2), first, count, DrawKeys(seed))
        book = Loans(("COIN", "USDC"), np.array([[self.collateral, 0.0]]), np.array([[0.0, self.debt]]), ("the loan",))
        joint = JointRun.prepare(self.markets, book, paths)
        # a loan repaid whole leaves rounding behind
        return np.stack([joint.columns(m, book)["bad_debt"] > 1e-6 for m in self.markets], axis=1).astype(np.float64)

    def violation(self, n: int, target: float, delta: float) -> float:
        """Exact chance that the choice from `n` paths has a risk above `target`; 0 where no candidate has."""
        unsafe = np.flatnonzero(self.risks > target)
        allowed = allowed_breaches(n, target, delta)
        return float(bdtr(allowed, n, self.risks[unsafe[0]])) if unsafe.size and allowed >= 0 else 0.0

    def choices(self, seed: int, replications: int, n: int, target: float, delta: float) -> np.ndarray:
        """Place of the candidate chosen in each replication, -1 for none: paths of its own for each."""
        out = np.empty(replications, dtype=np.int64)
        together = max(1, _BATCH // n)
        for start in range(0, replications, together):
            count = min(together, replications - start)
            losses = self.losses(seed, start * n, count * n).reshape(count, n, -1)
            for k in range(count):
                chosen = certify(losses[k], target, delta, "clopper-pearson").chosen
                out[start + k] = -1 if chosen is None else chosen
        return out
