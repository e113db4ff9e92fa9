"""Figures of a certified choice: what was chosen, every candidate, and whether neighbours can be told apart."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from riskengine.estimate import Estimate, exact, undetermined
from riskengine.stats.figures import PlainFigures
from riskengine.stats.proportion import clopper_pearson
from riskengine.study.names import ALL, ODDS, WITH_VARIANTS
from riskengine.study.result import Row
from riskengine.tune.certify import least_paths, paths_needed
from riskengine.tune.choice_spec import COSTS, GOODS
from riskengine.tune.frontier import front

if TYPE_CHECKING:
    from riskengine.tune.choice import Made


def choice_rows(made: "Made", confidence: float) -> Iterator[Row]:
    """Rows of sections ``choice``, ``candidate`` and ``step``; see `riskengine.study.names.CHOICE`."""
    yield from _chosen(made)
    yield from _judged(made, PlainFigures(confidence))
    if any(s.variant for s in made.samples):
        yield from _law_of_fit(made, confidence)
    yield from _next(made, PlainFigures(confidence))
    yield from _candidates(made, PlainFigures(confidence))
    yield from _steps(made, PlainFigures(confidence))


def _row(made: "Made", section: str, name: str, unit: str, estimate: Estimate, /, **parameters: Any) -> Row:
    return Row(section, made.choice.model, {"choice": made.label, **parameters}, name, unit, estimate)


def _setting(made: "Made", place: int | None, said: str, why: str) -> Estimate:
    n = made.losses[0].shape[0]
    return undetermined(n, why) if place is None else exact(made.candidates[place], said)


def _chosen(made: "Made") -> Iterator[Row]:
    """The setting of every rule; a certificate also of each world and variant alone."""
    choice = made.choice
    promise = f"{100 * choice.target:g} %: chance {100 * choice.delta:g} % at most of a true risk above it"
    said = f"fixed-sequence testing, {choice.method}, target {promise}"
    several = len(made.samples) > 1
    for i, s in enumerate(made.samples):
        place = made.certificates[i].chosen
        cheapest = None if place is None else made.cheapest(np.arange(place + 1))
        estimate = _setting(made, cheapest, said, _refusal(made, i))
        if several:
            yield _row(made, "choice", "chosen_setting", "number", estimate, role="certified", world=s.world)
    for where, variants in _scopes(made):
        stopped = _stopped_by(made, variants)
        estimate = _setting(made, made.certified(variants), f"{said} in any of them" if several else said, stopped)
        yield _row(made, "choice", "chosen_setting", "number", estimate, role="certified", world=where)
    estimate = _setting(made, made.pointwise(), "point estimate at most the target", "every point estimate is above it")
    yield _row(made, "choice", "chosen_setting", "number", estimate, role="point_estimate", world=ALL)
    refused = next((c for c in made.controls if isinstance(c, str)), "the adjusted risk of every candidate is above it")
    said = f"conformal risk control: expected risk of the choice at most {100 * choice.target:g} %"
    estimate = _setting(made, made.controlled(), said, refused)
    yield _row(made, "choice", "chosen_setting", "number", estimate, role="conformal", world=ALL)
    if choice.current is not None:
        yield _row(
            made, "choice", "chosen_setting", "number", exact(choice.current, "stated"), role="current", world=ALL
        )


def _scopes(made: "Made") -> list[tuple[str, bool]]:
    varied = any(s.variant for s in made.samples)
    return [(ALL, False), *([(WITH_VARIANTS, True)] if varied else [])]


def _stopped_by(made: "Made", variants: bool) -> str:
    """Why not even the safest candidate passed, in the first world where it did not."""
    for i, (s, c) in enumerate(zip(made.samples, made.certificates, strict=True)):
        if c.chosen is None and (variants or not s.variant):
            return f"{s.world}: {_refusal(made, i)}"
    return ""


def _refusal(made: "Made", i: int) -> str:
    """Why the safest candidate did not pass in sample `i`, and what it would take."""
    choice, losses = made.choice, made.losses[i][:, 0]
    n, risk = losses.size, float(losses.mean())
    needed = _needed(made, i, 0, risk)
    said = (
        f"no candidate is certified: the safest has an estimated risk of {100 * risk:.3g} % on {n:,} paths, upper "
        f"bound {100 * float(made.bounds[i][0]):.3g} %, target {100 * choice.target:g} %; "
    )
    if math.isfinite(needed):
        return said + f"about {needed:,.0f} paths {ODDS}"
    least = least_paths(choice.target, choice.delta)
    return said + f"a safer candidate is needed (without any breach {least:,} paths certify one)"


def _needed(made: "Made", i: int, place: int, risk: float) -> float:
    choice = made.choice
    return paths_needed(risk, choice.target, choice.delta, choice.method, float(made.losses[i][:, place].var()))


def _judged(made: "Made", figures: PlainFigures) -> Iterator[Row]:
    """Every rule's choice on the paths it was made on and on fresh ones, and against the setting in force."""
    choice, candidates = made.choice, made.candidates
    current = None if choice.current is None else candidates.index(choice.current)
    rules = {
        "certified": made.certified(),
        "point_estimate": made.pointwise(),
        "conformal": made.controlled(),
        "current": current,
    }
    for i, fresh in enumerate(made.fresh):
        first, risk = made.samples[i].risk(choice, candidates), fresh.risk(choice, candidates)
        cost = fresh.cost(choice, candidates)
        for role, place in rules.items():
            if place is None:
                continue
            at = {"role": role, "world": fresh.world, "setting": candidates[place]}
            for measure, column in (("risk_in_sample", first[:, place]), ("risk_fresh", risk[:, place])):
                yield _row(made, "choice", measure, "probability", _risk(made, figures, column), **at)
            yield _row(made, "choice", "cost_fresh", COSTS[choice.cost], figures.mean(cost[:, place]), **at)
            if current is not None and role != "current":
                ratio = figures.ratio(cost[:, place], cost[:, current])
                yield _row(made, "choice", "cost_ratio", "share", ratio, **at)


def _risk(made: "Made", figures: PlainFigures, column: np.ndarray) -> Estimate:
    return figures.probability(column > 0) if made.choice.binary else figures.share(column)


def _law_of_fit(made: "Made", confidence: float) -> Iterator[Row]:
    """How many variants bear the choice of the worlds alone, and for how much of the fit's law the other is safe."""
    own = [c for c, s in zip(made.certificates, made.samples, strict=True) if s.variant]
    count = len(own)
    alone, chosen = made.certified(variants=False), made.certified()
    if alone is not None:
        passed = sum(c.chosen is not None and c.chosen >= alone for c in own)
        at = {"role": "certified", "world": ALL, "setting": made.candidates[alone]}
        yield _row(made, "choice", "variants_passed", "share", clopper_pearson(passed, count, confidence), **at)
    if chosen is not None:
        lower = (1.0 - confidence) ** (1.0 / count)
        said = f"passed in all of {count} draws: (1 - confidence)^(1/{count}) at least; delta comes on top"
        share = Estimate(1.0, math.nan, lower, 1.0, confidence, count, float(count), said)
        at = {"role": "certified", "world": WITH_VARIANTS, "setting": made.candidates[chosen]}
        yield _row(made, "choice", "safe_share_of_fit", "share", share, **at)


def _next(made: "Made", figures: PlainFigures) -> Iterator[Row]:
    """Paths that the candidate at which the walk stopped would need, where that is known to be more than there are."""
    reached = made.reached(variants=True)
    place = 0 if reached is None else reached + 1
    if place == len(made.candidates):
        return
    found = []
    for i, c in enumerate(made.certificates):
        if c.chosen is None or c.chosen < place:
            x = made.losses[i][:, place]
            found.append((_needed(made, i, place, float(x.mean())), made.samples[i].world, _risk(made, figures, x), i))
    needed, world, risk, i = max(found, key=lambda f: f[0])
    at = {"role": "next", "world": world, "setting": made.candidates[place]}
    n = made.losses[i].shape[0]
    if not math.isfinite(needed):
        why = f"estimated risk of {100 * risk.value:.3g} % is not below the target: no number of paths would do"
        yield _row(made, "choice", "paths_needed", "count", undetermined(n, why), **at)
        return
    ends = [_needed(made, i, place, max(r, 0.0)) if math.isfinite(r) else math.inf for r in (risk.lower, risk.upper)]
    low, high = min(ends[0], needed), max(ends[1], needed)
    said = "if the risk is what this sample says, and at the ends of its interval"
    estimate = Estimate(needed, math.nan, low, high, risk.confidence, n, risk.n_effective, said)
    yield _row(made, "choice", "paths_needed", "count", estimate, **at)


def _candidates(made: "Made", figures: PlainFigures) -> Iterator[Row]:
    choice = made.choice
    for s, losses, bounds, found in zip(made.samples, made.losses, made.bounds, made.certificates, strict=True):
        passed = -1 if found.chosen is None else found.chosen
        for place, setting in enumerate(made.candidates):
            x = losses[:, place]
            walk = "passed" if place <= passed else "stopped" if place == passed + 1 else "not reached"
            error = float(x.std(ddof=1)) / math.sqrt(x.size)
            hits = float(np.count_nonzero(x))
            upper = max(float(bounds[place]), float(x.mean()))
            said = f"one-sided upper bound, {choice.method}"
            bound = Estimate(float(x.mean()), error, 0.0, upper, 1.0 - choice.delta, x.size, hits, said)
            at = {"world": s.world, "setting": setting, "walk": walk, "variant": s.variant}
            yield _row(made, "candidate", "risk_upper_bound", "probability", bound, **at)
    for s in made.fresh:
        risk, cost = s.risk(choice, made.candidates), s.cost(choice, made.candidates)
        swing = s.swing(choice, made.candidates)
        for place, setting in enumerate(made.candidates):
            at = {"world": s.world, "setting": setting}
            yield _row(made, "candidate", "risk_fresh", "probability", _risk(made, figures, risk[:, place]), **at)
            yield _row(made, "candidate", "cost_fresh", COSTS[choice.cost], figures.mean(cost[:, place]), **at)
            if swing is not None:
                yield _row(made, "candidate", "swing_fresh", "number", figures.mean(swing[:, place]), **at)


def _steps(made: "Made", figures: PlainFigures) -> Iterator[Row]:
    """The setting in force to the one certified, and each candidate to the next riskier one: paired on fresh paths."""
    choice, candidates = made.choice, made.candidates
    pairs = [(place - 1, place) for place in range(1, len(candidates))]
    now, to = None if choice.current is None else candidates.index(choice.current), made.certified()
    if None not in (now, to) and now != to:
        pairs = [(now, to), *(p for p in pairs if p != (now, to))]
    for s in made.fresh:
        risk, cost = s.risk(choice, candidates), s.cost(choice, candidates)
        for before, after in pairs:
            at = {"axis": choice.axis, "from": candidates[before], "to": candidates[after]}
            for measure, unit, x in ((choice.risk, "probability", risk), (choice.cost, COSTS[choice.cost], cost)):
                difference = figures.difference(x[:, after], x[:, before], shares=unit == "probability")
                yield _row(made, "step", "paired_difference", unit, difference, world=s.world, measure=measure, **at)


def fronts(made: Sequence["Made"], confidence: float) -> list[dict[str, Any]]:
    """Risk against cost over all candidates that are judged by the same two measures, in each world, on fresh paths.

    How far the requirement rises along a path is a third, where the study asks for procyclicality.  Each point has its
    mean and the covariance of it; a cost of which more is better is shown with its sign turned.  A point off the front
    is surely dominated where one on it is better in every measure by a significant paired difference.
    """
    out = []
    for risk, cost in dict.fromkeys((m.choice.risk, m.choice.cost) for m in made):
        group = [m for m in made if (m.choice.risk, m.choice.cost) == (risk, cost)]
        for i, sample in enumerate(group[0].fresh):
            points, values = [], []
            sign = -1.0 if cost in GOODS else 1.0
            for m in group:
                r, c, w = (f(m.choice, m.candidates) for f in (m.fresh[i].risk, m.fresh[i].cost, m.fresh[i].swing))
                for place, setting in enumerate(m.candidates):
                    points.append({"model": m.choice.model, "choice": m.label, "setting": setting})
                    values.append((r[:, place], sign * c[:, place], *(() if w is None else (w[:, place],))))
            stack = np.array(values)
            found = {p.index: p for p in front(stack, confidence)}
            for k, point in enumerate(points):
                point |= {
                    "mean": stack[k].mean(axis=1).tolist(),
                    "covariance": (np.cov(stack[k]) / stack.shape[2]).tolist(),
                    "on_front": k in found,
                    "surely_dominated": k not in found and any(k not in p.contested_by for p in found.values()),
                }
            head = {
                "world": sample.world,
                "risk": risk,
                "cost": cost,
                "sign": sign,
                "confidence": confidence,
                "n": stack.shape[2],
            }
            out.append({**head, "points": points})
    return out
