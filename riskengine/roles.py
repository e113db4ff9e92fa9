"""The protocols that models fulfil: one frozen dataclass in one file with these verbs, and one registry line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Protocol, runtime_checkable

from riskengine.arrays import Floats, Ints
from riskengine.book.loans import Loans
from riskengine.book.portfolio import Portfolio
from riskengine.estimate import Estimate, LaneTails
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.random import FIXED, DrawKeys, PathDraws


@runtime_checkable
class Law(Protocol):
    """Exact law of a log-return X over one horizon (state fixed at construction)."""

    def cdf(self, x: Floats) -> Floats:
        """P(X <= x)."""

    def quantile(self, probability: Floats) -> Floats:
        """Smallest x with P(X <= x) >= probability."""

    def lower_expectation(self, x: Floats, power: float = 1.0) -> Floats:
        """E[e^{power X} 1{X <= x}]: what expected shortfall needs, power 1 for linear and -1 for inverse positions."""

    def expectation(self, power: float = 1.0) -> float:
        """E[e^{power X}]."""


@runtime_checkable
class ScenarioModel(Protocol):
    """What the market does.

    Attributes
    ----------
    kind : str
    assets : tuple of str
    spot : tuple of float
        Price of each asset at time 0, USD.  Assets that a model names in an attribute ``floating`` start around it.
    starts_stationary : bool
        Whether time 0 is in the same state whether or not a history came before it: true without a state, and with one
        that starts in its stationary law.
    """

    kind: str
    assets: tuple[str, ...]
    spot: tuple[float, ...]
    starts_stationary: bool

    def sample(self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys) -> MarketPaths:
        """Paths ``first_path`` to ``first_path + count - 1``; the only place where market randomness is drawn."""


@runtime_checkable
class StateComponent(Protocol):
    """One part of the market's state beyond prices: depth, funding and basis, a borrow rate, what an oracle is told.

    Attributes
    ----------
    kind : str
    fills : tuple of str
        The lanes of `MarketPaths` that it makes, such as ``depth_lanes``.
    """

    kind: str
    fills: tuple[str, ...]

    def check(self, model: ScenarioModel) -> None:
        """ValueError where the component cannot go with `model`: lengths per asset, a variance it needs."""

    def fill(self, paths: MarketPaths, keys: DrawKeys) -> dict[str, Floats]:
        """The lanes named by `fills`, shape (T + 1, A, P) each, on sampled `paths`; draws under purposes of its own, so
        no price moves."""


@runtime_checkable
class HasLaw(Protocol):
    """A world whose horizon law is known exactly: what calibration error needs.  A resampled history has none."""

    assets: tuple[str, ...]

    def law(self, asset: str, horizon: float, variance: float | None = None) -> Law:
        """Exact law of the log-return of `asset` over `horizon` years, given the variance at its start, or, for None,
        under the world's own initial state (the stationary law where the world starts there)."""


@runtime_checkable
class MadeOfData(Protocol):
    """A world whose paths come from data: its grid must fit theirs, and it may hold only so many paths.

    Attributes
    ----------
    has_variance : bool
        Whether paths carry a variance state.
    """

    has_variance: bool

    def path_limit(self, grid: TimeGrid) -> int | None:
        """Largest number of paths on `grid`, None where there is no limit; ValueError where the grid does not fit."""


@dataclass(frozen=True)
class Requirement:
    """Resources needed above liquidation value, per account and lane.

    Attributes
    ----------
    initial, maintenance : ndarray, shape (K, P)
        USD, positive.
    components : dict of str to ndarray, shape (K, P)
        Parts that explain the figure (only where asked for).
    binding_scenario : ndarray of int, shape (K, P), or None
        Which scenario binds, where the model has scenarios.
    std_error : ndarray, shape (K, P), or None
        Standard error of `initial`, USD, where the model simulates.
    """

    initial: Floats
    maintenance: Floats
    components: dict[str, Floats] = field(default_factory=dict)
    binding_scenario: Ints | None = None
    std_error: Floats | None = None


@runtime_checkable
class MarginModel(Protocol):
    """What a venue demands."""

    kind: str
    levels: tuple[float, ...]  # confidence levels of a quantile model; empty for a grid, which has none

    def init(self, portfolio: Portfolio, surface: FactorSurface) -> Any:
        """Everything that depends on the book only (index maps, packed parameters), computed once."""

    def step(self, state: Any, paths: MarketPaths, step: int) -> Any:
        """State for a requirement at time index `step` (estimator windows); grids return it unchanged."""

    def requirement(self, state: Any, snapshot: MarketSnapshot) -> tuple[Requirement, ...]:
        """Requirement of every account on every lane: one per level, exactly one for a grid."""


# what a margin model may declare of itself in an attribute ``promises``, which the contract tests hold it to.  That
# initial margin is at least maintenance margin, and rises with the level, is asked of every model.
PROPORTIONAL = "proportional"  # twice the account, twice the requirement
LONG_OPTION_BOUNDED = "long_option_bounded"  # a long option alone requires no more than its value


def promises(model: MarginModel) -> frozenset[str]:
    """Invariants that a margin model declares: `PROPORTIONAL`, `LONG_OPTION_BOUNDED`; none where it says nothing."""
    return frozenset(getattr(model, "promises", ()))


def reads_history(model: MarginModel) -> bool:
    """Whether a margin model reads returns from before time 0.

    One with a margin period does, unless it says otherwise in an attribute ``reads_history``.
    """
    return getattr(model, "reads_history", hasattr(model, "margin_period_hours"))


@runtime_checkable
class Estimator(Protocol):
    """VaR and ES from a sample, each with an interval."""

    kind: str

    def fit(self, losses: Floats, level: float, confidence: float) -> tuple[Estimate, Estimate]:
        """(VaR, ES) at `level` from `losses` in time order, oldest first."""

    def fit_lanes(self, losses: Floats, level: Sequence[float], confidence: float) -> LaneTails:
        """VaR and ES, each with bounds of shape (levels, P), from one sample a lane: `losses` has shape (W, P).

        A figure that cannot be formed on a lane is NaN there; a level that no lane can answer raises ValueError.
        """


@runtime_checkable
class Position(Protocol):
    """What is lost over a horizon, as a function of the log-return of one asset.

    Attributes
    ----------
    side : {"long", "short"} or None
        Whether the loss falls or rises with the log-return throughout; None where it does neither.
    kinks : tuple of float
        Log-returns at which the slope of the loss jumps.
    """

    side: str | None
    kinks: tuple[float, ...]

    def loss(self, x: Floats) -> Floats:
        """Loss at log-returns `x`, shape of `x`."""

    def worse(self, c: Floats) -> tuple[Floats, Floats]:
        """Where the loss is greater than `c`: ends of the intervals of the log-return, each (K, *shape of `c`).

        The outermost ends are infinite; an interval with equal ends is empty.
        """


@runtime_checkable
class ExposureModel(Protocol):
    """What the estimators of a lab are tested on: a position in one asset of a world.

    Attributes
    ----------
    asset : str
    name : str
        How it is told from other exposures of a study.
    """

    asset: str
    name: str

    def position(self, model: ScenarioModel, surface: FactorSurface, hours: float) -> Position:
        """The position in a world; ValueError where the world cannot price it."""


@runtime_checkable
class PriceOracle(Protocol):
    """What price a lending protocol sees, on P lanes at once.

    Attributes
    ----------
    kind : str
    """

    kind: str

    def init(self, spot: Floats, grid: TimeGrid, assets: tuple[str, ...] = (), draws: PathDraws = FIXED) -> Any:
        """State at time 0, when market and oracle say `spot`, shape (A, P).

        ValueError where hours are off the grid, or a name is not among `assets`, the rows of `spot`.
        """

    def step(self, state: Any, spot: Floats, seconds: float) -> Floats:
        """Advance `state` by `seconds`, whole steps or none, to market prices `spot`; what the protocol sees (A, P).

        The array may be the state's own: the next step changes it.
        """

    def unseen_fall(self, asset: str) -> float | None:
        """Share by which the market can lie below the oracle without its telling; None where no share bounds it."""


@dataclass(frozen=True)
class LendingEvents:
    """What one step did, per lane, shape (P,) each.

    Attributes
    ----------
    liquidations : liquidation calls.
    volume_usd : debt repaid.
    deficit_usd : bad debt booked (debt left when all collateral of an account was seized).
    protocol_fee_usd : share of the bonus that went to the treasury.
    skipped_unprofitable : liquidatable accounts that no keeper would touch.
    sold : ndarray, shape (A, P)
        Coins of each asset that liquidators sold into the market, but for those whose impact is in `moved`.
    moved : ndarray, shape (A, P), or None
        Log-price that sales of this step moved for good, of a market that says so itself.
    """

    liquidations: Floats
    volume_usd: Floats
    deficit_usd: Floats
    protocol_fee_usd: Floats
    skipped_unprofitable: Floats
    sold: Floats
    moved: Floats | None = field(default=None, kw_only=True)


@runtime_checkable
class Liquidity(Protocol):
    """What a lending market sells seized collateral into.

    `table` holds what kernels need of each asset; its rank says which curve it is (`riskengine.liquidity.sale_curve`).
    """

    kind: str
    assets: tuple[str, ...]
    # sources of its own that refill apart: a book and a pool are two
    sources: int
    # share of a sale's impact that never decays
    permanent_share: float
    # share that a fee leaves, where the table does not hold it
    keep: float

    def table(self, assets: tuple[str, ...]) -> Floats:
        """Parameters of `assets`, first axis A; infinite for those it does not take."""

    def decay(self, hours: float) -> float | Floats:
        """Share of coins outstanding that is left after `hours`; (sources,) where they differ."""

    def times(self, factor: float) -> Liquidity:
        """The same with `factor` times the depth: a sale of so many times the size slips as much."""


@runtime_checkable
class LendingProtocol(Protocol):
    """What a protocol lends and seizes, on P lanes at once."""

    kind: str

    def init(self, loans: Loans, assets: tuple[str, ...], spot: Floats, grid: TimeGrid) -> Any:
        """State of the book on every lane: balances (L, R, P), oracle, pools, keepers.  `spot` has shape (A, P)."""

    def step(self, state: Any, step: int, spot: Floats) -> LendingEvents:
        """Let the market live through one step; changes only the arrays of `state`.

        A market that can live with an oracle told another price than `spot` takes it, (A, P), as the optional ``told``.
        """

    def close(self, state: Any, spot: Floats) -> dict[str, Floats]:
        """Figures at the horizon, each (P,): ``residual_shortfall``, ``liquidated_loans``, ``borrow_capacity``."""

    def with_threshold_shift(self, shift: float) -> LendingProtocol:
        """The same market with every liquidation threshold moved by `shift`; ValueError where that is not legal."""


def label_of(market: LendingProtocol) -> str:
    """What reports call a market that stands alone: its name, or its kind."""
    return getattr(market, "name", None) or market.kind


def told_apart(models: Sequence[Any]) -> tuple[str, ...]:
    """A name for each model: its kind, with the settings that tell it from others of the kind in brackets."""
    out = []
    for own in models:
        told = _settings(own, [m for m in models if m.kind == own.kind])
        out.append(f"{own.kind} ({', '.join(told)})" if told else own.kind)
    return tuple(out)


def _settings(own: Any, like: Sequence[Any]) -> list[str]:
    """What tells a record from others of its class.

    Of records inside: what tells those, where all have one class; else their kinds, and what tells one from others of
    its own.
    """
    told = []
    for f in fields(own):
        value, others = getattr(own, f.name), [getattr(m, f.name) for m in like]
        if not f.init or value in (None, False) or all(x == value for x in others):
            continue
        held, theirs = _records(value), [_records(x) for x in others]
        if held and all(list(map(type, x)) == list(map(type, held)) for x in theirs):
            told += [said for own, *rest in zip(held, *theirs, strict=True) for said in _settings(own, rest)]
            continue
        told.append(_said(f.name, value))
        if len(held) == 1:
            told += _settings(held[0], [x[0] for x in theirs if len(x) == 1 and type(x[0]) is type(held[0])])
    return told


def _records(value: Any) -> tuple[Any, ...]:
    """The records that a field holds and that have no name of their own; none where it holds anything else."""
    parts = value if isinstance(value, tuple) else (value,)
    return parts if all(is_dataclass(p) and not hasattr(p, "name") for p in parts) else ()


def _said(name: str, value: Any) -> str:
    """A setting in a name: a switch by its name alone, models by their kinds, worlds by theirs."""
    if value is True:
        return name
    parts = value if isinstance(value, tuple) else (value,)
    words = (f"{p:g}" if isinstance(p, float) else str(getattr(p, "kind", getattr(p, "name", p))) for p in parts)
    return f"{name} {' and '.join(words)}"
