"""The protocols that models fulfil: one frozen dataclass in one file with these verbs, and one registry line."""

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from riskengine.arrays import Floats, Ints
from riskengine.book.portfolio import Portfolio
from riskengine.estimate import Estimate
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.random import DrawKeys


@runtime_checkable
class Law(Protocol):
    """Exact law of a log-return X over one horizon (state fixed at construction)."""

    def cdf(self, x: Floats) -> Floats:
        """P(X <= x)."""

    def quantile(self, probability: Floats) -> Floats:
        """Smallest x with P(X <= x) >= probability."""

    def lower_expectation(self, x: Floats) -> Floats:
        """E[e^X 1{X <= x}]: what expected shortfall of a linear position needs."""


@runtime_checkable
class ScenarioModel(Protocol):
    """What the market does."""

    assets: tuple[str, ...]

    def sample(self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys) -> MarketPaths:
        """Paths ``first_path`` to ``first_path + count - 1``; the only place where market randomness is drawn."""

    def law(self, asset: str, horizon: float, variance: float | None = None) -> Law:
        """Exact law of the log-return of `asset` over `horizon` years, given the variance at its start, or, for None,
        under the world's own initial state (the stationary law where the world starts there)."""


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
    """

    initial: Floats
    maintenance: Floats
    components: dict[str, Floats] = field(default_factory=dict)
    binding_scenario: Ints | None = None


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


@runtime_checkable
class Estimator(Protocol):
    """VaR and ES from a sample, each with an interval."""

    kind: str

    def fit(self, losses: Floats, level: float, confidence: float) -> tuple[Estimate, Estimate]:
        """(VaR, ES) at `level` from `losses` in time order, oldest first."""
