"""Many parameter sets of one Aave v3 market on the same paths, at the cost of few.

What does not depend on the set is done once for a block: prices, oracle answers, indices, and which (loan, path) can
be liquidated at all.  Until its first liquidation a loan depends on a set through its liquidation thresholds alone, so
a loan that stays healthy along a path under the lowest threshold that any set gives to each token is never touched
there by any of them:

    sum over tokens of (C LT_low - D) P >= 0 at every step    =>    healthy under every LT >= LT_low.

A bound decides most of these without a walk: collateral at its lowest, debt at its highest price along the path.
What is left, the pairs, is walked again for every set, path by path, from the first step at which it can matter, but
for those whose worst health on the path the set's own thresholds lift above one; the rules of a call are those of
`riskengine.lending.aave_v3.lanes`.  Sets with rate curves of their own share the pairs found where every debt grows as
under the dearest and every supply as under the poorest of them, and are walked with their own indices.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.loans import Loans
from riskengine.jit import kernel, wide_vectors
from riskengine.lending.aave_v3.lanes import liquidate_account
from riskengine.lending.aave_v3.market import AaveV3
from riskengine.lending.due import CALLS, DEFICIT, FEE, LESS, REPAID, arrival
from riskengine.lending.outlet import left_of_sales
from riskengine.lending.sale import CAPITAL
from riskengine.market.paths import MarketPaths
from riskengine.random import FIXED, PathDraws

# far above the rounding of a sum of a few products, far below any price move
_SAFE = 1e-9
# health is known to have fallen below 1, 1 / (1 + 1 %), 1 / (1 + 2 %) ... of the lowest thresholds
_LEVEL, _LEVELS = 0.01, 16


@kernel(scratch=True)
def first_breach(collateral, debt, threshold, price, indices, low, high, first, worst):
    """First step at which each loan is liquidatable on each path, -1 where it never is, into `first` (L, P).

    Where it is, `worst` (L, P) receives its lowest health along the path, left alone.  `price` (T, R, P) are oracle
    answers, `low` and `high` (R, P) their extremes along each path, `indices` (T, 2, R).
    """
    wide_vectors()
    steps, reserves, lanes = price.shape
    weight = np.empty((steps, reserves))
    part = np.empty((steps, reserves))
    bound = np.empty(lanes)
    for loan in range(first.shape[0]):
        for p in range(lanes):
            bound[p] = 0.0
        for r in range(reserves):
            held = collateral[loan, r] * indices[0, 0, r] * threshold[r] * (1.0 - _SAFE)
            owed = debt[loan, r] * indices[steps - 1, 1, r]
            for p in range(lanes):
                bound[p] += held * low[r, p] - owed * high[r, p]
            for t in range(steps):
                part[t, r] = debt[loan, r] * indices[t, 1, r]
                weight[t, r] = collateral[loan, r] * indices[t, 0, r] * threshold[r] - part[t, r] * LESS
        for p in range(lanes):
            first[loan, p] = -1
            if bound[p] >= 0.0:
                continue
            for t in range(steps):
                surplus = weight[t, 0] * price[t, 0, p]
                for r in range(1, reserves):
                    surplus += weight[t, r] * price[t, r, p]
                if surplus < 0.0:
                    first[loan, p] = t
                    break
            if first[loan, p] < 0:
                continue
            worst[loan, p] = np.inf
            for t in range(first[loan, p], steps):
                surplus = 0.0
                total = 0.0
                for r in range(reserves):
                    surplus += weight[t, r] * price[t, r, p]
                    total += part[t, r] * price[t, r, p]
                worst[loan, p] = min(worst[loan, p], surplus / total + LESS)


@kernel
def first_below(loans, lane, first, collateral, debt, threshold, price, indices, below):
    """First step at which each pair's health is below 1 / (1 + 0.01 j), into `below` (N, J); the number of steps where
    it never is."""
    steps, reserves = price.shape[0], price.shape[1]
    for n in range(loans.size):
        loan, p = loans[n], lane[n]
        reached = 0
        for t in range(first[n], steps):
            weighted = 0.0
            total = 0.0
            for r in range(reserves):
                weighted += collateral[loan, r] * indices[t, 0, r] * threshold[r] * price[t, r, p]
                total += debt[loan, r] * indices[t, 1, r] * price[t, r, p]
            while reached < below.shape[1] and weighted * (1.0 + _LEVEL * reached) < total * (1.0 + _SAFE):
                below[n, reached] = t
                reached += 1
            if reached == below.shape[1]:
                break
        for j in range(reached, below.shape[1]):
            below[n, j] = steps


@kernel
def untouched_gap(collateral, debt, enabled, price, indices, gap):
    """Debt above collateral at prices `price` (R, P) of loans left alone, into `gap` (L, P)."""
    reserves, lanes = price.shape
    for loan in range(gap.shape[0]):
        for p in range(lanes):
            short = 0.0
            for r in range(reserves):
                held = collateral[loan, r] * indices[0, r] * enabled[r]
                short += (debt[loan, r] * indices[1, r] - held) * price[r, p]
            gap[loan, p] = short if short > 0.0 else 0.0


@kernel(scratch=True)
def walk(
    start,
    loans,
    since,
    collateral,
    debt,
    scale,
    share,
    parameters,
    terms,
    calls,
    clock,
    decay,
    oracle,
    market,
    indices,
    reserve_asset,
    depth,
    capital,
    bound,
    sums,
    residual,
    liquidated,
    forgone,
):
    """Let the pairs of every path live under one set.

    `start` (P + 1) says where in `loans` and `since` (N,) the pairs of a path begin, in the order in which keepers take
    them; `clock` says when those come (`Keeper.clock`).  A pair is looked at from the step `since` on.  `scale` (L,)
    multiplies the balances of each loan.  `oracle` and `market` (P, T, R, 1) are prices, `market` followed by what
    `riskengine.lending.sale` reads of wrapped tokens, `decay` (T, A * sources) what is left of coins sold from one step
    to the next.  Keepers have `capital` USD, and what they spend is there again as many steps later as `bound` has room
    for.  `sums` (10, P), `residual` and `liquidated` (P,) receive the results, and `forgone` (P,) the interest on debt
    that calls ended, times the `share` (R,) that the protocol keeps.
    """
    paths, steps, reserves = oracle.shape[0], oracle.shape[1], oracle.shape[2]
    most = 0
    for p in range(paths):
        most = max(most, start[p + 1] - start[p])
    held = np.empty((most, reserves, 1))
    owed = np.empty((most, reserves, 1))
    due = np.empty(most, dtype=np.int64)
    begins = np.empty(most, dtype=np.int64)
    who = np.empty(most, dtype=np.int64)
    called = np.empty(most, dtype=np.int64)
    ended = np.empty(reserves)
    counts = np.empty(reserves)
    costs = np.empty(reserves)
    outstanding = np.zeros((decay.shape[1], 1))
    sold = np.zeros((depth.shape[0], 1))
    own = np.zeros((sums.shape[0], 1))
    for p in range(paths):
        count = 0
        earliest = steps
        for n in range(start[p], start[p + 1]):
            earliest = min(earliest, since[n])
            begins[count] = since[n]
            who[count] = loans[n]
            due[count] = -1
            called[count] = 0
            for r in range(reserves):
                held[count, r, 0] = collateral[loans[n], r] * scale[loans[n]]
                owed[count, r, 0] = debt[loans[n], r] * scale[loans[n]]
            count += 1
        if count == 0:
            continue
        outstanding[:] = 0.0
        own[:] = 0.0
        ended[:] = 0.0
        bound[:] = 0.0
        own[CAPITAL, 0] = capital
        # nothing is outstanding, bound or ended before the first call
        quiet = True
        for t in range(earliest, steps):
            if not quiet:
                for a in range(decay.shape[1]):
                    outstanding[a, 0] *= decay[t, a]
                for r in range(reserves):
                    grown = share[r] * (indices[t, 1, r] - indices[t - 1, 1, r])
                    forgone[p] += ended[r] * grown * market[p, t, r, 0]
                own[CAPITAL, 0] += bound[t % bound.size]
            free = own[CAPITAL, 0]
            for r in range(reserves):
                counts[r] = indices[t, 0, r] * parameters[0, r] * oracle[p, t, r, 0]
                costs[r] = indices[t, 1, r] * LESS * oracle[p, t, r, 0]
            for k in range(count):
                if begins[k] > t:
                    continue
                surplus = 0.0
                for r in range(reserves):
                    surplus += held[k, r, 0] * counts[r] - owed[k, r, 0] * costs[r]
                if surplus >= 0.0:
                    due[k] = -1
                    continue
                if due[k] < 0:
                    due[k] = arrival(t, who[k], p, clock)
                if due[k] <= t:
                    quiet = False
                    for r in range(reserves):
                        ended[r] += owed[k, r, 0]
                    called[k] += liquidate_account(
                        k,
                        0,
                        held,
                        owed,
                        indices[t],
                        parameters,
                        reserve_asset,
                        oracle[p, t],
                        market[p, t],
                        depth,
                        outstanding,
                        sold,
                        terms,
                        calls,
                        own,
                    )
                    left = 0.0
                    for r in range(reserves):
                        ended[r] -= owed[k, r, 0]
                        left += owed[k, r, 0]
                    if left == 0.0:
                        # nobody borrows on the path: it never falls below health 1 again
                        begins[k] = steps
            if free < np.inf and not quiet:
                bound[t % bound.size] = free - own[CAPITAL, 0]
        for s in range(sums.shape[0]):
            sums[s, p] = own[s, 0]
        for k in range(count):
            gap = 0.0
            for r in range(reserves):
                coins = held[k, r, 0] * indices[steps - 1, 0, r] if parameters[0, r] > 0.0 else 0.0
                gap += (owed[k, r, 0] * indices[steps - 1, 1, r] - coins) * market[p, steps - 1, r, 0]
            residual[p] += gap if gap > 0.0 else 0.0
            liquidated[p] += 1.0 if called[k] > 0 else 0.0


@dataclass(frozen=True)
class JointRun:
    """One book on one block of paths, ready to be lived through under many markets that differ in their parameters.

    Attributes
    ----------
    pairs : int
        (loan, path) that some market can liquidate.
    """

    pairs: int
    _start: np.ndarray
    _lane: np.ndarray
    _loans: np.ndarray
    _below: np.ndarray
    _worst: Floats
    _gap: Floats
    _elsewhere: tuple[np.ndarray, np.ndarray, Floats]
    _lowest: Floats
    _enabled: Floats
    _owed: Floats
    _ranked: bool
    _state: Any
    _decay: Floats
    _oracle: Floats
    _market: Floats
    _curves: dict[tuple[Any, ...], tuple[Floats, Floats]]
    _price: Floats
    _last: Floats
    _order: dict[bytes, np.ndarray] = field(default_factory=dict)

    @classmethod
    def prepare(
        cls, markets: Sequence[AaveV3], loans: Loans, paths: MarketPaths, draws: PathDraws = FIXED
    ) -> "JointRun":
        """Do once what all `markets` share.

        Parameters
        ----------
        markets : sequence of AaveV3
            They may differ in the parameters of tokens (not in which are collateral), in the utilisation at which these
            stay, and in the close factor, in nothing else.
        loans : Loans
        paths : MarketPaths
        draws : PathDraws
            Of what keepers and oracle draw.

        Raises
        ------
        ValueError
            Where a token is collateral in one market and not in another, borrowers react, or impact stays for good.
        """
        base = markets[0]
        if any(m.reaction is not None for m in markets):
            raise ValueError("markets must be without a reaction: borrowers who act move loans that no keeper touches")
        if any(m.utilisation is not None for m in markets):
            raise ValueError("markets must be at a stated utilisation: on the path it depends on the set")
        if base.liquidity.permanent_share:
            raise ValueError(
                "permanent_share must be 0 where parameter sets share paths, as what stays of a sale is not kept for "
                f"each set, got {base.liquidity.permanent_share:g}"
            )
        spot, steps = paths.spot_lanes, paths.grid.steps + 1
        state = base.init(loans, paths.assets, spot[0], paths.grid, draws)
        tokens = [base.rules.reserve(s) for s in loans.reserves]
        own = np.array([m._parameters([m.rules.reserve(s) for s in loans.reserves])[1][0] for m in markets])
        if ((own > 0) != (own[0] > 0)).any():
            raise ValueError("markets must have the same tokens as collateral, got some that differ")
        oracle = np.empty((steps, len(tokens), paths.count))
        market, decay = np.empty((steps, *state.market(spot[0]).shape)), np.ones((steps, len(state.outstanding)))
        start = state.prices(spot[0], told=True)
        told = paths.oracle_lanes
        for t in range(steps):
            seconds = paths.grid.step_seconds if t else 0
            decay[t] = np.ravel(left_of_sales(base.liquidity, state, seconds / 3600.0))
            state.at(t, paths.borrow_rate_lanes[t] if base.reads_rates else None)
            answers = base.feed.step(state.oracle, spot[t] if told is None else told[t], seconds)
            oracle[t] = state.prices(answers, told=True)
            market[t] = state.market(spot[t])
        price = market[:, : len(tokens)]
        curves = {}
        for m in markets:
            if (key := _curve_of(m, loans)) not in curves:
                grown = _indices(m, loans, state, steps)
                interest = np.zeros(price.shape[1:])
                for more, worth in zip(np.diff(grown[:, 1], axis=0), price[1:], strict=True):
                    interest += more[:, None] * worth
                curves[key] = grown, interest
        every = np.array([grown for grown, _ in curves.values()])
        worst_case = np.stack([every[:, :, 0].min(axis=0), every[:, :, 1].max(axis=0)], axis=1)
        shape, lowest = (len(loans.names), paths.count), own.min(axis=0)
        first, worst, gap = np.empty(shape, dtype=np.int64), np.empty(shape), np.empty(shape)
        first_breach(
            state.start_collateral, state.start_debt, lowest, oracle, worst_case, oracle.min(axis=0),
            oracle.max(axis=0), first, worst,
        )  # fmt: skip
        enabled = (own[0] > 0).astype(np.float64)
        untouched_gap(state.start_collateral, state.start_debt, enabled, price[-1], worst_case[-1], gap)
        lane, place = np.nonzero(first[state.order].T >= 0)
        found = state.order[place]
        below = np.empty((lane.size, _LEVELS), dtype=np.int32)
        first_below(
            found, lane, first[found, lane], state.start_collateral, state.start_debt, lowest, oracle, worst_case, below
        )
        others = np.nonzero((gap > 0) & (first < 0))
        owed = (state.start_debt * start[:, 0]).sum(axis=1)
        return cls(
            lane.size,
            np.searchsorted(lane, np.arange(paths.count + 1)).astype(np.int64),
            lane,
            found,
            below,
            worst[found, lane],
            gap[found, lane],
            (*others, gap[others]),
            lowest,
            enabled,
            owed,
            bool((start == start[:, :1]).all()),
            state,
            decay,
            np.ascontiguousarray(oracle.transpose(2, 0, 1))[..., None],
            np.ascontiguousarray(market.transpose(2, 0, 1))[..., None],
            curves,
            start,
            price[-1],
        )

    def columns(self, market: AaveV3, loans: Loans, scale: float | Floats = 1.0) -> dict[str, Floats]:
        """What happens on every path under `market`, one of those prepared for.

        Parameters
        ----------
        market : AaveV3
        loans : Loans
        scale : float or ndarray, shape (L,)
            All balances of the book, or of each loan, times this.

        Returns
        -------
        dict
            ``liquidations``, ``liquidation_probability``, ``liquidated_volume``, ``bad_debt``, ``protocol_fee``,
            ``liquidated_loans``, ``borrow_capacity``, each (P,), as a desk of the market alone would find them, and
            ``protocol_revenue``: the fee and the reserve factor's share of the interest on the loans, at market prices.
        """
        state, paths = self._state, self._start.size - 1
        size = np.broadcast_to(np.asarray(scale, dtype=np.float64), self._owed.shape)
        capital = market.keeper.capital(1, state.grid)
        layout = market._layout(loans, lambda token: token.price)
        ltv, parameters = market._parameters(layout.tokens)
        indices, interest = self._curves[_curve_of(market, loans)]
        sums, residual, liquidated, forgone, elsewhere = np.zeros((CAPITAL + 1, paths)), *np.zeros((4, paths))
        above = np.divide(parameters[0], self._lowest, out=np.full(len(self._lowest), np.inf), where=self._lowest > 0)
        relief = np.where(state.start_collateral > 0, above, np.inf).min(axis=1)
        share = np.array([t.rates.reserve_factor for t in layout.tokens])
        away = self._elsewhere[:2]
        np.add.at(elsewhere, away[1], size[away[0]] * self._gaps(*away, self._elsewhere[2], indices[-1]))
        # what the set's own thresholds lift above one for good is never touched: it ends with debt above collateral
        level = np.clip((relief - 1.0) / _LEVEL - _SAFE, 0, _LEVELS - 1).astype(np.int64)[self._loans]
        since = self._below[np.arange(self.pairs), level]
        walked = (self._worst * relief[self._loans] < 1.0 + _SAFE) & (since < len(indices))
        left = np.flatnonzero(~walked & (self._gap > 0))
        loan, lane = self._loans[left], self._lane[left]
        np.add.at(residual, lane, size[loan] * self._gaps(loan, lane, self._gap[left], indices[-1]))
        at = self._taken(size)
        at = at[walked[at]]
        start = np.concatenate([[0], np.cumsum(np.bincount(self._lane[walked], minlength=paths))])
        walk(
            start, self._loans[at], since[at], state.start_collateral, state.start_debt, size, share, parameters,
            market._own(layout, paths)["terms"], market.keeper.calls_per_step, state.clock, self._decay, self._oracle,
            self._market, indices,
            state.reserve_asset, state.depth,
            np.inf if capital is None else capital.free[0], np.zeros(1 if capital is None else len(capital.bound)),
            sums, residual, liquidated, forgone,
        )  # fmt: skip
        lendable = (size[:, None] * state.start_collateral * ltv).sum(axis=0)
        kept = share * (size[:, None] * state.start_debt).sum(axis=0)
        return {
            "liquidations": sums[CALLS],
            "liquidation_probability": (sums[CALLS] > 0).astype(np.float64),
            "liquidated_volume": sums[REPAID],
            "bad_debt": sums[DEFICIT] + residual + elsewhere,
            "protocol_fee": sums[FEE],
            "liquidated_loans": liquidated,
            "borrow_capacity": (lendable[:, None] * self._price).sum(axis=0),
            "protocol_revenue": sums[FEE] + (kept[:, None] * interest).sum(axis=0) - forgone,
        }

    def _taken(self, size: Floats) -> np.ndarray:
        """Places of the pairs in the order in which keepers take loans of these sizes: the largest debts first."""
        if not self._ranked or (size == size[0]).all():
            return np.arange(self.pairs)
        order = np.argsort(-(self._owed * size), kind="stable")
        key = order.tobytes()
        if key not in self._order:
            rank = np.empty(len(size), dtype=np.int64)
            rank[order] = np.arange(len(size))
            self._order[key] = np.lexsort((rank[self._loans], self._lane))
        return self._order[key]

    def _gaps(self, loan: np.ndarray, lane: np.ndarray, gap: Floats, indices: Floats) -> Floats:
        """Debt above collateral of loans left alone at the end, under one curve; `gap` is the most under any."""
        if len(self._curves) == 1:
            return gap
        out = np.zeros(len(gap))
        some = np.flatnonzero(gap > 0)
        state, short = self._state, np.zeros(len(some))
        for r, price in enumerate(self._last):
            held = state.start_collateral[loan[some], r] * indices[0, r] * self._enabled[r]
            short += (state.start_debt[loan[some], r] * indices[1, r] - held) * price[lane[some]]
        out[some] = np.maximum(short, 0.0)
        return out


def _curve_of(market: AaveV3, loans: Loans) -> tuple[Any, ...]:
    """What the indices of a book follow from."""
    return tuple((r.rates, r.utilisation) for r in (market.rules.reserve(s) for s in loans.reserves))


def _indices(market: AaveV3, loans: Loans, state: Any, steps: int) -> Floats:
    """Indices (T, 2, R) along the grid: at a stated utilisation every step multiplies by the same factors."""
    layout = market._layout(loans, lambda token: token.price)
    one = replace(state, indices=np.ones_like(state.indices), own=market._own(layout, 0))
    market.accrue(one, 1)
    out = np.repeat(one.indices[None], steps, axis=0)
    out[0] = 1.0
    return np.cumprod(out, axis=0)
