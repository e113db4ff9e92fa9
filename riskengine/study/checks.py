"""What no record of a study can see alone: asset names, lengths per asset, periods of models, expiries."""

from collections.abc import Iterator, Sequence

from riskengine.book.portfolio import Portfolio
from riskengine.errors import suggest
from riskengine.instrument.terms import EuropeanOption, Future, PrincipalToken
from riskengine.market.grid import TimeGrid
from riskengine.roles import LendingProtocol, MarginModel, reads_history
from riskengine.scenario.state.lanes import has_variance
from riskengine.scenario.world import World

Place = tuple[str | int, ...]
Found = tuple[str, Place]


def surface_fault(world: World, place: Place) -> Iterator[Found]:
    """The surface must be of the world's assets, and move with a variance only where the paths have one."""
    count = len(world.model.assets)
    if world.surface.count != count:
        yield f"surface must have one number per asset ({count}), got {world.surface.count}", place
    elif not world.surface.static and not has_variance(world.model):
        said = "surface must be static on a world without a variance state, got one that moves with it: premium of 0 "
        yield said + "for every asset makes it static", place


def period_faults(models: Sequence[MarginModel], hours: float, windows: int, place: Place) -> Iterator[Found]:
    """A model with a margin period must have the study's, and where it reads a history the study must make one."""
    for i, model in enumerate(models):
        own = getattr(model, "margin_period_hours", None)
        if own is not None and own != hours:
            said = f"margin_period_hours must be the study's {hours:g} h, got {own:g} h"
            yield said, (*place, i, "margin_period_hours")
        needed = max([0, *windows_read(model)])
        if windows < needed:
            yield f"{model.kind} needs history_windows of at least {needed}, got {windows}", (*place, i)


def windows_read(model: MarginModel) -> Iterator[int]:
    """Windows that a model, or a part of a combination, reads: those it states, else at least two."""
    for part in getattr(model, "parts", ()):
        yield from windows_read(part)
    if reads_history(model):
        yield getattr(model, "window", None) or 2


def model_faults(
    models: Sequence[MarginModel], book: Portfolio, world: World, place: Place, grid: TimeGrid | None = None
) -> Iterator[Found]:
    """Every margin model must be able to take the book, and the paths on `grid` where it asks for something of them."""
    for i, model in enumerate(models):
        try:
            model.init(book, world.surface)
            if grid is not None and hasattr(model, "check_paths"):
                model.check_paths(grid, world.filled)
        except ValueError as error:
            yield str(error), (*place, i)


def expiry_faults(book: Portfolio, hours: float, what: str, place: Place) -> Iterator[Found]:
    """Every option, future and principal token must outlive what is asked of it."""
    for terms in book.instruments:
        if isinstance(terms, (EuropeanOption, Future, PrincipalToken)) and terms.expiry_hours <= hours:
            said = f"expiry of {terms.name} must lie after the {what} of {hours:g} h, got {terms.expiry_hours:g} h"
            yield said, place


def asset_fault(asset: str, assets: Sequence[str], place: Place) -> Iterator[Found]:
    """An asset must be one of the world's."""
    if asset not in assets:
        yield f"asset must be one of {', '.join(assets)}, got {asset!r}{suggest(asset, assets)}", place


def shock_faults(market: LendingProtocol, hours: float, what: str, place: Place) -> Iterator[Found]:
    """What shakes a lending market must happen within the `hours` of the run."""
    path = getattr(market, "utilisation", None)
    for i, shock in enumerate(path.shocks if path is not None else ()):
        if shock.hours > hours:
            said = f"hours must lie within the {what} of {hours:g} h, got {shock.hours:g} h"
            yield said, (*place, "utilisation", "shocks", i, "hours")
