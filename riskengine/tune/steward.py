"""From the parameters in force to those recommended in steps that a risk steward may take.

A steward may move a parameter by a largest step, up or down, and not again before a delay; LTV, threshold, bonus and
the rate curve by so many points, caps by a share of what they are (``RiskSteward`` of Aave v3: |to - from| <= step, or
<= floor(step * from) where relative).  What it may not move takes a vote, at once where that makes a legal
market, else after the steps that make room.  Every parameter moves as fast as it may; where that would put an LTV above
its threshold, a threshold times its bonus above one, a curve's first slope above its second or its rates above 1000 %,
the one that moves into the other waits.

Between two legal markets there always is such an order.  Every condition is monotone in each of its parameters, so
those that move away from it may go all the way, then those that move into it; and no parameter stands between two
conditions in a circle (LTV - threshold - bonus is a chain, downwards as upwards).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

from riskengine.arrays import check_range
from riskengine.lending.aave_v3.rules import AaveV3Rules, Reserve
from riskengine.lending.parameter_set import OF_CURVE, OF_RESERVE, OF_SIZE
from riskengine.pricing.fixed_point import BPS, percent_mul_half_up

MOST_STEPS = 400
# parameters that the contract holds against each other
_BOUND = ("ltv", "liquidation_threshold", "liquidation_bonus", "base", "slope1", "slope2")
_MOST_RATE = 10.0


@dataclass(frozen=True)
class Limit:
    """How far and how often a parameter may be moved.

    Attributes
    ----------
    step : float
        Largest move: an amount, or a share of the value where `relative`.
    delay_hours : float
        Least time between two moves.
    relative : bool
    """

    step: float
    delay_hours: float
    relative: bool = False

    def __post_init__(self) -> None:
        check_range("step", self.step, 0.0, 1e6, open_low=True)
        check_range("delay_hours", self.delay_hours, 0.0, 87600.0)

    def moved(self, now: float, to: float, parts: int = BPS) -> float:
        """`now` as near to `to` as one move may bring it, in whole 1 / `parts`, cut towards `now`."""
        most = int((self.step * now if self.relative else self.step) * parts + 1e-6)
        if abs(to - now) * parts <= most + 1e-6:
            return to
        return round(now * parts + (most if to > now else -most)) / parts


@dataclass(frozen=True)
class Steward:
    """What a steward may do.

    Attributes
    ----------
    limits : dict of str to Limit
        By parameter of a token: ``ltv``, ``liquidation_threshold``, ``liquidation_bonus``, ``supply_cap``,
        ``borrow_cap``, ``optimal_usage``, ``base``, ``slope1``, ``slope2``.  Parameters without one take a vote, as do
        tokens that are `restricted`.
    vote_hours : float
        From the call for a vote, on the recommendation or when the steps before it are done, to its execution.
    restricted : tuple of str
        Symbols of tokens that the steward may not touch.
    """

    limits: dict[str, Limit]
    vote_hours: float = 168.0
    restricted: tuple[str, ...] = field(default=(), metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        # no steward may touch what share of interest the treasury takes
        known = [n for n in OF_RESERVE if n != "reserve_factor"]
        unknown = [n for n in self.limits if n not in known]
        if unknown:
            raise ValueError(f"limits must name some of {', '.join(known)}, got {', '.join(unknown)}")
        small = [
            f"limits {n} step must be at least {1 / _parts(n):g}, got {limit.step:g}"
            for n, limit in self.limits.items()
            if not limit.relative and limit.step * _parts(n) < 1.0 - 1e-6
        ]
        if small:
            raise ValueError("; ".join(small))
        check_range("vote_hours", self.vote_hours, 0.0, 87600.0)


@dataclass(frozen=True)
class Change:
    """One parameter moved."""

    token: str | None
    parameter: str
    before: float
    after: float


@dataclass(frozen=True)
class Step:
    """All that is executed at one time.

    Attributes
    ----------
    hours : float
        After the recommendation.
    by : {"vote", "steward"}
    changes : tuple of Change
    rules : AaveV3Rules
        The market after it.
    """

    hours: float
    by: str
    changes: tuple[Change, ...]
    rules: AaveV3Rules


def _parts(name: str) -> int:
    """Into how many parts the contract divides one of a parameter: whole tokens, basis points."""
    return 1 if name in OF_SIZE else BPS


def differences(before: AaveV3Rules, after: AaveV3Rules) -> tuple[Change, ...]:
    """Every parameter that two markets of the same tokens differ in."""
    found = []
    for a, b in zip(before.reserves, after.reserves, strict=True):
        for name in OF_RESERVE:
            x, y = a.parameter(name), b.parameter(name)
            if x != y:
                found.append(Change(a.symbol, name, x, y))
    if before.close_factor != after.close_factor:
        found.append(Change(None, "close_factor", before.close_factor, after.close_factor))
    return tuple(found)


def refused(changes: Mapping[tuple[str, str], tuple[float, float]], steward: Steward) -> list[str]:
    """Why moves, (token, parameter) -> (before, after), are not a steward's to make in one step; empty if they are."""
    found = []
    for (token, name), (before, after) in changes.items():
        limit = steward.limits.get(name)
        if limit is None or token in steward.restricted:
            found.append(f"{token} {name} is not the steward's to move")
        elif abs(limit.moved(before, after, _parts(name)) - after) > 1e-9:
            kind = "times itself" if limit.relative else "a step"
            found.append(f"{token} {name} may move by {limit.step:g} {kind}, got {before:g} to {after:g}")
    return found


def schedule(now: AaveV3Rules, goal: AaveV3Rules, steward: Steward) -> tuple[Step, ...]:
    """Steps from `now` to `goal`, each a market that could be configured; none where nothing changes.

    Raises
    ------
    ValueError
        Where either end could not be configured itself, or a limit is too small for the steps to end.
    """
    touched = [r.symbol for r in now.reserves if r != goal.reserve(r.symbol)]
    for name, rules in (("parameters in force", now), ("recommended parameters", goal)):
        own = {s: rules.reserve(s) for s in touched}
        broken = [s for s, r in own.items() if not _legal({n: r.parameter(n) for n in OF_RESERVE})]
        if broken:
            raise ValueError(f"{name} must be ones that could be configured, got others for {', '.join(broken)}")
    steps: list[Step] = []
    at, hours = now, 0.0
    moved_at: dict[tuple[str, str], float] = {}
    while at != goal:
        done = len(steps)
        voted = _voted(at, goal, steward)
        if voted != at:
            hours += steward.vote_hours
            steps.append(Step(hours, "vote", differences(at, voted), voted))
        steps += _walked(steps[-1].rules if steps else at, goal, steward, moved_at, hours)
        at, hours = (steps[-1].rules, steps[-1].hours) if steps else (at, hours)
        if len(steps) == done or at != goal and len(steps) > MOST_STEPS:
            left = ", ".join(f"{c.token} {c.parameter} {c.before:g} to {c.after:g}" for c in differences(at, goal))
            met = "got stuck" if len(steps) == done else f"got {MOST_STEPS} steps without the end, stopped"
            raise ValueError(f"steward must be able to reach the recommended parameters, {met} before {left}")
    return tuple(steps)


def _walked(
    at: AaveV3Rules, goal: AaveV3Rules, steward: Steward, moved_at: dict[tuple[str, str], float], hours: float
) -> list[Step]:
    """Steps of the steward alone, as far as they lead; `moved_at` is kept up to date."""
    may = {own.symbol: [n for n in steward.limits if not _by_vote(n, own, goal, steward)] for own in at.reserves}
    steps: list[Step] = []
    while at != goal and len(steps) <= MOST_STEPS:
        following = replace(
            at,
            reserves=tuple(
                _moved(own, goal.reserve(own.symbol), {n: steward.limits[n] for n in may[own.symbol]}, moved_at, hours)
                for own in at.reserves
            ),
        )
        changes = differences(at, following)
        if changes:
            steps.append(Step(hours, "steward", changes, following))
            moved_at |= {(c.token, c.parameter): hours for c in changes}
            at = following
        free = [at_hours + steward.limits[key[1]].delay_hours for key, at_hours in moved_at.items()]
        waiting = [h for h in free if h > hours]
        if not waiting:
            break
        hours = min(waiting)
    return steps


def _by_vote(name: str, own: Reserve, goal: AaveV3Rules, steward: Steward) -> bool:
    """Whether a parameter that is `own` and shall be as in `goal` takes a vote."""
    ends = own.parameter(name), goal.reserve(own.symbol).parameter(name)
    # a steward refuses a value of zero, rates apart, and cannot make or lift a cap
    barred = name not in OF_CURVE and 0.0 in ends or None in ends
    return name not in steward.limits or own.symbol in steward.restricted or barred


def _voted(now: AaveV3Rules, goal: AaveV3Rules, steward: Steward) -> AaveV3Rules:
    """The market after a vote on all that the steward may not move and that is legal beside what it has yet to move."""
    reserves = []
    for own in now.reserves:
        to = {n: goal.reserve(own.symbol).parameter(n) for n in OF_RESERVE if _by_vote(n, own, goal, steward)}
        new = {n: v for n, v in to.items() if v != own.parameter(n)}
        if not new:
            reserves.append(own)
            continue
        bound = [n for n in _BOUND if n in new]
        held = {n: own.parameter(n) for n in OF_RESERVE}
        # the largest part of it that is legal; what is left waits for the next vote
        kept = next(
            some
            for size in range(len(bound), -1, -1)
            for some in combinations(bound, size)
            if _legal(held | {n: new[n] for n in some})
        )
        reserves.append(own.with_values({n: v for n, v in new.items() if n not in _BOUND or n in kept}))
    return replace(now, reserves=tuple(reserves), close_factor=goal.close_factor)


def _legal(values: Mapping[str, float | None]) -> bool:
    """Whether the contract takes these parameters of a token beside each other."""
    ltv, threshold, bonus = (round((values[n] or 0.0) * BPS) for n in _BOUND[:3])
    base, one, two = (values[n] or 0.0 for n in _BOUND[3:])
    sound = ltv <= threshold and percent_mul_half_up(threshold, BPS + bonus) <= BPS
    return sound and one <= two and base + one + two <= _MOST_RATE


def _moved(
    own: Reserve, goal: Reserve, limits: Mapping[str, Limit], moved_at: Mapping[tuple[str, str], float], hours: float
) -> Reserve:
    """A reserve after all moves of `limits` that may be made now; what would be illegal waits."""
    if own == goal:
        return own
    to = {n: own.parameter(n) for n in OF_RESERVE}
    for name, limit in limits.items():
        last = moved_at.get((own.symbol, name))
        if to[name] != goal.parameter(name) and (last is None or hours >= last + limit.delay_hours - 1e-9):
            to[name] = limit.moved(to[name], goal.parameter(name), _parts(name))
    if to["ltv"] > to["liquidation_threshold"]:
        # whichever moves into the other waits: the LTV on its way up, the threshold on its way down
        if to["ltv"] > own.ltv:
            to["ltv"] = max(own.ltv, to["liquidation_threshold"])
        to["liquidation_threshold"] = max(to["liquidation_threshold"], to["ltv"])
    if not _legal(to | {n: own.parameter(n) for n in _BOUND[3:]}):
        if to["liquidation_threshold"] > own.liquidation_threshold:
            to["liquidation_threshold"] = own.liquidation_threshold
            to["ltv"] = min(to["ltv"], to["liquidation_threshold"])
        if not _legal(to | {n: own.parameter(n) for n in _BOUND[3:]}):
            to["liquidation_bonus"] = own.liquidation_bonus
    if to["slope1"] > to["slope2"]:
        if to["slope1"] > own.rates.slope1:
            to["slope1"] = max(own.rates.slope1, to["slope2"])
        to["slope2"] = max(to["slope2"], to["slope1"])
    if not _legal(to):
        # more than the most in all: what falls goes first
        to |= {n: own.parameter(n) for n in _BOUND[3:] if to[n] > own.parameter(n)}
    return own.with_values(to)
