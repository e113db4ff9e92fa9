"""What a study of Black-Scholes on a world that is not lognormal asks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from riskengine.arrays import check_range
from riskengine.engine.black_scholes import RULES
from riskengine.liquidity.option_vault import OptionVault
from riskengine.market.grid import TimeGrid
from riskengine.oracle.mark_attack import MOST, OracleRule, PriceMarket, VolatilityMarket
from riskengine.scenario.world import World
from riskengine.study.checks import Found, asset_fault, surface_fault
from riskengine.study.criterion import Criterion
from riskengine.study.kind import Study

KINDS = ("gbm", "merton", "kou", "heston", "bates")


def check_each(name: str, values: tuple[float, ...], low: float, high: float, **ends: bool) -> None:
    """ValueError unless there is a value, each once and in range."""
    if not values or len(set(values)) != len(values):
        raise ValueError(f"{name} must hold at least one number, each once, got {list(values)}")
    for value in values:
        check_range(f"{name[:-1] if name.endswith('s') else name} of {name}", value, low, high, **ends)


@dataclass(frozen=True)
class HedgeTest:
    """Options that are sold and hedged on simulated paths until they expire.

    Attributes
    ----------
    days : float
        Maturity; a whole number of steps of the shortest interval.
    moneyness : tuple of float
        As in the study.
    intervals_hours : tuple of float
        Rebalancing intervals, each a whole number of the shortest and a whole part of the maturity.
    paths : int
    """

    days: float
    intervals_hours: tuple[float, ...]
    paths: int
    moneyness: tuple[float, ...] = (0.0,)

    def __post_init__(self) -> None:
        check_range("days", self.days, 0.0, 400.0, open_low=True)
        check_each("intervals_hours", self.intervals_hours, 0.0, 24.0 * self.days, open_low=True)
        check_each("moneyness", self.moneyness, -6.0, 6.0)
        check_range("paths", self.paths, 200, 2**24)
        steps = self.grid.steps
        if steps > 5_000:
            raise ValueError(f"days must be at most 5,000 of the shortest interval, got {steps}")
        for hours in self.intervals_hours:
            if steps % self.grid.index("intervals_hours", hours):
                raise ValueError(f"intervals_hours must be whole parts of {self.days:g} days, got {hours:g}")

    @property
    def grid(self) -> TimeGrid:
        """The maturity in steps of the shortest interval."""
        step = round(min(self.intervals_hours) * 3600)
        if step < 1:
            raise ValueError(f"intervals_hours must be at least one second, got {min(self.intervals_hours)!r}")
        return TimeGrid(step, TimeGrid(step, 1).index("days", 24.0 * self.days))


@dataclass(frozen=True)
class FixedPointTest:
    """Where 18-decimal integers are held against 50 digits.

    Attributes
    ----------
    log_moneyness : tuple of float
        log(K / F).
    total_volatilities : tuple of float
        sigma sqrt(tau), below 24.
    forward : float
        USD.
    hours : float
        To expiry.
    """

    log_moneyness: tuple[float, ...] = (-45.0, -20.0, -3.0, -0.5, 0.0, 0.5, 3.0, 20.0, 45.0)
    total_volatilities: tuple[float, ...] = (1e-6, 1e-3, 0.01, 0.1, 1.0, 5.0, 20.0)
    forward: float = 2000.0
    hours: float = 168.0

    def __post_init__(self) -> None:
        check_each("log_moneyness", self.log_moneyness, -100.0, 100.0)
        check_each("total_volatilities", self.total_volatilities, 1e-9, 24.0, open_high=True)
        check_range("forward", self.forward, 1e-9, 1e12)
        check_range("hours", self.hours, 1e-3, 1e6)


@dataclass(frozen=True)
class VaultTest:
    """A vault that quotes Black-Scholes, bought empty by who knows the law; options are held to expiry.

    Attributes
    ----------
    days : tuple of float
        Maturities, each attacked alone.
    moneyness : tuple of float
        Strikes on offer, as in the study.
    quote : OptionVault
        Its one volatility is the first that the study names.
    paths : int
        Independent draws of the price at expiry.
    """

    days: tuple[float, ...]
    moneyness: tuple[float, ...]
    paths: int
    quote: OptionVault = OptionVault()

    def __post_init__(self) -> None:
        check_each("days", self.days, 0.0, 1000.0, open_low=True)
        check_each("moneyness", self.moneyness, -6.0, 6.0)
        check_range("paths", self.paths, 200, 2**24)


@dataclass(frozen=True)
class MarkAttack:
    """A position whose mark an attacker moves, under every pair of an averaging length and a cap.

    Attributes
    ----------
    name : str
    position_usd : float
        Notional of the position that gains; for a quoted volatility, spot value of the options held.
    observations : tuple of int
        Lengths of the average.
    caps : tuple of float
        Most that an observation may count as being off (relative; points of 1.00 of a volatility).
    price : PriceMarket or None
    quoted : VolatilityMarket or None
        Which of the two is pushed.
    controlled : int
        Observations that the attacker can hold.
    band : float or None
        Observations farther off are refused.
    """

    name: str
    position_usd: float
    observations: tuple[int, ...]
    caps: tuple[float, ...]
    price: PriceMarket | None = None
    quoted: VolatilityMarket | None = None
    controlled: int = 1
    band: float | None = None

    def __post_init__(self) -> None:
        check_range("position_usd", self.position_usd, 0.0, 1e15, open_low=True)
        check_each("observations", self.observations, 1, MOST)
        check_each("caps", self.caps, 0.0, 100.0, open_low=True)
        if (self.price is None) == (self.quoted is None):
            raise ValueError(
                f"{self.name} must name either price or quoted, got {'none' if self.price is None else 'both'}"
            )
        for n in self.observations:
            self.rule(n, self.caps[0])

    @property
    def market(self) -> PriceMarket | VolatilityMarket:
        """What is pushed."""
        return self.quoted if self.price is None else self.price

    def rule(self, observations: int, cap: float) -> OracleRule:
        """The oracle with an average of so many observations and a cap."""
        return OracleRule(observations, self.controlled, cap, self.band)


@dataclass(frozen=True)
class BlackScholesStudy(Study):
    """Errors of Black-Scholes with one volatility on worlds whose law is known.

    Attributes
    ----------
    worlds : tuple of World
        Of kind merton, kou, heston or bates.
    asset : str
    days : tuple of float
        Maturities.
    moneyness : tuple of float
        log(K / S) in standard deviations of the realised variance to expiry; puts below 0, calls from 0 on.
    levels : tuple of float
        Of the margin requirements.
    margin_period_hours : float
        At most the shortest maturity.
    volatilities : tuple of str
        How the one volatility is chosen: ``at_the_money``, from the price of each maturity; ``realised``.
    hedge : HedgeTest or None
    fixed_point : FixedPointTest or None
    vault : VaultTest or None
    attacks : tuple of MarkAttack
        On the mark; they need no world.
    """

    named: ClassVar[str] = "a study of Black-Scholes"
    runner: ClassVar[str] = "riskengine.study.black_scholes:run_black_scholes"

    kind: Literal["black_scholes"]
    title: str
    worlds: tuple[World, ...]
    asset: str
    days: tuple[float, ...]
    moneyness: tuple[float, ...]
    levels: tuple[float, ...]
    seed: int
    margin_period_hours: float = 24.0
    volatilities: tuple[Literal["at_the_money", "realised"], ...] = RULES
    hedge: HedgeTest | None = None
    fixed_point: FixedPointTest | None = None
    vault: VaultTest | None = None
    attacks: tuple[MarkAttack, ...] = ()
    confidence: float = 0.95
    criteria: tuple[Criterion, ...] = ()

    def __post_init__(self) -> None:
        check_range("seed", self.seed, 0, 2**64 - 1)
        check_range("confidence", self.confidence, 0.5, 1.0, open_low=True, open_high=True)
        check_each("days", self.days, 0.0, 1000.0, open_low=True)
        check_each("moneyness", self.moneyness, -6.0, 6.0)
        check_each("levels", self.levels, 0.5, 1.0 - 1e-6, open_low=True)
        check_range("margin_period_hours", self.margin_period_hours, 0.0, 24.0 * min(self.days), open_low=True)
        if not self.volatilities or len(set(self.volatilities)) != len(self.volatilities):
            raise ValueError(f"volatilities must hold {' or '.join(RULES)}, each once, got {list(self.volatilities)}")
        called = [a.name for a in self.attacks]
        if len(set(called)) != len(called):
            raise ValueError(f"attacks must have different names, got {called}")
        names = [w.name for w in self.worlds]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"worlds must hold at least one world, each once, got {names}")
        for world in self.worlds:
            if world.model.kind not in KINDS or world.stress:
                raise ValueError(
                    f"worlds must be of kind {', '.join(KINDS)}, whose option prices and hedges are known exactly, and "
                    f"without stress, got {world.name!r}"
                )

    def all_worlds(self) -> tuple[World, ...]:
        """As `Study.all_worlds`."""
        return self.worlds

    def plan(self) -> dict[str, Any]:
        """As `Study.plan`."""
        said: dict[str, Any] = {"exact options": len(self.worlds) * len(self.days) * len(self.moneyness)}
        if self.hedge is not None:
            said["hedged paths"] = self.hedge.paths
        if self.vault is not None:
            said["prices at expiry"] = self.vault.paths
        return said | {"seed": self.seed}

    def faults(self) -> Iterator[Found]:
        """As `Study.faults`."""
        for i, world in enumerate(self.worlds):
            yield from surface_fault(world, ("worlds", i, "surface"))
            yield from asset_fault(self.asset, tuple(world.model.assets), ("asset",))
