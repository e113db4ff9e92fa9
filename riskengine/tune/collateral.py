"""What a certified choice of collateral parameters adds: steps that a steward may take, baselines, and the front."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from riskengine.estimate import Estimate, exact, undetermined
from riskengine.lending.aave_v3.market import AaveV3
from riskengine.lending.aave_v3.payload import executed, payload
from riskengine.lending.closed_form import smart_ltv, unliquidated_bad_debt
from riskengine.lending.drawdown_step import drawdown_step_factor
from riskengine.lending.parameter_set import OF_RESERVE, OF_SIZE, OF_TOKEN, ParameterSet, TokenChange
from riskengine.liquidity.sale_curve import range_at_once
from riskengine.roles import HasLaw
from riskengine.scenario.world import World
from riskengine.stats.figures import PlainFigures
from riskengine.study.columns import Columns
from riskengine.study.result import Row
from riskengine.tune.certify import upper_bounds
from riskengine.tune.choice_spec import COSTS, GOODS, RISKS, CertifiedChoiceStudy
from riskengine.tune.frontier import front
from riskengine.tune.steward import Step, schedule

if TYPE_CHECKING:
    from riskengine.tune.choice import Made

# what the front of all parameter sets is over; the last only where the size of the book or its rates are chosen too
OBJECTIVES = ("bad_debt", "liquidated_volume", "borrow_capacity", "protocol_revenue")


def objectives(study: CertifiedChoiceStudy) -> tuple[str, ...]:
    """What the front of the study's parameter sets is over."""
    return OBJECTIVES if study.collateral.growth is not None else OBJECTIVES[:-1]


@dataclass(frozen=True)
class Plan:
    """The way from the parameters in force to those certified.

    Attributes
    ----------
    made : Made
    steps : tuple of Step
    sets : tuple of ParameterSet
        The parameters in force, then those after each step: what is judged.
    """

    made: "Made"
    steps: tuple[Step, ...]
    sets: tuple[ParameterSet, ...]

    @property
    def plain(self) -> dict[str, Any]:
        """As the head of a result keeps it."""
        return {
            "model": self.made.choice.model,
            "choice": self.made.label,
            "steps": [
                {
                    "hours": s.hours,
                    "by": s.by,
                    "changes": [
                        {"token": c.token, "parameter": c.parameter, "from": c.before, "to": c.after} for c in s.changes
                    ],
                }
                for s in self.steps
            ],
        }


def plans(study: CertifiedChoiceStudy, made: Sequence["Made"]) -> list[Plan]:
    """A plan for every choice of a parameter set that is certified, in force, and not the same."""
    out = []
    for number, m in enumerate(made):
        to, now = m.certified(), m.choice.current
        if m.choice.axis != "parameter_set" or study.collateral.steward is None or None in (to, now) or to == now:
            continue
        market = study.lending.market
        start, goal = (market.with_parameters(study.walk[int(i)]).rules for i in (now, to))
        steps = schedule(start, goal, study.collateral.steward)
        at = [start, *(s.rules for s in steps)]
        sets = tuple(
            _as_set(f"plan {number} step {k}", market, rules, study.collateral.growth is not None)
            for k, rules in enumerate(at)
        )
        out.append(Plan(m, steps, sets))
    return out


def _as_set(name: str, market: AaveV3, rules: Any, sized: bool) -> ParameterSet:
    """What a market has of its own as a set; `sized`, each cap, else the book grows with the cap that grew most."""
    names = OF_RESERVE if sized else OF_TOKEN
    tokens = {}
    for old, new in zip(market.rules.reserves, rules.reserves, strict=True):
        changed = {n: new.parameter(n) for n in names if new.parameter(n) != old.parameter(n)}
        if changed:
            tokens[new.symbol] = TokenChange(**changed)
    grown = [
        getattr(new, cap) / getattr(old, cap)
        for old, new in zip(market.rules.reserves, rules.reserves, strict=True)
        for cap in OF_SIZE
        if getattr(old, cap) and getattr(new, cap)
    ]
    return ParameterSet(name, tokens, rules.close_factor, 1.0 if sized else max(grown, default=1.0))


def plan_payload(study: CertifiedChoiceStudy, plan: Plan) -> dict[str, Any]:
    """Payload of a plan, executed on the market in force and held against the one certified; see `payload`."""
    start, goal = (
        study.lending.market.with_parameters(study.walk[int(i)]).rules
        for i in (plan.made.choice.current, plan.made.certified())
    )
    plain = payload(start, plan.steps)
    if executed(start, plain) != goal:
        raise RuntimeError(f"payload of {plan.made.label} must make the certified market, got another")
    return plain


def plan_rows(
    study: CertifiedChoiceStudy, plan: Plan, columns: Sequence[tuple[World, Columns]], confidence: float
) -> Iterator[Row]:
    """Rows of section ``schedule``: risk with its upper bound, cost, and what each step liquidates at once.

    The steps follow from the paths of the choice; the paths here are fresh ones, so each bound holds at delta alone.
    """
    choice, figures = plan.made.choice, PlainFigures(confidence)
    for world, found in columns:
        before = 0.0
        for k, own in enumerate(plan.sets):
            risk, cost = found.select(
                *(("lending", choice.model, None, None, own.name, m) for m in (RISKS[choice.risk][0], choice.cost))
            )
            loss = choice.loss(risk)
            tested = np.concatenate([loss, np.ones(found.failures["paths"])])
            upper = max(float(upper_bounds(tested[:, None], choice.delta, choice.method)[0]), float(tested.mean()))
            error = float(tested.std(ddof=1)) / math.sqrt(tested.size)
            hits = float(np.count_nonzero(tested))
            said = f"one-sided upper bound, {choice.method}, on fresh paths"
            bound = Estimate(float(tested.mean()), error, 0.0, upper, 1.0 - choice.delta, tested.size, hits, said)
            step = plan.steps[k - 1] if k else None
            at = {
                "choice": plan.made.label,
                "world": world.name,
                "step": k,
                "hours": step.hours if step else 0.0,
                "walk": "passed" if upper <= choice.target else "not shown",
            }
            yield Row("schedule", choice.model, at, "risk_upper_bound", "probability", bound)
            yield Row("schedule", choice.model, at, "cost_fresh", COSTS[choice.cost], figures.mean(cost))
            now = _liquidatable(study, world, own)
            said = "loans liquidatable at the prices of the start that were not before the step"
            # thresholds that rise can only make loans safe
            estimate = exact(max(now - before, 0.0) if k else now, said if k else "loans liquidatable at the start")
            yield Row("schedule", choice.model, at, "liquidated_at_once", "count", estimate)
            before = now


def _liquidatable(study: CertifiedChoiceStudy, world: World, own: ParameterSet) -> float:
    market = study.lending.market.with_parameters(own)
    spot = np.asarray(world.model.spot, dtype=np.float64)[:, None]
    state = market.init(study.lending.book, tuple(world.model.assets), spot, study.simulations[0].grid)
    return float(state.initially_liquidatable[0])


def baseline_rows(study: CertifiedChoiceStudy) -> Iterator[Row]:
    """Rows of section ``baseline``: what other methods say of every token that follows an asset, in each world."""
    asked, market, book = study.collateral.baselines, study.lending.market, study.lending.book
    own = (c for c in study.choices if c.axis == "parameter_set" and c.risk == "bad_debt_probability")
    targets = sorted({c.target for c in own})
    for world in study.worlds:
        spot = np.asarray(world.model.spot, dtype=np.float64)[:, None]
        price = market.init(book, tuple(world.model.assets), spot, study.simulations[0].grid).prices(spot)[:, 0]
        held, owed = book.collateral * price, (book.debt * price).sum(axis=1)
        total = held.sum(axis=1)
        share = np.divide(held, total[:, None], out=np.zeros_like(held), where=total[:, None] > 0)
        for c, symbol in enumerate(book.reserves):
            token = market.rules.reserve(symbol)
            if token.asset is None or token.liquidation_threshold == 0.0 or not book.collateral[:, c].any():
                continue
            at = {"token": symbol, "world": world.name}
            size, debt = float(held[:, c].sum()), float((owed * share[:, c]).sum())
            now = exact(token.liquidation_threshold, "liquidation threshold in force")
            yield Row("baseline", "in_force", at, "baseline_factor", "share", now)
            if token.wraps is not None:
                why = "the formula knows coins only, the token wraps others"
                for method in ("smart_ltv", "untouched_loan"):
                    yield Row("baseline", method, at, "baseline_factor", "share", undetermined(0, why))
                continue
            bonus = token.liquidation_bonus
            at_once = range_at_once(market.liquidity, token.asset, 1.0 / (1.0 + bonus), 1.0)[1]
            yield Row(
                "baseline", "smart_ltv", at, "baseline_factor", "share",
                _smart(world, token.asset, at_once, debt, bonus, asked.confidence_factor),
            )  # fmt: skip
            for target in targets:
                for measure, unit, estimate in _untouched(study, world, token.asset, target):
                    yield Row("baseline", "untouched_loan", at | {"target": target}, measure, unit, estimate)
            for drawdown in asked.drawdowns:
                for step in asked.steps:
                    factor = drawdown_step_factor(size, bonus, drawdown, step, token.asset, market.liquidity)
                    said = f"one loan of the book's {size:,.0f} USD of {symbol}; the pool is full again at every step"
                    where = at | {"drawdown": drawdown, "step_size": step}
                    yield Row("baseline", "drawdown_step", where, "baseline_factor", "share", exact(factor, said))


def _law(world: World, asset: str, hours: float) -> Any:
    return world.model.law(asset, hours / 8760.0) if isinstance(world.model, HasLaw) else None


def _smart(world: World, asset: str, liquidity: float, debt: float, bonus: float, factor: float) -> Estimate:
    law = _law(world, asset, 24.0)
    if law is None or not hasattr(law, "cumulants"):
        return undetermined(0, "the world has no exact law to take a daily volatility from")
    sigma = math.sqrt(float(law.cumulants()[1]))
    said = (
        f"exp(-c sigma / sqrt(liquidity / debt)) - bonus, c {factor:g}, daily sigma {sigma:.4g}, liquidity "
        f"{liquidity:,.0f} USD sold at a profit at once, debt {debt:,.0f} USD"
    )
    return exact(max(0.0, smart_ltv(sigma, liquidity, debt, bonus, factor)), said)


def _untouched(
    study: CertifiedChoiceStudy, world: World, asset: str, target: float
) -> Iterator[tuple[str, str, Estimate]]:
    law = _law(world, asset, study.horizon_hours)
    if law is None:
        why = "the world has no exact law"
        yield "baseline_factor", "share", undetermined(0, why)
        return
    factor = math.exp(float(np.asarray(law.quantile(np.array([target])))[0]))
    said = f"largest debt over collateral of a loan that nobody liquidates with P(bad debt) at most {100 * target:g} %"
    yield "baseline_factor", "share", exact(factor, said)
    mean, _ = unliquidated_bad_debt(1.0 / factor, 1.0, law)
    yield "baseline_bad_debt", "share", exact(mean, "expected bad debt of that loan over its debt: an undiscounted put")


def parameter_fronts(
    study: CertifiedChoiceStudy, columns: Sequence[tuple[World, Columns]], confidence: float
) -> list[dict[str, Any]]:
    """Front of all parameter sets in bad debt, liquidated volume and borrow capacity, on fresh paths of each world."""
    out = []
    names, rules, over = [s.name for s in study.sets], study.lending.market.rules, objectives(study)
    sign = np.array([-1.0 if m in GOODS else 1.0 for m in over])
    in_force = [s.caps == 1.0 and rules.with_parameters(s) == rules for s in study.sets]
    for world, found in columns:
        keys = [("lending", study.lending.labels[0], None, None, n, m) for n in names for m in over]
        values = np.array(found.select(*keys)).reshape(len(names), len(over), -1) * sign[:, None]
        points = {p.index: p for p in front(values, confidence)}
        entries = []
        for k, name in enumerate(names):
            mean, error = sign * values[k].mean(axis=1), np.outer(sign, sign) * np.cov(values[k]) / values.shape[2]
            sure = k not in points and any(k not in p.contested_by for p in points.values())
            entries.append(
                {
                    "set": name,
                    "in_force": bool(in_force[k]),
                    "mean": mean.tolist(),
                    "covariance": error.tolist(),
                    "on_front": k in points,
                    "surely_dominated": sure,
                }
            )
        out.append(
            {
                "world": world.name,
                "measures": list(over),
                "confidence": confidence,
                "n": int(values.shape[2]),
                "left_out": study.collateral.combinations + len(study.collateral.parameter_sets) - len(names),
                "points": entries,
            }
        )
    return out
