"""Participants of the step loop: a margin desk (one model, all its levels and multipliers) and a lending desk."""

from collections.abc import Iterable
from inspect import signature

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.loans import Loans
from riskengine.book.portfolio import Portfolio
from riskengine.engine.accounts import AccountLife
from riskengine.engine.coverage import Coverage
from riskengine.engine.outcomes import Key
from riskengine.engine.questions import MarginQuestion
from riskengine.lending.block_market import BlockMarket
from riskengine.lending.by_token import bad_debt_by_token
from riskengine.lending.keeper import LiquidationEvents
from riskengine.liquidation.terms import LiquidationTerms
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.pricing.valuation import (
    BUMP,
    account_values,
    close_costs,
    contract_coins,
    gross_notional,
    rounding,
    snapshot,
)
from riskengine.random import FIXED, DrawKeys, PathDraws
from riskengine.roles import LendingProtocol, MarginModel


class BookView:
    """Values of the book along the paths; desks on one path share one, so each step is priced once.

    Where the world has them, perpetuals are marked at spot times e^basis (dated forwards carry the share of the basis
    that the surface's curves say), closing costs are divided by the relative depth, and funding is exchanged between
    longs and shorts: over a step a linear position of q coins pays q times mark times the rate per year times the step,
    an inverse one of N USD pays N / mark coins times the same, all at its start.  What whole positions have paid since
    time 0 is part of their value, so an account that holds a share of them has paid that share.  A view keeps the last
    step only.
    """

    def __init__(self, portfolio: Portfolio, surface: FactorSurface, paths: MarketPaths, terms: LiquidationTerms):
        self.portfolio, self.paths = portfolio, paths
        self._surface = surface
        self._costs = terms.costs
        self._spot: Floats | None = None
        self._step = 0
        self._funding = 0.0
        own = portfolio.asset_index[portfolio.perpetuals]
        self._perpetuals = [portfolio.perpetuals[own == a] for a in range(len(portfolio.assets))]

    def _snapshot(self, step: int, spot: Floats) -> MarketSnapshot:
        variance = self.paths.variance_lanes
        hours = step * self.paths.grid.step_seconds / 3600.0
        state = np.zeros_like(spot) if variance is None else variance[step]
        basis = self.paths.basis_lanes
        mark = None if basis is None else spot * np.exp(basis[step])
        own = None if basis is None else basis[step]
        return snapshot(self.portfolio, self._surface, spot, state, hours, perpetual=mark, basis=own)

    def _paid(self, step: int) -> Floats:
        """Funding that the accounts paid, net, between the last step and `step`, USD, shape (K, P)."""
        years = (step - self._step) * self.paths.grid.dt
        mark, spot, rate = self.snapshot.perpetual, self.snapshot.spot, self.paths.funding_lanes[self._step]
        out = np.zeros((self.portfolio.accounts, mark.shape[1]))
        for a, columns in enumerate(self._perpetuals):
            linear, inverse = contract_coins(self.portfolio, columns, mark[a])
            out += linear * (mark[a] * rate[a] * years) + inverse * (spot[a] * rate[a] * years)
        return out

    def move_to(self, step: int, spot: Floats) -> None:
        """Price the book at `step` unless this was done already for the same prices."""
        if self._spot is spot:
            return
        if self.paths.funding_lanes is not None and self._spot is not None:
            self._funding = self._funding + self._paid(step)
        self._spot, self._step = spot, step
        self.snapshot = self._snapshot(step, spot)
        self._marked = account_values(self.portfolio, self.snapshot)
        self.value = self._marked if self.paths.funding_lanes is None else self._marked - self._funding
        depth = self.paths.depth_lanes
        self.closing_cost = close_costs(
            self.portfolio, self.snapshot, self._costs, None if depth is None else depth[step]
        )

    def deltas(self) -> Floats:
        """Coins each account is long of each asset, shape (A, K, P), by a bump of the spot."""
        out = np.empty((len(self.portfolio.assets), *self.value.shape))
        for a in range(out.shape[0]):
            bumped = self._spot.copy()
            bumped[a] *= 1.0 + BUMP
            moved = account_values(self.portfolio, self._snapshot(self._step, bumped))
            out[a] = (moved - self._marked) / (BUMP * self._spot[a])
        return out


class MarginDesk:
    """One margin model on the book: coverage of positions left alone, and the life of accounts that are not.

    A grid is recomputed at every step, a quantile model at the start of every margin period that fits into the horizon
    (its window moves by one period at a time); in between its figure stands, scaled by the share of positions held.

    Parameters
    ----------
    label : str
        Name of the model in the figures.
    model : MarginModel
    view : BookView
    surface : FactorSurface
    question : MarginQuestion
    multipliers : tuple of float
        Those of the question that this desk runs.
    sells : bool
        Report what liquidations sell; only feedback needs it.
    """

    def __init__(
        self,
        label: str,
        model: MarginModel,
        view: BookView,
        surface: FactorSurface,
        question: MarginQuestion,
        multipliers: tuple[float, ...],
        sells: bool,
    ):
        grid = view.paths.grid
        self.label, self.model, self._view, self._question, self._sells = label, model, view, question, sells
        self._levels: tuple[float | None, ...] = model.levels or (None,)
        self._multipliers = multipliers
        self._period = grid.index("margin_period_hours", question.margin_period_hours)
        self._state = model.init(view.portfolio, surface)
        self._coverage = Coverage(
            label,
            self._levels,
            multipliers,
            view.portfolio.kinds,
            self._period,
            grid.index("liquidation_latency_hours", question.liquidation_latency_hours),
            question.funding_multiple,
            view.paths.log_weight is not None,
            question.procyclicality,
            gross_notional(view.portfolio, view.paths.spot_lanes[0, :, 0]) if question.by_kind else None,
        )
        self._lives: list[tuple[int, float, AccountLife]] = []
        self._reference: dict[Key, Floats] = {}

    def _record_reference(self, loss: Floats) -> None:
        """Loss and requirement of the reference accounts over the first margin period."""
        if 1.0 not in self._multipliers:
            return
        for name in self._question.reference_accounts:
            k = self._view.portfolio.names.index(name)
            for level, initial in zip(self._levels, self._initial, strict=True):
                self._reference["margin", self.label, level, 1.0, name, "loss"] = loss[k]
                self._reference["margin", self.label, level, 1.0, name, "requirement"] = initial[k]

    def step(self, step: int, spot: Floats) -> Floats | None:
        """Participant of the step loop: margin call, liquidation, coverage."""
        view, question = self._view, self._question
        view.move_to(step, spot)
        if step > 0 and step - self._origin <= self._period:
            self._coverage.observe(step - self._origin, view.value)
            if step == self._period:
                self._record_reference(self._coverage.loss(view.value))
        origin = step % self._period == 0 and step + self._period <= view.paths.grid.steps
        if not self.model.levels or origin:
            self._state = self.model.step(self._state, view.paths, step)
            found = self.model.requirement(self._state, view.snapshot)
            self._initial = np.stack([r.initial for r in found])
            self._maintenance = np.stack([r.maintenance for r in found])
            self._errors = tuple(r.std_error for r in found)
        if step == 0:
            funding, terms, slack = (
                question.funding_multiple,
                question.liquidation,
                rounding(view.portfolio, view.snapshot),
            )
            self._lives = [
                (i, m, AccountLife(m * self._initial[i], view.value, funding, terms, slack))
                for i in range(len(self._levels))
                for m in self._multipliers
            ]
        if origin:
            self._origin = step
            slack = rounding(view.portfolio, view.snapshot)
            self._coverage.open(view.value, self._initial, self._maintenance, slack, self._errors)
        sold = None
        for i, multiplier, life in self._lives:
            closed = life.step(view.value, self._maintenance[i], view.closing_cost, multiplier)
            if self._sells and closed is not None:
                sales = np.einsum("akp,kp->ap", view.deltas(), closed)
                sold = sales if sold is None else sold + sales
        return sold

    def columns(self) -> dict[Key, Floats]:
        """Outcome columns of the block."""
        out = self._coverage.columns() | self._reference
        for i, multiplier, life in self._lives:
            for measure, column in life.columns().items():
                out[("margin", self.label, self._levels[i], multiplier, "all", measure)] = column
        return out


# of a market whose utilisation moves with the path, as its closing names them
UTILISATION = ("utilisation_mean", "utilisation_peak", "hours_above_kink", "hours_waiting", "withdrawals_refused",
               "borrower_interest", "supplier_interest", "interest_kept")  # fmt: skip


def check_feed(market: LendingProtocol, filled: Iterable[str]) -> None:
    """ValueError where the world tells oracles a price of their own and `market` cannot take it."""
    if "oracle_lanes" in filled and "told" not in signature(market.step).parameters:
        raise ValueError(
            "kind must be a market whose step takes the price its oracle is told (told), as the world sets one, "
            f"got {market.kind}"
        )
    if getattr(market, "reads_rates", False) and "borrow_rate_lanes" not in filled:
        raise ValueError(
            "world must have a state borrow_rate, which the yield of a principal token moves with, got none"
        )


# below this many loans the search costs more than it saves
FORESEEN_FROM = 4_000


class LendingDesk:
    """One lending market under one shift of its liquidation thresholds; its oracle is told the market price, or what
    the world's ``oracle_lanes`` say.  Where its utilisation moves with the path, the columns say how far it was lent
    out, what interest was paid and what is left of it, with the fees, as the protocol's revenue.

    With `incidence` the columns also say who bears and who earns: what borrowers lose to liquidations, what keepers
    keep, and what is left for the protocol and its suppliers; only of markets that report `LiquidationEvents`.  With
    `losses` they add what suppliers lose, and the loans that are liquidatable at the start.  `coupled` tells a market
    whose liquidity says what its sales move for good that they move the price that everyone sees.  `label` is the name
    of the market among those of the study, its kind by default; what keepers and oracle draw follows from `keys`.
    """

    def __init__(
        self,
        market: LendingProtocol,
        shift: float,
        loans: Loans,
        paths: MarketPaths,
        spot: Floats,
        incidence: bool = False,
        losses: bool = False,
        coupled: bool = False,
        label: str | None = None,
        keys: DrawKeys = FIXED.keys,
    ):
        self.moved: Floats | None = None
        self._label = market.kind if label is None else label
        self._market, self._shift, self._paths, self._incidence = market, shift, paths, incidence
        self._losses, self._loans = losses, len(loans.names)
        takes = "draws" in signature(market.init).parameters
        drawn = {"draws": PathDraws(keys, paths.first_path)} if takes else {}
        self._state = market.init(loans, paths.assets, spot, paths.grid, **drawn)
        if coupled and isinstance(market, BlockMarket):
            market.couple(self._state)
        self._sums: dict[str, Floats] = {}
        self._last_spot = spot

    def foresee(self) -> None:
        """Nothing will move the prices of the paths: a large book is searched for its breaches at once."""
        told = self._paths.spot_lanes if self._paths.oracle_lanes is None else self._paths.oracle_lanes
        if isinstance(self._market, BlockMarket) and self._loans >= FORESEEN_FROM:
            self._market.foresee(self._state, told)

    def step(self, step: int, spot: Floats) -> Floats | None:
        """Participant of the step loop: oracle, keepers, liquidations."""
        self._last_spot = spot
        oracle = self._paths.oracle_lanes
        told = {} if oracle is None else {"told": oracle[step]}
        rates = self._paths.borrow_rate_lanes
        answers = rates is not None and getattr(self._market, "utilisation", None) is not None
        if answers or getattr(self._market, "reads_rates", False):
            told["rates"] = rates[step]
        events = self._market.step(self._state, step, spot, **told)
        names = ("liquidations", "volume_usd", "deficit_usd", "protocol_fee_usd", "skipped_unprofitable")
        if self._incidence and isinstance(events, LiquidationEvents):
            names += ("seized_usd", "returned_usd", "keeper_profit_usd")
        for name in names:
            column = getattr(events, name)
            self._sums[name] = self._sums[name] + column if name in self._sums else column.copy()
        self.moved = events.moved
        return events.sold

    def columns(self) -> dict[Key, Floats]:
        """Outcome columns of the block."""
        sums = self._sums
        closing = self._market.close(self._state, self._last_spot)
        columns = {
            "liquidations": sums["liquidations"],
            "liquidation_probability": (sums["liquidations"] > 0).astype(np.float64),
            "liquidated_volume": sums["volume_usd"],
            "bad_debt": sums["deficit_usd"] + closing["residual_shortfall"],
            "protocol_fee": sums["protocol_fee_usd"],
            "skipped_unprofitable": sums["skipped_unprofitable"],
            "liquidated_loans": closing["liquidated_loans"],
            "borrow_capacity": closing["borrow_capacity"],
        }
        if "reacting_borrowers" in closing:
            columns["reacting_borrowers"] = closing["reacting_borrowers"]
        columns |= {k: closing[k] for k in ("unsold_inventory", "reserves") if k in closing}
        if "utilisation_mean" in closing:
            columns |= {k: closing[k] for k in UTILISATION}
            columns["protocol_revenue"] = closing["interest_kept"] + columns["protocol_fee"]
        if "seized_usd" in sums:
            columns["liquidation_penalty"] = sums["seized_usd"] - sums["volume_usd"] - sums["returned_usd"]
            columns["keeper_profit"] = sums["keeper_profit_usd"]
            columns["protocol_result"] = columns["protocol_fee"] - columns["bad_debt"] + closing["inventory_result"]
            columns["protocol_result_sold"] = columns["protocol_result"] - closing["sale_loss"]
        if "seized_usd" in sums and self._losses:
            columns["supplier_loss"] = np.maximum(-columns["protocol_result"], 0.0)
            columns["liquidatable_at_start"] = closing["initially_liquidatable"]
        out = {("lending", self._label, None, self._shift, "all", k): v for k, v in columns.items()}
        if isinstance(self._market, BlockMarket):
            for token, column in bad_debt_by_token(self._state, self._last_spot).items():
                out["lending", self._label, None, self._shift, token, "bad_debt_by_token"] = column
        return out
