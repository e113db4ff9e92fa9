"""From the parameters in force to those recommended in steps that a risk steward may take.

A steward may move a parameter by a largest step, up or down, and not again before a delay; LTV, threshold, bonus and
the rate curve by so many points, caps by a share of what they are (``RiskSteward`` of Aave v3: |to - from| <= step, or
<= floor(step * from) where relative).  What it may not move takes a vote, and comes first.  Every parameter moves as
fast as it may; where that would put an LTV above its threshold, a threshold times its bonus above one, or a curve's
first slope above its second, the one that moves into the other waits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from riskengine.arrays import check_range
from riskengine.lending.aave_v3.rules import AaveV3Rules, Reserve
from riskengine.lending.parameter_set import OF_CURVE, OF_RESERVE, OF_SIZE
from riskengine.pricing.fixed_point import BPS

MOST_STEPS = 400


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

    def moved(self, now: float, to: float) -> float:
        """`now` as near to `to` as one move may bring it."""
        most = float(int(self.step * now)) if self.relative else self.step
        return to if abs(to - now) <= most + 1e-9 else now + most if to > now else now - most


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
        From the recommendation to the execution of a vote.
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
        elif abs(limit.moved(before, after) - after) > 1e-9:
            kind = "times itself" if limit.relative else "a step"
            found.append(f"{token} {name} may move by {limit.step:g} {kind}, got {before:g} to {after:g}")
    return found


def schedule(now: AaveV3Rules, goal: AaveV3Rules, steward: Steward) -> tuple[Step, ...]:
    """Steps from `now` to `goal`, each a market that could be configured; none where nothing changes.

    Raises
    ------
    ValueError
        Where the steps do not end, as where two parameters block each other.
    """
    steps: list[Step] = []
    voted = _voted(now, goal, steward)
    if voted != now:
        steps.append(Step(steward.vote_hours, "vote", differences(now, voted), voted))
    at, hours = voted, steward.vote_hours if steps else 0.0
    moved_at: dict[tuple[str, str], float] = {}
    while at != goal:
        following = replace(
            at,
            reserves=tuple(
                _moved(own, goal.reserve(own.symbol), steward.limits, moved_at, hours) for own in at.reserves
            ),
        )
        changes = differences(at, following)
        if changes:
            steps.append(Step(hours, "steward", changes, following))
            moved_at |= {(c.token, c.parameter): hours for c in changes}
            at = following
        waiting = [
            moved_at[key] + limit.delay_hours
            for name, limit in steward.limits.items()
            for key in moved_at
            if key[1] == name and moved_at[key] + limit.delay_hours > hours
        ]
        if at == goal:
            break
        if not waiting or len(steps) > MOST_STEPS:
            left = ", ".join(f"{c.token} {c.parameter} {c.before:g} to {c.after:g}" for c in differences(at, goal))
            raise ValueError(f"steward must be able to reach the recommended parameters, got stuck before {left}")
        hours = min(waiting)
    return tuple(steps)


def _voted(now: AaveV3Rules, goal: AaveV3Rules, steward: Steward) -> AaveV3Rules:
    """The market after a vote on all that the steward may not move."""

    def voted(name: str, own: Reserve, to: Reserve) -> bool:
        ends = own.parameter(name), to.parameter(name)
        # a steward refuses a value of zero, rates apart, and cannot make or lift a cap
        barred = name not in OF_CURVE and 0.0 in ends or None in ends
        return name not in steward.limits or own.symbol in steward.restricted or barred

    reserves = []
    for own in now.reserves:
        to = goal.reserve(own.symbol)
        reserves.append(own.with_values({n: to.parameter(n) for n in OF_RESERVE if voted(n, own, to)}))
    return replace(now, reserves=tuple(reserves), close_factor=goal.close_factor)


def _moved(
    own: Reserve, goal: Reserve, limits: Mapping[str, Limit], moved_at: Mapping[tuple[str, str], float], hours: float
) -> Reserve:
    """A reserve after all moves that may be made now; what would be illegal waits."""
    to = {n: own.parameter(n) for n in OF_RESERVE}
    for name, limit in limits.items():
        last = moved_at.get((own.symbol, name))
        if to[name] != goal.parameter(name) and (last is None or hours >= last + limit.delay_hours - 1e-9):
            to[name] = limit.moved(to[name], goal.parameter(name))
            if name not in OF_SIZE:
                to[name] = round(to[name] * BPS) / BPS
    if to["ltv"] > to["liquidation_threshold"]:
        # whichever moves into the other waits: the LTV on its way up, the threshold on its way down
        if to["ltv"] > own.ltv:
            to["ltv"] = max(own.ltv, to["liquidation_threshold"])
        to["liquidation_threshold"] = max(to["liquidation_threshold"], to["ltv"])
    if to["liquidation_threshold"] * (1.0 + to["liquidation_bonus"]) > 1.0 + 1e-9:
        if to["liquidation_threshold"] > own.liquidation_threshold:
            to["liquidation_threshold"] = own.liquidation_threshold
            to["ltv"] = min(to["ltv"], to["liquidation_threshold"])
        if to["liquidation_threshold"] * (1.0 + to["liquidation_bonus"]) > 1.0 + 1e-9:
            to["liquidation_bonus"] = own.liquidation_bonus
    if to["slope1"] > to["slope2"]:
        if to["slope1"] > own.rates.slope1:
            to["slope1"] = max(own.rates.slope1, to["slope2"])
        to["slope2"] = max(to["slope2"], to["slope1"])
    return own.with_values(to)
