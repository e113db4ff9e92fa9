"""`PathUtilisation`: how far a pool is lent out moves with the path, and its rates with that.

By default a market's utilisation stays where its rules say.  With this option every token that the book owes has a pool
on every path: the book is all of its debt at the start, suppliers' claims follow from the stated utilisation, and in
every step, in this order,

    1  interest accrues over the step at the rates of its start; borrowers' interest = suppliers' + the protocol's
    2  borrowers and suppliers move towards what they want at the rates that their moves lead to, which before shocks is

           debt    (r / r0)^-e_b        supply    (s / s0)^e_s        each as a multiple of the start

       the logarithm of what they have goes a share 1 - 2^(-t / half-life) of the way, and jumps with a shock.  The
       step is implicit, one root in the utilisation per path: past a kink rates answer so steeply that a step at the
       rates of before would swing across it.  Where the world has a borrow rate of the asset that the token follows, r
       counts relative to it
    3  liquidations repay debt and write it off
    4  utilisation and rates are read again.

Who repays does so in proportion; who borrows anew is somebody else, whose loan is not followed: a loan of the book
never owes more than with interest alone.  Repayments and deposits come before withdrawals, withdrawals before new
loans, and neither may take more than the idle cash: who is refused waits, and asks again in the next step.
An answer to a rate below a hundredth of what it was is that to a hundredth.

Balances of loans that owe or supply a pool's token are kept on every path (a growth factor on each would be the same),
which makes a run dearer than at a stated utilisation, where two numbers per token serve all paths.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from riskengine.arrays import Floats, Ints, check_range
from riskengine.jit import kernel, wide_vectors
from riskengine.lending.due import RETURNED
from riskengine.lending.sale import REPAID_OF
from riskengine.rates.crvusd_policy import CrvusdPolicy
from riskengine.rates.pool import Balances, PoolCurve, share

_LEAST_RATIO = 0.01
# of a root in utilisation, and how far from the utilisation of before it is looked for first
_TOLERANCE, _NEAR = 1e-13, 0.01
# what is refused below this share of supply is rounding
_DUST = 1e-9
# who bears debt that is written off: nobody yet (it stays a claim), suppliers at once, the protocol's own reserves
CLAIM, SUPPLIERS, RESERVES = range(3)


@dataclass(frozen=True)
class RateShock:
    """Something that happens at one hour of every path.

    Attributes
    ----------
    hours : float
        After the start; a whole number of grid steps.
    withdrawn : float
        Share of their supply that suppliers want out at once.
    demand : float
        What borrowers want then, as a multiple of what they wanted before; what is above 1 comes as new loans.
    """

    hours: float
    withdrawn: float = 0.0
    demand: float = 1.0

    def __post_init__(self) -> None:
        check_range("hours", self.hours, 0.0, 87600.0, open_low=True)
        check_range("withdrawn", self.withdrawn, 0.0, 1.0, open_high=True)
        check_range("demand", self.demand, 0.0, 1e3, open_low=True)


@dataclass(frozen=True)
class PathUtilisation:
    """How borrowers and suppliers answer the rates of a pool.

    Attributes
    ----------
    borrower_elasticity, supplier_elasticity : float
        Fall of the debt wanted, and rise of the supply wanted, in per cent for a rise of their rate by one per cent.
    half_life_hours : float
        In which half of what is missing (in logarithms) is made up.
    shocks : tuple of RateShock
    policy : CrvusdPolicy or None
        Replaces the curve of the rules by crvUSD's monetary policy: debt is minted, the ceiling is what the start's
        utilisation makes of it, and nobody supplies.  The price that it reads is the market's price of the debt token.
    """

    borrower_elasticity: float = 0.0
    supplier_elasticity: float = 0.0
    half_life_hours: float = 24.0
    shocks: tuple[RateShock, ...] = ()
    policy: CrvusdPolicy | None = field(default=None, metadata={"written": "unless none"})

    def __post_init__(self) -> None:
        check_range("borrower_elasticity", self.borrower_elasticity, 0.0, 10.0)
        check_range("supplier_elasticity", self.supplier_elasticity, 0.0, 10.0)
        check_range("half_life_hours", self.half_life_hours, 0.0, 87600.0, open_low=True)
        if self.policy is not None and (self.supplier_elasticity or any(s.withdrawn for s in self.shocks)):
            raise ValueError(
                "suppliers must do nothing under a policy, whose debt is minted, got some who answer or leave"
            )

    @property
    def said(self) -> str:
        """The answers and shocks in a sentence, for a report."""
        told = []
        for s in self.shocks:
            what = [f"{100 * s.withdrawn:g} % of supply is wanted out"] if s.withdrawn else []
            what += [f"borrowers want {s.demand:g} times as much"] if s.demand != 1.0 else []
            told.append(f"; at hour {s.hours:g} {' and '.join(what) or 'nothing happens'}")
        minted = "; debt is minted at the rate of crvUSD's policy up to a ceiling" if self.policy is not None else ""
        return (
            f"borrowers answer their rate with elasticity {self.borrower_elasticity:g}, suppliers theirs with "
            f"{self.supplier_elasticity:g}, half of the way in {self.half_life_hours:g} h{''.join(told)}{minted}."
        )

    def start(
        self,
        columns: Sequence[int],
        curves: Sequence[PoolCurve],
        utilisation: Sequence[float],
        bearer: int,
        state: Any,
        reserves: Floats | None = None,
    ) -> "Pools":
        """Pools of the debt `columns` of a book's `state` at the stated `utilisation` of each.

        `bearer` says who bears bad debt; `reserves` (P,) are protocol tokens that the pool lends too, kept by others.
        """
        if self.policy is not None:
            curves, bearer = [self.policy] * len(curves), CLAIM
        for at, used, curve in zip(columns, utilisation, curves, strict=True):
            check_range(f"utilisation of token {at} on the path", used, 0.0, 1.0, open_low=True)
            paid, earned = (float(x[0]) for x in curve.rates(np.array([used]), curve.start(1)))
            if self.borrower_elasticity and paid <= 0.0 or self.supplier_elasticity and earned <= 0.0:
                got = f"{paid:g} paid and {earned:g} earned"
                raise ValueError(f"rates must be above 0 at the start where an elasticity is, got {got}")
        steps = {state.grid.index("shock hours", s.hours): s for s in self.shocks}
        if len(steps) < len(self.shocks):
            raise ValueError("shocks must be at different hours, got two at one")
        return Pools(self, np.asarray(columns), tuple(curves), np.asarray(utilisation), bearer, steps, state, reserves)


@kernel
def scale_column(lanes, rows, column, factor, total):
    """Multiply what `rows` of `lanes` (L, R, P) hold in `column` by `factor` (P,); their sum into `total` (P,)."""
    wide_vectors()
    for p in range(total.size):
        total[p] = 0.0
    for row in rows:
        for p in range(total.size):
            lanes[row, column, p] *= factor[p]
            total[p] += lanes[row, column, p]


@dataclass
class Figures:
    """What is measured of the pools, (P,) each; money in USD at market prices."""

    mean: Floats
    peak: Floats
    above_kink: Floats
    waiting: Floats
    refused: Floats
    paid: Floats
    earned: Floats
    kept: Floats


class Pools:
    """The pools of one block of paths; see the module. Arrays are (K, P) for K pools."""

    def __init__(
        self,
        rule: PathUtilisation,
        columns: Ints,
        curves: tuple[PoolCurve, ...],
        utilisation: Floats,
        bearer: int,
        shocks: dict[int, RateShock],
        state: Any,
        reserves: Floats | None,
    ):
        self.rule, self.columns, self.curves, self.bearer = rule, columns, curves, bearer
        self._shocks, self._reserves, self.grid = shocks, reserves, state.grid
        count, paths = len(columns), state.debt_lanes.shape[2]
        self._in_debt = np.flatnonzero((state.start_debt[:, columns] > 0).any(axis=1))
        self._in_supply = np.flatnonzero((state.start_collateral[:, columns] > 0).any(axis=1))
        rows = np.union1d(self._in_debt, self._in_supply)
        state.collateral_lanes[rows] = state.start_collateral[rows][:, :, None]
        state.debt_lanes[rows] = state.start_debt[rows][:, :, None]
        state.touched[rows] = 2
        self.book = np.repeat(state.start_debt[:, columns].sum(axis=0)[:, None], paths, axis=1)
        self.others, self.protocol, self.deficit, self.refused = np.zeros((4, count, paths))
        self.supply = self.book / utilisation[:, None]
        self.memory = np.array([c.start(paths) for c in curves])
        # what borrowers and suppliers want, shocks apart, and what they have: multiples of the start
        self._wanted, self._held = np.ones((2, 2, count, paths))
        self._jumped = np.ones(2)
        self._usual: Floats | None = None
        self._elsewhere: dict[int, Floats] = {}
        self.used = np.empty((count, paths))
        self._read()
        self.figures = Figures(*np.zeros((8, paths)))
        self.figures.peak[:] = self.used.max(axis=0)

    def open(self, price: Floats) -> None:
        """Rates of the start, and the part of each pool in the mean utilisation, at prices `price` (R, P) in USD."""
        self._see(price)
        self._first = self._rates()
        worth = self.book * price[self.columns]
        self._weight = worth / worth.sum(axis=0)

    def _see(self, price: Floats) -> None:
        """Tell every curve the price of its own token, of `price` (R, P)."""
        for k, curve in enumerate(self.curves):
            self.memory[k] = curve.see(self.memory[k], price[self.columns[k]])

    def compare(self, rates: Floats, asset_of: Ints) -> None:
        """Let borrowers compare with what their token costs elsewhere now: `rates` (A, P) per year.

        `asset_of` (R,) is the asset that each token follows, -1 for none: of those nothing is known.
        """
        self._usual = rates.copy() if self._usual is None else self._usual
        for k, asset in enumerate(asset_of[self.columns]):
            if asset >= 0:
                self._elsewhere[k] = rates[asset] / self._usual[asset]

    @property
    def debt(self) -> Floats:
        """Owed by the book and by others."""
        return self.book + self.others

    @property
    def cash(self) -> Floats:
        """Idle tokens: all claims less what is lent out or lost."""
        own = self.protocol if self._reserves is None else self.protocol + self._reserves
        return self.supply + own - self.debt - self.deficit

    def _balances(self, k: int) -> Balances:
        debt, cash = self.debt[k], np.maximum(self.cash[k], 0.0)
        return Balances(debt, cash, self.supply[k], self.protocol[k], self.deficit[k])

    def _read(self) -> None:
        for k, curve in enumerate(self.curves):
            self.used[k] = curve.utilisation(self._balances(k))

    def _rates(self) -> Floats:
        """Borrow and supply rates per year, (2, K, P)."""
        found = [c.rates(u, m) for c, u, m in zip(self.curves, self.used, self.memory, strict=True)]
        return np.array(found).swapaxes(0, 1)

    def _scale(self, lanes: Floats, rows: Ints, factor: Floats) -> Floats:
        totals = np.empty_like(factor)
        for k, column in enumerate(self.columns):
            scale_column(lanes, rows, column, factor[k], totals[k])
        return totals

    def move(self, state: Any, step: int, steps: int, price: Floats, rates: Floats | None) -> None:
        """Interest and answers over the `steps` up to `step`, at market prices (R, P).

        The indices of tokens with a pool stay 1.  `rates` (A, P) are what assets cost elsewhere, None for unknown.
        """
        if rates is not None:
            self.compare(rates, state.reserve_asset)
        if steps:
            state.indices[:, self.columns] = 1.0
            self.accrue(state, steps, price)
            self.respond(state, step, steps, price)

    def accrue(self, state: Any, steps: int, price: Floats) -> None:
        """Interest over `steps` at the rates in force; `price` (R, P) turns it into USD."""
        seconds, hours = steps * self.grid.step_seconds, steps * self.grid.step_seconds / 3600.0
        self.figures.mean += hours * (self._weight * self.used).sum(axis=0)
        above = self.used > np.array([c.kink for c in self.curves])[:, None] + 1e-12
        self.figures.above_kink += hours * above.any(axis=0)
        # who is refused waits until the next step, whatever keepers repay in between
        self.figures.waiting += hours * (self.refused > 0.0).any(axis=0)
        factor, growth, before = np.empty_like(self.book), np.ones_like(self.book), self.debt
        for k, curve in enumerate(self.curves):
            found = curve.accrue(self._balances(k), self.used[k], self.memory[k], seconds)
            factor[k], earned, self.memory[k] = found
            worth = price[self.columns[k]]
            paid = before[k] * (factor[k] - 1.0)
            growth[k] += share(earned, self.supply[k])
            self.supply[k] += earned
            self.protocol[k] += paid - earned
            self.others[k] *= factor[k]
            self.figures.paid += paid * worth
            self.figures.earned += earned * worth
            self.figures.kept += (paid - earned) * worth
        self._see(price)
        self.book = self._scale(state.debt_lanes, self._in_debt, factor)
        if self._in_supply.size:
            self._scale(state.collateral_lanes, self._in_supply, growth)

    def respond(self, state: Any, step: int, steps: int, price: Floats) -> None:
        """Let borrowers and suppliers move, at most as far as the idle cash allows."""
        rule, (wanted, held) = self.rule, (self._wanted, self._held)
        shock = self._shocks.get(step)
        if shock is not None:
            self._jumped *= (shock.demand, 1.0 - shock.withdrawn)
        hours = steps * self.grid.step_seconds / 3600.0
        if rule.borrower_elasticity or rule.supplier_elasticity:
            for k in range(len(self.columns)):
                wanted[:, k] = self._answers(k, 1.0 - 2.0 ** (-hours / rule.half_life_hours))
        debt, supply = (self._jumped[side] * wanted[side] / held[side] for side in range(2))
        repaid = np.minimum(debt, 1.0)
        if (repaid < 1.0).any():
            self.book = self._scale(state.debt_lanes, self._in_debt, repaid)
            self.others *= repaid
            held[0] *= repaid
        asked, before = self.supply * (supply - 1.0), self.supply.copy()
        self.supply = before + np.maximum(asked, 0.0)
        taken = np.minimum(np.maximum(-asked, 0.0), np.maximum(self.cash, 0.0))
        self.supply -= taken
        refused = np.maximum(-asked, 0.0) - taken
        self.refused = np.where(refused > _DUST * self.supply, refused, 0.0)
        held[1] *= np.divide(self.supply, before, out=np.ones_like(before), where=before > 0)
        total = self.debt
        new = np.minimum(np.maximum(total * (debt / repaid - 1.0), 0.0), np.maximum(self.cash, 0.0))
        self.others = self.others + new
        held[0] *= 1.0 + share(new, total)
        self.figures.refused = np.maximum(self.figures.refused, (self.refused * price[self.columns]).sum(axis=0))

    def _answers(self, k: int, way: float) -> Floats:
        """What borrowers and suppliers of pool `k` want, (2, P), once they have gone a share `way` of the way there."""
        powers = (-self.rule.borrower_elasticity, self.rule.supplier_elasticity)
        before = [self._wanted[side, k] ** (1.0 - way) for side in range(2)]
        scale = [self._jumped[side] / self._held[side, k] for side in range(2)]
        curve, at, first = self.curves[k], self._balances(k), self._first[:, k].copy()
        if k in self._elsewhere:
            first[0] *= self._elsewhere[k]
        lendable = self.cash[k] + at.debt - at.supply

        def wanted(used: Floats) -> list[Floats]:
            # a side that does not answer may have a rate of 0
            sides = zip(curve.rates(used, self.memory[k]), first, before, powers, strict=True)
            return [b * np.maximum(r / f, _LEAST_RATIO) ** (way * p) if p else b for r, f, b, p in sides]

        def gap(used: Floats) -> Floats:
            debt, supply = (w * s * x for w, s, x in zip(wanted(used), scale, (at.debt, at.supply), strict=True))
            pool = Balances(debt, supply + lendable - debt, supply, at.protocol, at.deficit)
            return curve.utilisation(pool) - used

        own = 0.0 if self._reserves is None else share(np.maximum(self._reserves, 0.0), at.supply)
        return np.array(wanted(_root(gap, self.used[k], 1.0 + own + np.zeros_like(at.debt))))

    def settle(self, state: Any, sums: Floats, oracle: Floats) -> None:
        """After the liquidations of a step, what they did in `sums` at prices `oracle` (R, P): who bears the rest."""
        worth = oracle[self.columns]
        repaid, credited = sums[REPAID_OF + self.columns] / worth, sums[RETURNED] / worth[0]
        before, ones = self.book, np.ones_like(self.book)
        self.book = self._scale(state.debt_lanes, self._in_debt, ones)
        lost = np.maximum(before - self.book - repaid, 0.0)
        if self.bearer == CLAIM:
            self.deficit += lost
        elif self.bearer == SUPPLIERS:
            own = share(self.supply, self.supply + self.protocol)
            self.supply -= lost * own
            self.protocol -= lost * (1.0 - own)
        else:
            self.supply += credited
        self._read()
        self.figures.peak = np.maximum(self.figures.peak, self.used.max(axis=0))

    def refresh(self, state: Any) -> None:
        """Read the debt of the book again, after somebody else moved it."""
        self.book = self._scale(state.debt_lanes, self._in_debt, np.ones_like(self.book))

    def columns_at(self, hours: float) -> dict[str, Floats]:
        """Figures of the whole run of `hours`, (P,) each."""
        f = self.figures
        return {
            "utilisation_mean": f.mean / hours if hours else self.used.mean(axis=0),
            "utilisation_peak": f.peak,
            "hours_above_kink": f.above_kink,
            "hours_waiting": f.waiting,
            "withdrawals_refused": f.refused,
            "borrower_interest": f.paid,
            "supplier_interest": f.earned,
            "interest_kept": f.kept,
        }


def _root(gap: Callable[[Floats], Floats], near: Floats, most: Floats) -> Floats:
    """Where `gap`, falling and not negative at 0, is 0 on every lane; `most` where it is positive up to there.

    Regula falsi with the Illinois rule, by halves where that is slow, from a narrow bracket at `near` where there is
    one.  A lane that is done is left alone, so its bits do not depend on others.
    """
    low, high = np.zeros_like(most), most.copy()
    at_low, at_high = np.full_like(most, np.nan), gap(most)
    x, todo = most.copy(), at_high < 0.0
    for try_ in (np.clip(near + far, 0.0, most) for far in (-_NEAR, _NEAR)):
        here = gap(try_)
        left, right = todo & (here > 0.0) & (try_ > low), todo & (here <= 0.0) & (try_ < high)
        low, at_low = np.where(left, try_, low), np.where(left, here, at_low)
        high, at_high = np.where(right, try_, high), np.where(right, here, at_high)
    # nobody owes anything
    x, todo = np.where(high <= 0.0, 0.0, x), todo & (high > 0.0)
    side, wide = np.zeros(most.shape), np.isnan(at_low)
    if wide.any():
        at_low = np.where(wide, gap(low), at_low)
    for k in range(100):
        if not todo.any():
            break
        with np.errstate(divide="ignore", invalid="ignore"):
            secant = high - at_high * (high - low) / (at_high - at_low)
        x = np.where(todo, 0.5 * (low + high) if k % 8 == 7 else secant, x)
        here = gap(x)
        left = todo & (here > 0.0)
        right = todo & ~left
        # an end that stays twice gives up half of its weight
        at_high = np.where(left & (side > 0), 0.5 * at_high, at_high)
        at_low = np.where(right & (side < 0), 0.5 * at_low, at_low)
        side = np.where(left, 1, np.where(right, -1, side))
        low, at_low = np.where(left, x, low), np.where(left, here, at_low)
        high, at_high = np.where(right, x, high), np.where(right, here, at_high)
        todo &= (np.abs(here) > _TOLERANCE) & (high - low > _TOLERANCE)
    return x
