"""Ways to close accounts, side by side on the same paths: fund, bad debt, cost of closing, deleveraging."""

import math
from collections.abc import Iterator

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.outcomes import Key
from riskengine.estimate import Estimate, exact
from riskengine.stats.figures import Figures
from riskengine.study.columns import Columns
from riskengine.study.life_spec import AccountLifeStudy
from riskengine.study.measures import amount_rows, not_negative
from riskengine.study.names import LIFE_ROUTES, amount_name
from riskengine.study.result import Row

SECTION = "execution_routes"
LIFE_SECTION = "account_life"
# what a route is compared by, with the fund as it stands; a mean is over paths
_COMPARED = {
    "account_shortfall": "USD",
    "closing_cost": "USD",
    "liquidation_fees": "USD",
    "liquidated_notional": "USD",
    "open_notional": "USD",
    "deleveraged_notional": "USD",
    "socialised_loss": "USD",
    "fund_exhausted": "probability",
}


def key_of(mode: str, fund: float | None, measure: str, kind: str = "all") -> Key:
    """Key of one column; a fund of None is the endless one."""
    return (LIFE_SECTION, mode, None, fund, kind, measure)


def own_figures(columns: Columns, study: AccountLifeStudy, name: str) -> Iterator[tuple[str, str, Estimate]]:
    """(measure, unit, estimate) of what is left open, and of maker, auction and volatility feedback, by mode or route.

    A maker's profit has a long tail of losses, at which an interval of its mean may be refused; how often it loses,
    and a quantile of its loss, have intervals whatever the law.
    """
    figures, fund, keys = columns.figures, study.insurance_fund_usd, set(columns.keys)
    left = columns.select(key_of(name, fund, "open_notional"))[0]
    yield "open_probability", "probability", figures.probability(left > 0, left)
    for measure, unit in LIFE_ROUTES.items():
        if (key := key_of(name, fund, measure)) in keys:
            yield measure, unit, figures.mean(columns.select(key)[0])
    if (key := key_of(name, fund, "maker_profit")) in keys:
        told = ("maker_loss_probability", amount_name("maker_loss", 0.99))
        loss = np.maximum(-columns.select(key)[0], 0.0)
        yield from (row for row in amount_rows(loss, "maker_loss", figures) if row[0] in told)
    if (key := key_of(name, fund, "volatility_rise")) in keys:
        rise = columns.select(key)[0]
        yield "volatility_rise_p99", "share", figures.quantiles(rise, (0.99,))[0]
        yield "volatility_rise_largest", "share", exact(float(rise.max()), f"largest of {rise.size} paths")


def amount_of(columns: Columns, study: AccountLifeStudy, name: str, measure: str) -> Floats:
    """One column of a mode or a route with the fund as it stands.

    The cost of closing is what leaves accounts and fund beside the mark: spread and depth, and in an auction what
    bidders keep.  The fee stays with them.
    """
    fund = study.insurance_fund_usd
    if measure != "closing_cost":
        return columns.select(key_of(name, fund, measure))[0]
    parts = ("execution_cost",) if study.terms_of(name).auction is None else ("execution_cost", "bidder_profit")
    return sum(columns.select(*(key_of(name, fund, part) for part in parts)))


def _sizes(figures: Figures, study: AccountLifeStudy, need: Floats) -> tuple[Estimate, ...]:
    """The fund for each target."""
    return figures.quantiles(need, tuple(1.0 - t for t in study.targets))


def _fund_effects(figures: Figures, study: AccountLifeStudy, need: Floats, own: Floats) -> Iterator[Estimate]:
    """Fund of a route less that of the venue's own way, for each target."""
    # both parts at half the error (Bonferroni): they come from the same paths
    half = figures.at(0.5 * (1.0 + figures.confidence))
    for found, wide, base, broad in zip(
        *(_sizes(f, study, x) for x in (need, own) for f in (figures, half)), strict=True
    ):
        low, high = wide.lower - broad.upper, wide.upper - broad.lower
        said = "difference of order statistics, bonferroni"
        n, hits = found.n, min(found.n_effective, base.n_effective)
        yield Estimate(found.value - base.value, math.nan, low, high, figures.confidence, n, hits, said)


def route_rows(columns: Columns, study: AccountLifeStudy) -> Iterator[Row]:
    """Figures of the venue's own way and of every other, and paired differences from the former."""
    figures, base = columns.figures, study.modes[-1]
    own = {measure: amount_of(columns, study, base, measure) for measure in _COMPARED}
    own_need = columns.select(key_of(base, None, "fund_need"))[0]
    for name in (base, *study.routes):
        shown = study.own_route if name == base else name
        need = own_need if name == base else columns.select(key_of(name, None, "fund_need"))[0]
        for target, estimate in zip(study.targets, _sizes(figures, study, need), strict=True):
            yield Row(SECTION, shown, {"target": target}, "fund_size", "USD", estimate)
        effects = () if name == base else _fund_effects(figures, study, need, own_need)
        for target, estimate in zip(study.targets, effects, strict=False):
            where = {"measure": "fund_size", "from": study.own_route, "target": target}
            yield Row("route_effect", shown, where, "paired_difference", "USD", estimate)
        for measure, unit in _COMPARED.items():
            amount = own[measure] if name == base else amount_of(columns, study, name, measure)
            if unit == "probability":
                yield Row(SECTION, shown, {}, measure, unit, figures.probability(amount > 0))
            elif measure == "deleveraged_notional" and study.terms_of(name).auction is not None:
                yield Row(SECTION, shown, {}, measure, unit, exact(0.0, "auctions deleverage nobody"))
            else:
                yield Row(SECTION, shown, {}, measure, unit, not_negative(figures.mean(amount)))
            if name != base:
                found = figures.difference(amount, own[measure], shares=unit == "probability")
                where = {"measure": measure, "from": study.own_route}
                yield Row("route_effect", shown, where, "paired_difference", unit, found)
        for measure, unit, estimate in own_figures(columns, study, name):
            yield Row(SECTION, shown, {}, measure, unit, estimate)
