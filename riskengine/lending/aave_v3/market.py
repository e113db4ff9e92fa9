"""`AaveV3`: a market that borrowers, an oracle, keepers and liquidity live through, on blocks of paths."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.book.loans import Loans
from riskengine.lending.aave_v3 import lanes
from riskengine.lending.aave_v3.rules import AaveV3Rules
from riskengine.lending.keeper import Keeper, LiquidationEvents
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.market.grid import TimeGrid
from riskengine.oracle.push import OracleState, PushOracle
from riskengine.rates.two_slope import growth


@dataclass
class AaveV3State:
    """A block's borrower book on its way through the grid.

    Attributes
    ----------
    start_collateral, start_debt : ndarray, shape (L, R)
        Scaled balances in whole tokens, the same on all lanes until a loan is called; times the reserve's index they
        are the balances.
    collateral_lanes, debt_lanes : ndarray, shape (L, R, P)
        Scaled balances of the loans that `touched` marks; memory of the others is never written.
    touched : ndarray of uint8, shape (L,)
        0 where the start holds, 1 or 2 where the lanes do.
    indices : ndarray, shape (2, R)
        Supply and borrow indices.
    oracle : OracleState
    outstanding : ndarray, shape (A, P)
        Coins sold into the pools and not yet refilled.
    liquidated : ndarray of uint8, shape (L, P)
        Loans liquidated at least once.
    deficit_usd : ndarray, shape (P,)
        Debt written off so far.
    borrow_capacity, initially_liquidatable : ndarray, shape (P,)
        At the start: sum of collateral times LTV, and loans already liquidatable.
    step : int
        Last step taken.
    """

    start_collateral: Floats
    start_debt: Floats
    collateral_lanes: Floats
    debt_lanes: Floats
    indices: Floats
    oracle: OracleState
    outstanding: Floats
    liquidated: np.ndarray
    deficit_usd: Floats
    borrow_capacity: Floats
    initially_liquidatable: Floats
    step: int
    grid: TimeGrid
    delay: int
    order: Ints
    touched: np.ndarray
    pending: np.ndarray
    due: np.ndarray
    surplus: Floats
    reserve_asset: Ints
    fixed_price: Floats
    parameters: Floats
    ltv: Floats
    borrow_rate: Floats
    supply_rate: Floats
    depth: Floats
    terms: Floats

    def _whole(self, start: Floats, lanes: Floats) -> Floats:
        out = np.repeat(start[:, :, None], lanes.shape[2], axis=2)
        rows = self.touched > 0
        out[rows] = lanes[rows]
        return out

    @property
    def collateral(self) -> Floats:
        """Scaled collateral of every loan on every lane, shape (L, R, P); a copy."""
        return self._whole(self.start_collateral, self.collateral_lanes)

    @property
    def debt(self) -> Floats:
        """Scaled debt of every loan on every lane, shape (L, R, P); a copy."""
        return self._whole(self.start_debt, self.debt_lanes)

    def value(self, start: Floats, lanes: Floats, price: Floats) -> Floats:
        """Sum over reserves of balance times `price` (R, P), for every loan and lane, shape (L, P)."""
        # sums in a fixed order: a matrix product's bits may depend on the number of lanes and threads
        out = _sum_products(start[:, :, None], price)
        rows = np.flatnonzero(self.touched)
        out[rows] = _sum_products(lanes[rows], price)
        return out


def _sum_products(balance: Floats, price: Floats) -> Floats:
    """Sum over the middle axis of `balance` (L, R, P or 1) times `price` (R, P), shape (L, P)."""
    out = balance[:, 0] * price[0]
    for r in range(1, len(price)):
        out += balance[:, r] * price[r]
    return out


@dataclass(frozen=True)
class AaveV3:
    """Aave v3: fixed-spread liquidations with a close factor (see ``integer`` for the exact rules).

    Debt is repaid in the debt token bought at the market price without impact; collateral that follows a market asset
    is sold into `liquidity`, collateral of fixed price at par.  Price feedback is not applied here: a step reports the
    coins sold, and whoever owns the paths may act on it.

    Attributes
    ----------
    rules : AaveV3Rules
    keeper : Keeper
    liquidity : ConstantProduct
        Depth by market asset (``BTC``), one entry for each asset that a collateral follows.
    oracle : PushOracle or None
        Replaces the feed of `rules` (a what-if); None keeps it.
    """

    kind: ClassVar[str] = "aave_v3"

    rules: AaveV3Rules
    keeper: Keeper
    liquidity: ConstantProduct
    oracle: PushOracle | None = None

    def __post_init__(self) -> None:
        followed = {r.asset for r in self.rules.reserves if r.asset is not None and r.liquidation_threshold > 0}
        if followed != set(self.liquidity.depth_usd):
            raise ValueError(
                f"liquidity depth_usd must name the assets that collateral follows, {sorted(followed)}, "
                f"got {sorted(self.liquidity.depth_usd)}"
            )

    @property
    def feed(self) -> PushOracle:
        """The oracle the market reads."""
        return self.oracle or self.rules.oracle

    def with_threshold_shift(self, shift: float) -> "AaveV3":
        """The same market with every liquidation threshold moved by `shift`; ValueError where that is illegal."""
        return replace(self, rules=self.rules.with_threshold_shift(shift)) if shift else self

    def init(self, loans: Loans, assets: tuple[str, ...], spot: Floats, grid: TimeGrid) -> AaveV3State:
        """State of a block at time 0.

        Parameters
        ----------
        loans : Loans
        assets : tuple of str
            Names of the rows of `spot`.
        spot : ndarray, shape (A, P)
            Market prices at time 0, which the oracle publishes.
        grid : TimeGrid
            Oracle heartbeat and keeper delay must fall on it.
        """
        assets = tuple(assets)
        found = [self.rules.reserve(s) for s in loans.reserves]
        unknown = sorted({r.asset for r in found if r.asset is not None} - set(assets))
        if unknown:
            raise ValueError(f"world must have the assets {unknown} that reserves follow, got {assets}")
        count, reserves = loans.collateral.shape
        paths = spot.shape[1]
        ltv = np.array([r.ltv for r in found])
        parameters = np.array(
            [
                [r.liquidation_threshold for r in found],
                [1.0 + r.liquidation_bonus for r in found],
                [r.liquidation_protocol_fee for r in found],
            ]
        )
        rows = [spot[assets.index(r.asset)] if r.asset is not None else np.full(paths, r.price) for r in found]
        price = np.array(rows)
        # paths start from one price, as a rule; then one lane tells the start of all
        one_start = bool((price == price[:, :1]).all())
        start = price[:, :1] if one_start else price
        weighted = _sum_products((loans.collateral * parameters[0])[:, :, None], start)
        owed = _sum_products(loans.debt[:, :, None], start)
        liquidatable = (weighted < owed * (1.0 - 1e-12)).sum(axis=0).astype(np.float64)
        capacity = _sum_products((loans.collateral * ltv).sum(axis=0)[None, :, None], price)[0]
        rules = self.rules
        depth = np.array([self.liquidity.depth_usd.get(a, np.inf) for a in assets], dtype=np.float64)

        return AaveV3State(
            start_collateral=np.array(loans.collateral, dtype=np.float64),
            start_debt=np.array(loans.debt, dtype=np.float64),
            collateral_lanes=np.empty((count, reserves, paths)),
            debt_lanes=np.empty((count, reserves, paths)),
            indices=np.ones((2, reserves)),
            oracle=self.feed.init(spot, grid),
            outstanding=np.zeros((len(assets), paths)),
            liquidated=np.zeros((count, paths), dtype=np.uint8),
            deficit_usd=np.zeros(paths),
            borrow_capacity=capacity,
            initially_liquidatable=np.broadcast_to(liquidatable, (paths,)),
            step=0,
            grid=grid,
            delay=grid.index("keeper delay", self.keeper.delay_hours),
            # keepers take the largest debts first; in book order where no one ranking holds for all lanes
            order=np.argsort(-owed[:, 0], kind="stable") if one_start else np.arange(count),
            touched=np.zeros(count, dtype=np.uint8),
            pending=np.zeros(count, dtype=np.uint8),
            due=np.empty((count, paths), dtype=np.int32),
            surplus=np.empty(paths),
            reserve_asset=np.array([-1 if r.asset is None else assets.index(r.asset) for r in found]),
            fixed_price=np.array([r.price for r in found]),
            parameters=parameters,
            ltv=ltv,
            borrow_rate=np.array([float(r.rates.borrow_rate(r.utilisation)) for r in found]),
            supply_rate=np.array([float(r.rates.supply_rate(r.utilisation)) for r in found]),
            depth=depth,
            terms=np.array(
                [
                    rules.close_factor,
                    rules.full_close_health,
                    rules.full_close_below_usd,
                    rules.min_leftover_usd,
                    self.keeper.gas_usd,
                    1.0 - self.liquidity.fee,
                ]
            ),
        )

    @staticmethod
    def _prices(state: AaveV3State, spot: Floats) -> Floats:
        """USD price of each reserve of the book, shape (R, P)."""
        out = np.empty((len(state.reserve_asset), spot.shape[1]))
        for r, asset in enumerate(state.reserve_asset):
            out[r] = spot[asset] if asset >= 0 else state.fixed_price[r]
        return out

    def accrue(self, state: AaveV3State, steps: int) -> None:
        """Move both indices of every reserve by `steps` grid steps at the stated utilisation."""
        if steps:
            years = steps * state.grid.dt
            state.indices[0] *= growth(state.supply_rate, years)[1]
            state.indices[1] *= growth(state.borrow_rate, years)[0]

    def step(self, state: AaveV3State, step: int, spot: Floats, told: Floats | None = None) -> LiquidationEvents:
        """Advance `state` to time index `step` at market prices `spot` (A, P) and report what happened.

        The oracle publishes from `told` (A, P) where given, from `spot` otherwise.
        """
        elapsed = step - state.step
        seconds = elapsed * state.grid.step_seconds
        self.accrue(state, elapsed)
        state.outstanding *= self.liquidity.decay(seconds / 3600.0)
        published = self.feed.step(state.oracle, spot if told is None else told, seconds)
        state.step = step
        sums = np.zeros((8, spot.shape[1]))
        sold = np.zeros_like(state.outstanding)
        lanes.step_lanes(
            step,
            state.delay,
            state.order,
            state.start_collateral,
            state.start_debt,
            state.collateral_lanes,
            state.debt_lanes,
            state.touched,
            state.pending,
            state.due,
            state.liquidated,
            state.indices,
            state.parameters,
            state.reserve_asset,
            self._prices(state, published),
            self._prices(state, spot),
            state.depth,
            state.outstanding,
            sold,
            state.terms,
            self.keeper.calls_per_step,
            sums,
            state.surplus,
        )
        state.deficit_usd += sums[lanes.DEFICIT]
        return LiquidationEvents(
            liquidations=sums[lanes.CALLS],
            liquidated_loans=sums[lanes.NEW_LOANS],
            volume_usd=sums[lanes.REPAID],
            deficit_usd=sums[lanes.DEFICIT],
            protocol_fee_usd=sums[lanes.FEE],
            skipped_unprofitable=sums[lanes.SKIPPED],
            sold=sold,
            seized_usd=sums[lanes.SEIZED],
            keeper_profit_usd=sums[lanes.PROFIT],
        )

    def health(self, state: AaveV3State, spot: Floats) -> Floats:
        """Health factor of every loan at prices `spot` (A, P), shape (L, P); infinite without debt."""
        price = self._prices(state, spot)
        weights = (state.indices[0] * state.parameters[0])[:, None] * price
        weighted = state.value(state.start_collateral, state.collateral_lanes, weights)
        owed = state.value(state.start_debt, state.debt_lanes, state.indices[1][:, None] * price)
        return np.divide(weighted, owed, out=np.full_like(weighted, np.inf), where=owed > 0)

    def close(self, state: AaveV3State, spot: Floats) -> dict[str, Floats]:
        """Where the market stands at prices `spot` (A, P); every entry has shape (P,), amounts in USD.

        Returns
        -------
        dict
            ``residual_shortfall``: debt above collateral of loans not yet written off; ``deficit``: written off so
            far; ``bad_debt``: their sum; ``liquidatable``: loans below health 1; ``liquidated_loans``: distinct loans
            liquidated; ``collateral``, ``debt``; ``borrow_capacity``: collateral times LTV of the book *as it
            started*, the efficiency a threshold buys; ``borrow_capacity_at_close``; ``initially_liquidatable``.
        """
        price = self._prices(state, spot)
        enabled = state.indices[0] * (state.parameters[0] > 0)
        held = state.value(state.start_collateral, state.collateral_lanes, enabled[:, None] * price)
        owed = state.value(state.start_debt, state.debt_lanes, state.indices[1][:, None] * price)
        lendable = (state.indices[0] * state.ltv)[:, None] * price
        capacity = state.value(state.start_collateral, state.collateral_lanes, lendable).sum(axis=0)
        shortfall = np.maximum(owed - held, 0.0).sum(axis=0)
        return {
            "residual_shortfall": shortfall,
            "deficit": state.deficit_usd.copy(),
            "bad_debt": state.deficit_usd + shortfall,
            "liquidatable": (self.health(state, spot) < 1.0 - 1e-12).sum(axis=0).astype(np.float64),
            "liquidated_loans": state.liquidated.sum(axis=0, dtype=np.float64),
            "collateral": held.sum(axis=0),
            "debt": owed.sum(axis=0),
            "borrow_capacity": state.borrow_capacity.copy(),
            "borrow_capacity_at_close": capacity,
            "initially_liquidatable": state.initially_liquidatable.copy(),
        }
