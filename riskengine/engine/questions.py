"""What the engine is asked to find out on a block.  Frozen records; the YAML of a study has exactly these fields."""

from dataclasses import dataclass, field

from riskengine.arrays import check_range
from riskengine.book.loans import Loans
from riskengine.book.portfolio import Portfolio
from riskengine.exposure.unit import Exposure
from riskengine.liquidation.terms import LiquidationTerms
from riskengine.roles import Estimator, LendingProtocol, MarginModel, told_apart


@dataclass(frozen=True)
class Feedback:
    """Price feedback of liquidations: sales leave a log-price impact that decays; absent means exogenous prices.

    Attributes
    ----------
    depth_usd : dict of str to float
        Per asset: USD that moves the price by 1 % (linear in log-price).
    half_life_hours : float
        Half-life of the impact.
    """

    depth_usd: dict[str, float]
    half_life_hours: float

    def __post_init__(self) -> None:
        check_range("half_life_hours", self.half_life_hours, 0.0, 1e6, open_low=True)
        for asset, depth in self.depth_usd.items():
            check_range(f"depth_usd of {asset}", depth, 0.0, 1e15, open_low=True)


@dataclass(frozen=True)
class VolatilityFeedback:
    """Volatility feedback of liquidations: what is closed raises the variance that options are marked at; it decays.

    The logarithm of the variance state that the surface reads is raised by h.  Closing x USD of notional, with
    a = elasticity x / depth_usd, takes the share 1 - exp(-a / largest) of the room largest - h that is left: little
    adds a, much never more than `largest`, and splitting a close changes nothing.  Prices, depth and the variance that
    the path moves with are left alone.

    Attributes
    ----------
    elasticity : float
        Log-variance added for each `depth_usd` closed, where little is.
    depth_usd : dict of str to float
        Per asset; times the world's depth, where it has one.
    half_life_hours : float
        Half-life of what was added.
    largest : float
        Bound of h; 1.4 doubles implied volatility.
    """

    elasticity: float
    depth_usd: dict[str, float]
    half_life_hours: float
    largest: float = 1.4

    def __post_init__(self) -> None:
        check_range("elasticity", self.elasticity, 0.0, 10.0)
        check_range("largest", self.largest, 0.0, 10.0, open_low=True)
        check_range("half_life_hours", self.half_life_hours, 0.0, 1e6, open_low=True)
        for asset, depth in self.depth_usd.items():
            check_range(f"depth_usd of {asset}", depth, 0.0, 1e15, open_low=True)


@dataclass(frozen=True)
class MarginQuestion:
    """Margin models on a book of accounts.

    Attributes
    ----------
    book : Portfolio
    models : tuple of MarginModel
    margin_period_hours : float
        Margin period of risk: initial-margin breach compares the loss at its end with the requirement at its start.
    liquidation_latency_hours : float
        Window of maintenance-margin coverage.
    multipliers : tuple of float
        Factors on the whole requirement; 1 must be among them.
    funding_multiple : float
        Equity of each account at the start, as a multiple of its initial requirement.
    liquidation : LiquidationTerms
    reference_accounts : tuple of str
        Accounts whose requirement is held against a simulated reference quantile of their own loss; ``all``, alone,
        names every account.
    reference_levels : tuple of float
        Levels of the loss quantile and ES of each reference account, reported beside how often its loss exceeds the
        requirement of each model.
    procyclicality : bool
        Report how the requirement of positions left alone rises over the margin periods of a path: peak to trough, and
        the largest rise over 1, 5 and 30 of them where the horizon holds as many.
    by_kind : bool
        Report capital and shortfalls of each kind of account too, and capital as a share of notional.
    """

    book: Portfolio
    models: tuple[MarginModel, ...]
    margin_period_hours: float
    liquidation_latency_hours: float
    multipliers: tuple[float, ...] = (1.0,)
    funding_multiple: float = 1.25
    liquidation: LiquidationTerms = LiquidationTerms()
    reference_accounts: tuple[str, ...] = ()
    reference_levels: tuple[float, ...] = ()
    procyclicality: bool = field(default=False, metadata={"written": "unless empty"})
    by_kind: bool = field(default=False, metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        if not self.models:
            raise ValueError("models must hold at least one margin model, got none")
        if any(m in self.models[:i] for i, m in enumerate(self.models)):
            raise ValueError(f"models must all differ, got one twice of {[m.kind for m in self.models]}")
        if 1.0 not in self.multipliers or any(not 0 < m <= 10 for m in self.multipliers):
            raise ValueError(f"multipliers must lie in (0, 10] and hold 1, got {self.multipliers}")
        if self.reference_accounts == ("all",):
            object.__setattr__(self, "reference_accounts", tuple(self.book.names))
        for level in self.reference_levels:
            check_range("reference_levels", level, 0.5, 1.0, open_low=True, open_high=True)
        if self.reference_levels and not self.reference_accounts:
            raise ValueError("reference_levels need reference_accounts, got none")
        unknown = [name for name in self.reference_accounts if name not in self.book.names]
        if unknown:
            raise ValueError(f"reference_accounts must name accounts of the book, got {unknown}")
        check_range("funding_multiple", self.funding_multiple, 0.0, 100.0, open_low=True)
        check_range("margin_period_hours", self.margin_period_hours, 0.0, 8760.0, open_low=True)
        check_range("liquidation_latency_hours", self.liquidation_latency_hours, 0.0, 8760.0, open_low=True)

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each model: its kind, with what tells it from others of the kind."""
        return told_apart(self.models)

    def label(self, model: MarginModel) -> str:
        """The name of one of `models`."""
        return next(name for held, name in zip(self.models, self.labels, strict=True) if held is model)


@dataclass(frozen=True)
class LendingQuestion:
    """A lending market on a borrower book, and others that the same borrowers live in on the same paths.

    Attributes
    ----------
    market : LendingProtocol
    book : Loans
    threshold_shifts : tuple of float
        Added to every liquidation threshold (0.03 is three points); 0 must be among them.
    compared_with : tuple of LendingProtocol
        Other markets, each of another kind or told apart by a setting.  With any, who pays for a liquidation is
        reported for all.
    who_pays : bool
        Report it with one market too, with what suppliers lose and how many loans are liquidatable at the start.
    """

    market: LendingProtocol
    book: Loans
    threshold_shifts: tuple[float, ...] = (0.0,)
    compared_with: tuple[LendingProtocol, ...] = field(default=(), metadata={"written": "unless empty"})
    who_pays: bool = field(default=False, metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        if 0.0 not in self.threshold_shifts:
            raise ValueError(f"threshold_shifts must hold 0, got {self.threshold_shifts}")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(
                "compared_with must hold markets of other kinds, or that a setting tells apart, each once, "
                f"got {list(self.labels)}"
            )

    @property
    def markets(self) -> tuple[LendingProtocol, ...]:
        """The market, then those it is compared with."""
        return (self.market, *self.compared_with)

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each of `markets`: its kind, with what tells it from others of the kind."""
        return told_apart(self.markets)

    def label(self, market: LendingProtocol) -> str:
        """The name of one of `markets`."""
        return next(name for held, name in zip(self.markets, self.labels, strict=True) if held is market)

    @property
    def free(self) -> frozenset[str]:
        """Names of the markets whose rules leave the protocol no fee."""
        charges = (getattr(m, "charges", True) for m in self.markets)
        return frozenset(name for name, some in zip(self.labels, charges, strict=True) if not some)


@dataclass(frozen=True)
class CalibrationQuestion:
    """Which estimators to hold against the exact quantile.

    Attributes
    ----------
    estimators : tuple of Estimator
        Each reads the history windows of the study as its sample.
    exposures : tuple of Exposure
    levels : tuple of float
        Inside (0.5, 1).
    """

    estimators: tuple[Estimator, ...]
    exposures: tuple[Exposure, ...]
    levels: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.levels or len(set(self.levels)) != len(self.levels):
            raise ValueError(f"levels must hold at least one level, each once, got {list(self.levels)}")
        for level in self.levels:
            check_range("level", level, 0.5, 1.0, open_low=True, open_high=True)
