"""`BlockMarket`: what every simulated lending market does on a block of paths, whatever its rules.

A market on paths is a borrower book, an oracle, keepers and liquidity to sell into.  Each step accrues interest, lets
the oracle publish, finds the loans whose keeper has arrived (`riskengine.lending.due`) and hands them to the protocol.
A protocol says how a book is laid out, what its parameters are, how debt grows, and what its liquidation does.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.book.loans import Loans
from riskengine.lending import by_token, closing, due
from riskengine.lending.ahead import first_breaches
from riskengine.lending.keeper import Keeper, LiquidationEvents
from riskengine.lending.listing import check_name
from riskengine.lending.outlet import refill, sale_prices, stay
from riskengine.lending.reaction import Reaction
from riskengine.lending.sale import CAPITAL
from riskengine.lending.utilisation import PathUtilisation, Pools
from riskengine.lending.wrapping import Wrapped, listed_wrappings, wrapped_rows
from riskengine.market.grid import TimeGrid
from riskengine.random import FIXED, PathDraws
from riskengine.roles import Liquidity, PriceOracle


class Listed(Protocol):
    """A token as a market lists it: the market asset that its price follows, None where the price is fixed.

    A token that is not one coin of its asset says in ``wraps`` what it is made of (`riskengine.lending.wrapping`).
    """

    symbol: str
    asset: str | None
    price: float


class Layout(NamedTuple):
    """A borrower book as a protocol holds it: tokens (R,), balances (L, R), and the borrower of each of the L loans."""

    tokens: Sequence[Listed]
    collateral: Floats
    debt: Floats
    owner: Ints


@dataclass
class BookState:
    """A block's borrower book on its way through the grid.

    Attributes
    ----------
    start_collateral, start_debt : ndarray, shape (L, R)
        Scaled balances in whole tokens, the same on all lanes until a loan is called; times the token's index they
        are the balances.
    collateral_lanes, debt_lanes : ndarray, shape (L, R, P)
        Scaled balances of the loans that `touched` marks; memory of the others is never written.
    touched : ndarray of uint8, shape (L,)
        0 where the start holds, 1 or 2 where the lanes do.
    owner : ndarray of int, shape (L,)
        Borrower of each loan.
    indices : ndarray, shape (2, R)
        Supply and borrow indices.
    oracle : object
    outstanding : ndarray, shape (A * sources, P)
        Coins sold and not yet refilled, of each source of liquidity.
    liquidated : ndarray of uint8, shape (borrowers, P)
        Borrowers liquidated at least once.
    deficit_usd : ndarray, shape (P,)
        Debt written off so far.
    borrow_capacity, initially_liquidatable : ndarray, shape (P,)
        At the start: sum of collateral times LTV, and loans already liquidatable.
    parameters : ndarray, shape (K, R)
        The protocol's own, per token; the first row is the liquidation threshold.
    wake : ndarray of int32, shape (L, G)
        Step before which a loan is known to be healthy on every lane of a group of `due.GROUP`.
    depth : ndarray, first axis A
        `Liquidity.table`.
    step : int
        Last step taken.
    own : dict
        What only one protocol has.
    wrapped : tuple of Wrapped
        Tokens that are not one coin of their asset.
    yields : tuple of ndarray, shape (A, P), or empty
        Borrow rates of the world at time 0 and now, where it has them.
    """

    start_collateral: Floats
    start_debt: Floats
    collateral_lanes: Floats
    debt_lanes: Floats
    owner: Ints
    indices: Floats
    oracle: Any
    outstanding: Floats
    liquidated: np.ndarray
    deficit_usd: Floats
    borrow_capacity: Floats
    initially_liquidatable: Floats
    step: int
    grid: TimeGrid
    clock: tuple[Any, ...]
    order: Ints
    touched: np.ndarray
    pending: np.ndarray
    due: np.ndarray
    ready: np.ndarray
    wake: Ints
    room: tuple[Any, ...]
    reserve_asset: Ints
    fixed_price: Floats
    parameters: Floats
    ltv: Floats
    depth: Floats
    own: dict[str, Any] = field(default_factory=dict)
    wrapped: tuple[Wrapped, ...] = ()
    yields: tuple[Floats, ...] = ()

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
        """Sum over tokens of balance times `price` (R, P), for every loan and lane, shape (L, P)."""
        # sums in a fixed order: a matrix product's bits may depend on the number of lanes and threads
        out = _sum_products(start[:, :, None], price)
        rows = np.flatnonzero(self.touched)
        out[rows] = _sum_products(lanes[rows], price)
        return out

    def prices(self, spot: Floats, told: bool = False) -> Floats:
        """USD price of each token of the book at `spot` (A, P), shape (R, P); `told`: as the protocol sees it."""
        out = np.empty((len(self.reserve_asset), spot.shape[1]))
        for r, asset in enumerate(self.reserve_asset):
            out[r] = spot[asset] if asset >= 0 else self.fixed_price[r]
        for token in self.wrapped:
            out[token.row] = self._parts(token, spot, told)[2]
        return out

    def _parts(self, token: Wrapped, spot: Floats, told: bool = False) -> tuple[Floats, Floats, Floats]:
        moved = self.yields[1] - self.yields[0] if self.yields else None
        return token.parts(spot, self.step * self.grid.step_seconds / 3600.0, moved, told)

    def at(self, step: int, rates: Floats | None = None) -> None:
        """Move the clock to time index `step`, at borrow rates (A, P) where a token's yield follows them."""
        self.step = step
        if rates is not None:
            self.yields = (self.yields[0] if self.yields else rates, rates)

    def sold_as(self, spot: Floats) -> Floats:
        """Price of a coin, coins and dollars that each token of the book is sold as, shape (3, R, P)."""
        plain = self.prices(spot)
        out = np.stack([plain, np.ones_like(plain), np.zeros_like(plain)])
        for token in self.wrapped:
            coins, dollars, _ = self._parts(token, spot)
            keep = 1.0 - token.rule.exit_cost
            out[:, token.row] = spot[token.asset], keep * coins, keep * dollars * np.ones_like(coins)
        return out

    def market(self, spot: Floats) -> Floats:
        """Prices at `spot`, followed by `sold_as` where a token wraps others, as `riskengine.lending.sale` reads it."""
        plain = self.prices(spot)
        return np.concatenate([plain, *self.sold_as(spot)]) if self.wrapped else plain


def _sum_products(balance: Floats, price: Floats) -> Floats:
    """Sum over the middle axis of `balance` (L, R, P or 1) times `price` (R, P), shape (L, P)."""
    out = balance[:, 0] * price[0]
    for r in range(1, len(price)):
        out += balance[:, r] * price[r]
    return out


class BlockMarket(ABC):
    """A lending market on lanes; the base of every simulated protocol.

    A subclass is a frozen dataclass with ``rules``, ``keeper``, ``liquidity``, ``oracle`` (None for that of the
    rules), ``reaction``, ``utilisation`` (None: it stays where the rules say) and ``name``, and says `collaterals`,
    `_layout`, `_parameters`, `_grow`, `_pools` and `_liquidate`.
    """

    kind: ClassVar[str]
    rules: Any
    keeper: Keeper
    liquidity: Liquidity
    oracle: PriceOracle | None
    reaction: Reaction | None
    utilisation: PathUtilisation | None
    name: str | None

    @property
    def feed(self) -> PriceOracle:
        """The oracle the market reads."""
        return self.oracle or self.rules.oracle

    def with_threshold_shift(self, shift: float) -> Self:
        """The same market with every liquidation threshold moved by `shift`; ValueError where that is illegal."""
        own: Any = self
        return replace(own, rules=self.rules.with_threshold_shift(shift)) if shift else own

    @property
    @abstractmethod
    def collaterals(self) -> Sequence[Listed]:
        """Tokens that may be borrowed against."""

    def paid(self, parameters: Floats) -> Floats:
        """Collateral at oracle prices that leaves a loan per USD repaid when it falls just below 1, per token."""
        return parameters[1]

    def _check(self) -> None:
        """ValueError unless every market asset that a collateral follows, and no other, has a depth."""
        check_name(self.name)
        followed = {c.asset for c in self.collaterals if c.asset is not None}
        if followed != set(self.liquidity.assets):
            got = sorted(self.liquidity.assets)
            raise ValueError(f"liquidity must name the assets that collateral follows, {sorted(followed)}, got {got}")

    @property
    def charges(self) -> bool:
        """Whether a liquidation can leave the protocol a fee."""
        return False

    @abstractmethod
    def _layout(self, loans: Loans, worth: Callable[[Listed], float]) -> Layout:
        """The book as the protocol holds it, or ValueError; `worth` is a token's USD price at the start."""

    @abstractmethod
    def _parameters(self, tokens: Sequence[Any]) -> tuple[Floats, Floats]:
        """(LTV that gates borrowing (R,), parameters (K, R) whose first row is the liquidation threshold)."""

    def _own(self, book: Layout, paths: int) -> dict[str, Any]:
        """State that only this protocol has."""
        return {}

    @abstractmethod
    def _grow(self, state: BookState, steps: int) -> None:
        """Move the indices of `state` by `steps` grid steps."""

    @abstractmethod
    def _pools(self, state: BookState, tokens: Sequence[Any]) -> Pools:
        """Pools of the tokens that the book of `state` owes, where utilisation moves with the path."""

    @abstractmethod
    def _liquidate(self, state: BookState, published: Floats, market: Floats, sold: Floats, sums: Floats) -> None:
        """Liquidate the loans that are ready, at oracle and market prices of every token, (R, P) each."""

    def init(
        self, loans: Loans, assets: tuple[str, ...], spot: Floats, grid: TimeGrid, draws: PathDraws = FIXED
    ) -> BookState:
        """State of a block at time 0.

        Parameters
        ----------
        loans : Loans
        assets : tuple of str
            Names of the rows of `spot`.
        spot : ndarray, shape (A, P)
            Market prices at time 0, which the oracle publishes.
        grid : TimeGrid
            Hours of oracle and keepers must fall on it.
        draws : PathDraws
            Of what keepers and oracle draw.
        """
        assets = tuple(assets)

        def price_of(token: Listed) -> Floats:
            known = token.asset in assets
            for own in wrapped_rows([token], assets) if known else ():
                return own.parts(spot, 0.0, None, True)[2]
            return spot[assets.index(token.asset)] if known else np.full(spot.shape[1], token.price)

        book = self._layout(loans, lambda token: float(price_of(token)[0]))
        tokens, collateral, debt, owner = book
        unknown = sorted({t.asset for t in tokens if t.asset is not None} - set(assets))
        if unknown:
            raise ValueError(f"world must have the assets {unknown} that reserves follow, got {assets}")
        wrapped = wrapped_rows(tokens, assets)
        if wrapped and self.reaction is not None and self.reaction.action == "deleverage":
            raise ValueError(
                "reaction must not be deleverage where a token wraps others: its sales are counted in coins"
            )
        count, reserves = collateral.shape
        paths = spot.shape[1]
        ltv, parameters = self._parameters(tokens)
        price = np.array([price_of(t) for t in tokens])
        # paths start from one price, as a rule; then one lane tells the start of all
        one_start = bool((price == price[:, :1]).all())
        start = price[:, :1] if one_start else price
        weighted = _sum_products((collateral * parameters[0])[:, :, None], start)
        owed = _sum_products(debt[:, :, None], start)
        liquidatable = (weighted < owed * due.LESS).sum(axis=0).astype(np.float64)
        capacity = _sum_products((collateral * ltv).sum(axis=0)[None, :, None], price)[0]
        own = self._own(book, paths) | by_token.split(tokens, debt, paths)
        groups = -(-paths // due.GROUP)
        capital = self.keeper.capital(paths, grid)
        if capital is not None:
            own["capital"] = capital
        if self.liquidity.permanent_share:
            own["stays"] = np.zeros((len(assets), paths))
        if self.reaction is not None:
            reacted = np.zeros((len(loans.names), paths), dtype=np.uint8)
            own |= {"attentive": self.reaction.attentive(loans.names), "reacted": reacted}

        state = BookState(
            start_collateral=np.array(collateral, dtype=np.float64),
            start_debt=np.array(debt, dtype=np.float64),
            collateral_lanes=np.empty((count, reserves, paths)),
            debt_lanes=np.empty((count, reserves, paths)),
            owner=np.asarray(owner, dtype=np.int64),
            indices=np.ones((2, reserves)),
            oracle=self.feed.init(spot, grid, assets, draws),
            outstanding=np.zeros((len(assets) * self.liquidity.sources, paths)),
            liquidated=np.zeros((len(loans.names), paths), dtype=np.uint8),
            deficit_usd=np.zeros(paths),
            borrow_capacity=capacity,
            initially_liquidatable=np.broadcast_to(liquidatable, (paths,)),
            step=0,
            grid=grid,
            clock=self.keeper.clock(grid, loans.names, np.asarray(owner, dtype=np.int64), draws),
            # keepers take the largest debts first; in book order where no one ranking holds for all lanes
            order=np.argsort(-owed[:, 0], kind="stable") if one_start else np.arange(count),
            touched=np.zeros(count, dtype=np.uint8),
            pending=np.zeros(count, dtype=np.uint8),
            due=np.empty((count, paths), dtype=np.int32),
            ready=np.zeros(count, dtype=np.uint8),
            # nothing is known ahead: every loan may be liquidatable at once
            wake=np.zeros((count, groups), dtype=np.int32),
            room=(
                np.empty((groups, 2, reserves)),
                np.empty(reserves, np.int64),
                np.empty(reserves),
                np.empty(due.GROUP),
            ),
            reserve_asset=np.array([-1 if t.asset is None else assets.index(t.asset) for t in tokens]),
            fixed_price=np.array([t.price for t in tokens]),
            parameters=parameters,
            ltv=ltv,
            depth=self.liquidity.table(assets),
            own=own,
            wrapped=wrapped,
        )
        if self.utilisation is not None:
            own["pools"] = self._pools(state, tokens)
            own["pools"].open(price)
        return state

    def accrue(self, state: BookState, steps: int) -> None:
        """Move both indices of every token by `steps` grid steps at the stated utilisation."""
        if steps:
            self._grow(state, steps)

    def foresee(self, state: BookState, told: Floats) -> None:
        """Tell a market that has not stepped yet every price that its oracle will be told, (T + 1, A, P).

        The same results, found with less work: a loan is not looked at before the first step at which it is
        liquidatable (`riskengine.lending.ahead`).  Only for prices that nothing moves; steps must be taken one by one.
        Where borrowers act, pools move or a token's yield follows rates, nothing is known ahead.
        """
        if self.reaction is not None or self.reads_rates or "pools" in state.own:
            return
        twin = replace(state, indices=state.indices.copy(), own=deepcopy(state.own), oracle=deepcopy(state.oracle))
        prices = np.empty((len(told), len(state.reserve_asset), told.shape[2]))
        indices = np.empty((len(told), *state.indices.shape))
        for t, spot in enumerate(told):
            self.accrue(twin, min(t, 1))
            twin.at(t)
            seen = self.feed.step(twin.oracle, spot, min(t, 1) * state.grid.step_seconds)
            prices[t] = twin.prices(seen, told=True)
            indices[t] = twin.indices
        state.wake = first_breaches(
            state.start_collateral, state.start_debt, state.parameters[0], indices, prices, lanes=False
        ).wake

    @property
    def reads_rates(self) -> bool:
        """Whether a token's yield moves with the borrow rate of its asset."""
        return any(token.wraps.yield_weight for token in listed_wrappings(self.rules))

    def step(
        self, state: BookState, step: int, spot: Floats, told: Floats | None = None, rates: Floats | None = None
    ) -> LiquidationEvents:
        """Advance `state` to time index `step` at market prices `spot` (A, P) and report what happened.

        The oracle publishes from `told` (A, P) where given, from `spot` otherwise; `rates` (A, P) are borrow rates.
        """
        elapsed = step - state.step
        seconds = elapsed * state.grid.step_seconds
        self.accrue(state, elapsed)
        refill(self.liquidity, state, seconds / 3600.0)
        capital, pools = state.own.get("capital"), state.own.get("pools")
        sums = by_token.empty_sums(state, spot.shape[1])
        sums[CAPITAL] = math.inf if capital is None else capital.at(state.step, step)
        state.at(step, rates)
        published = state.prices(self.feed.step(state.oracle, spot if told is None else told, seconds), told=True)
        if pools is not None:
            pools.move(state, step, elapsed, state.prices(spot), rates)
        sold = np.zeros_like(spot)
        if self.reaction is not None:
            self.reaction.act(state, state.own["attentive"], state.own["reacted"], published, sold)
            if pools is not None:
                pools.refresh(state)
        due.find_due(
            step,
            state.clock,
            state.start_collateral,
            state.start_debt,
            state.collateral_lanes,
            state.debt_lanes,
            state.touched,
            state.pending,
            state.due,
            state.ready,
            state.wake,
            state.indices,
            state.parameters[0],
            published,
            *state.room,
        )
        before = np.sqrt(state.outstanding) if "stays" in state.own else None
        by_borrowers = sold.copy() if state.own.get("coupled") else sold
        self._liquidate(state, published, state.market(spot), sold, sums)
        if pools is not None:
            pools.settle(state, sums, published)
        if capital is not None:
            capital.spend(step, sums[CAPITAL])
        moved = None if before is None else stay(self.liquidity, state, before, spot)
        state.deficit_usd += sums[due.DEFICIT]
        by_token.write_off(state, sums)
        return LiquidationEvents(
            liquidations=sums[due.CALLS],
            liquidated_loans=sums[due.NEW_LOANS],
            volume_usd=sums[due.REPAID],
            deficit_usd=sums[due.DEFICIT],
            protocol_fee_usd=sums[due.FEE],
            skipped_unprofitable=sums[due.SKIPPED],
            sold=by_borrowers,
            moved=moved,
            seized_usd=sums[due.SEIZED],
            keeper_profit_usd=sums[due.PROFIT],
            returned_usd=sums[due.RETURNED],
        )

    def couple(self, state: BookState) -> None:
        """From here on what stays of a sale's impact moves the price that everyone sees, instead of this market's."""
        state.own["coupled"] = "stays" in state.own

    def health(self, state: BookState, spot: Floats) -> Floats:
        """Health factor of every loan at prices `spot` (A, P), shape (L, P); infinite without debt."""
        price = state.prices(spot)
        weights = (state.indices[0] * state.parameters[0])[:, None] * price
        weighted = state.value(state.start_collateral, state.collateral_lanes, weights)
        owed = state.value(state.start_debt, state.debt_lanes, state.indices[1][:, None] * price)
        return np.divide(weighted, owed, out=np.full_like(weighted, np.inf), where=owed > 0)

    def _inventory(self, state: BookState) -> Floats:
        """Coins of each token that the protocol took over and has not sold, shape (R, P) or broadcast to it."""
        return np.zeros((len(state.reserve_asset), 1))

    def close(self, state: BookState, spot: Floats) -> dict[str, Floats]:
        """Where the market stands at prices `spot` (A, P); every entry has shape (P,), amounts in USD.

        Returns
        -------
        dict
            ``residual_shortfall``: debt above collateral of loans not yet written off; ``deficit``: written off so
            far; ``bad_debt``: their sum; ``liquidatable``: loans below health 1; ``liquidated_loans``: distinct loans
            liquidated; ``collateral``, ``debt``; ``borrow_capacity``: collateral times LTV of the book *as it
            started*, the efficiency a threshold buys; ``borrow_capacity_at_close``; ``initially_liquidatable``;
            ``inventory_result``: what the protocol gained or lost on collateral that it took over itself, the unsold
            part at `spot`; ``sale_loss``: what protocol and suppliers lose besides where all that is for sale, that
            part and the collateral of liquidatable loans, is sold into the pools at once instead of valued at `spot`;
            with a reaction ``reacting_borrowers``, who acted at least once; with utilisation on the path what
            `riskengine.lending.utilisation.Pools.columns_at` says.
        """

        def fetched(coins: Floats) -> Floats:
            return sale_prices(self.liquidity, state, coins, spot)

        pools: Pools | None = state.own.get("pools")
        lent = {} if pools is None else pools.columns_at(state.step * state.grid.step_seconds / 3600.0)
        return closing.figures(state, state.prices(spot), self._inventory(state), fetched) | lent
