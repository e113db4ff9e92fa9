"""What a study of account life asks."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from riskengine.arrays import check_range
from riskengine.book.portfolio import Portfolio
from riskengine.engine.questions import Feedback, VolatilityFeedback
from riskengine.engine.venue import book_faults
from riskengine.liquidation.dutch_auction import DutchAuction
from riskengine.liquidation.venue_terms import VenueTerms
from riskengine.liquidity.execution import Execution
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.world import World
from riskengine.stats.quantile import needed_for_upper_bound
from riskengine.study.checks import Found, asset_fault, expiry_faults, surface_fault
from riskengine.study.criterion import Criterion
from riskengine.study.kind import Study

OFF, PRICE, VOLATILITY, BOTH = "no_feedback", "price_feedback", "volatility_feedback", "price_and_volatility_feedback"


@dataclass(frozen=True)
class Route:
    """Another way in which the same venue closes accounts.

    Attributes
    ----------
    execution : Execution or None
        The venue's own by default.
    auction : DutchAuction or None
        None: accounts are sold, not auctioned, whatever the venue itself does.
    """

    execution: Execution | None = None
    auction: DutchAuction | None = None


@dataclass(frozen=True)
class AccountLifeStudy(Study):
    """Accounts through margin calls, liquidation, insurance fund and deleveraging; how large a fund to hold.

    Attributes
    ----------
    world : World
    book : Portfolio
        Perpetuals and options, linear or inverse; every account starts at or above its maintenance requirement.
    venue : VenueTerms
    insurance_fund_usd : float
        Fund whose figures are shown.
    targets : tuple of float
        Probabilities of exhausting the fund over the horizon that a fund is sought for; each is checked on fresh paths.
    feedback : Feedback or None
        Everything is also run with price feedback on.
    volatility_feedback : VolatilityFeedback or None
        Everything is also run with volatility feedback on, beside price feedback where that is given too.
    routes : dict of str to Route
        Other ways to close accounts, by name, on the same paths with all feedback there is.
    max_failed_share : float
        Share of paths that may fail numerically.
    """

    named: ClassVar[str] = "a study of account life"
    runner: ClassVar[str] = "riskengine.study.account_life:run_account_life"
    options: ClassVar[tuple[str, ...]] = ("out", "workers", "resume", "progress", "command")

    kind: Literal["account_life"]
    title: str
    world: World
    book: Portfolio
    venue: VenueTerms
    paths: int
    horizon_hours: float
    step_hours: float
    seed: int
    insurance_fund_usd: float
    targets: tuple[float, ...] = (0.01,)
    feedback: Feedback | None = None
    volatility_feedback: VolatilityFeedback | None = field(default=None, metadata={"written": "unless empty"})
    routes: dict[str, Route] = field(default_factory=dict, metadata={"written": "unless empty"})
    confidence: float = 0.95
    max_failed_share: float = 0.0
    criteria: tuple[Criterion, ...] = ()

    def __post_init__(self) -> None:
        check_range("paths", self.paths, 2, 2**40)
        check_range("seed", self.seed, 0, 2**64 - 1)
        check_range("confidence", self.confidence, 0.5, 1.0, open_low=True, open_high=True)
        check_range("insurance_fund_usd", self.insurance_fund_usd, 0.0, 1e15)
        check_range("step_hours", self.step_hours, 0.0, 8760.0, open_low=True)
        check_range("max_failed_share", self.max_failed_share, 0.0, 1.0)
        if len(set(self.targets)) != len(self.targets):
            raise ValueError(f"targets must hold each number once, got {list(self.targets)}")
        for target in self.targets:
            check_range("target of targets", target, 0.0, 0.5, open_low=True)
            need = needed_for_upper_bound(1.0 - target, 0.5 * (1.0 + self.confidence))
            if self.paths < need:
                raise ValueError(
                    f"paths must be at least {need} to bound the fund for a probability of {target:g} from above, "
                    f"got {self.paths}"
                )
        for name in self.routes:
            if not name or name in (*self.modes, self.own_route):
                raise ValueError(f"routes must have names other than {self.own_route} and the modes, got {name!r}")
            try:
                _ = self.terms_of(name)
            except ValueError as error:
                raise ValueError(f"routes: {name}: {error}") from error
        _ = self.grid
        if self.world.data is not None and (limit := self.world.data.path_limit(self.grid)) is not None:
            raise ValueError(
                f"world must draw fresh paths for the check of the fund, got kind {self.world.model.kind}, which has "
                f"{limit}"
            )

    @property
    def modes(self) -> tuple[str, ...]:
        """Names of the feedbacks that are run, none first, all there is last."""
        both = self.feedback is not None and self.volatility_feedback is not None
        given = ((PRICE, self.feedback), (BOTH if both else VOLATILITY, self.volatility_feedback))
        return (OFF, *(name for name, on in given if on is not None))

    @property
    def own_route(self) -> str:
        """What the venue's own way to close accounts is called beside `routes`."""
        execution = self.venue.execution
        held = (("book", execution.book), ("pool", execution.pool), ("maker", execution.maker))
        parts = "_then_".join(name for name, part in held if part is not None)
        return parts if self.venue.auction is None else f"auction_into_{parts}"

    def terms_of(self, name: str) -> VenueTerms:
        """Terms of the venue with the route `name`, or its own for a mode."""
        if name not in self.routes:
            return self.venue
        route = self.routes[name]
        return replace(self.venue, execution=route.execution or self.venue.execution, auction=route.auction)

    @property
    def grid(self) -> TimeGrid:
        """Time grid; ValueError where the horizon is not a whole number of steps."""
        step = round(self.step_hours * 3600)
        if abs(step - self.step_hours * 3600) > 1e-6:
            raise ValueError(f"step_hours must be a whole number of seconds, got {self.step_hours!r}")
        return TimeGrid(step, TimeGrid(step, 1).index("horizon_hours", self.horizon_hours))

    def plan(self) -> dict[str, Any]:
        """As `Study.plan`."""
        return {
            "paths": self.paths,
            "fresh paths": self.paths if self.targets else 0,
            "steps": self.grid.steps,
            "accounts": self.book.accounts,
            **({"ways to close": 1 + len(self.routes)} if self.routes else {}),
            "seed": self.seed,
        }

    def faults(self) -> Iterator[Found]:
        """As `Study.faults`."""
        assets = tuple(self.world.model.assets)
        yield from surface_fault(self.world, ("world", "surface"))
        yield from expiry_faults(self.book, self.horizon_hours, "horizon", ("book",))
        first = self.world.sample(TimeGrid(self.grid.step_seconds, 1), 0, 1, DrawKeys(self.seed))
        for name in (OFF, *self.routes):
            place = ("routes", name) if name in self.routes else ("book",)
            for said in book_faults(self.book, self.terms_of(name), self.world.surface, first):
                yield said, place
        for asset in self.venue.maintenance:
            yield from asset_fault(asset, assets, ("venue", "maintenance", asset))
        for key, given in (("feedback", self.feedback), ("volatility_feedback", self.volatility_feedback)):
            if given is None:
                continue
            for asset in given.depth_usd:
                yield from asset_fault(asset, assets, (key, "depth_usd", asset))
            missing = [a for a in assets if a not in given.depth_usd]
            if missing:
                yield f"depth_usd must be given for every asset, got none for {', '.join(missing)}", (key,)
        if self.volatility_feedback is not None and (self.world.surface.static or not self.book.options.size):
            what = "options" if not self.book.options.size else "a surface that moves with the variance"
            yield (
                f"volatility_feedback must have something to move, got a study without {what}",
                ("volatility_feedback",),
            )
