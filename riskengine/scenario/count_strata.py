"""Stratified jump counts: how many paths each number of jumps gets, from what a pilot sees of the tails.

Strata are the numbers N of arrivals of all clocks together, whose probabilities p_s are exact; a stratum holds one
count, a few where there would be too many, and the last one all that is above.  With a share a_0 of plain paths and
shares a_s of paths given their stratum, a path of stratum s weighs w_s = 1 / (a_0 + a_s / p_s), and the variance of the
tail probability of figure r is, but for what the plain paths add between strata,

    sum over s of p_s q_rs (1 - q_rs) w_s / n,          q_rs = P(tail of r | stratum s).

For one figure it is least at Neyman's allocation, a_0 p_s + a_s in proportion to p_s sqrt(q_rs (1 - q_rs)); for several
the shares are those under which the figure that gains least gains most.  Nothing is tilted: given the count a path has
the world's own law, so rises gain with falls, and a wrong allocation costs precision up to 1 / a_0, never more.
References: Neyman, Journal of the Royal Statistical Society 97 (1934), 558-625; Glasserman, Monte Carlo Methods in
Financial Engineering (2004), section 4.3.
"""

import math

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.jump_counts import count_probabilities
from riskengine.scenario.pilot import (
    FEWEST_HITS,
    PILOT_GROUP,
    SHARE_PASSES,
    PathFigures,
    Pilot,
    PilotSettings,
    draw_pilot,
    fair_shares,
    tail_hits,
)
from riskengine.scenario.proposal import PARTS, Proposal, Tilt, Tiltable

_FIRST_TAIL = 0.01  # tail of the first round, whose strata have equal shares
_STEP = 0.1  # a round's tail over the one before
_PRIOR = 0.5  # pseudo-counts that pull a stratum with few paths to the tail probability of all
_BEYOND = 0.01  # probability of the last stratum, at most, over that of the tails

Range = tuple[float, float]


def fit_strata(model: Tiltable, grid: TimeGrid, figures: PathFigures, seed: int, settings: PilotSettings) -> Pilot:
    """A proposal of jump counts for the tails of `figures`; parameters and errors of `cross_entropy.fit_proposal`.

    ValueError also where the world never jumps.
    """
    expected = _expected(model, grid, settings.hours)
    ranges = count_ranges(expected, settings.level, settings.components)
    chance = np.array([_probability(expected, r) for r in ranges])
    space, keys = model.tilt_space(grid, settings.hours), DrawKeys(seed, PILOT_GROUP)
    shares = np.full(len(ranges), (1.0 - settings.plain_share) / len(ranges))
    strata, figured, drawn = [], [], 0
    for tail in _tails(1.0 - settings.level):
        proposal = _proposal(ranges, shares, settings.hours)
        statistics, _, values = draw_pilot(model, grid, figures, keys, drawn, settings.paths, proposal)
        drawn += settings.paths
        strata.append(np.searchsorted([low for low, _ in ranges], space.total_arrivals(statistics), side="right") - 1)
        figured.append(values)
        # given its stratum a path has one law, whatever its round and whether it was given: they are pooled
        stratum = np.concatenate(strata)
        paths = np.bincount(stratum, minlength=len(ranges))
        hits = tail_hits(np.concatenate(figured, axis=1), (chance / np.maximum(paths, 1))[stratum], tail)
        alive = hits.sum(axis=1) >= FEWEST_HITS
        shares, cost = _allocate(hits[alive], stratum, paths, chance, tail, settings.plain_share)
    gains = np.full(hits.shape[0], np.nan)
    gains[alive] = 1.0 / cost
    return Pilot(_proposal(ranges, shares, settings.hours), gains, drawn)


def _tails(last: float) -> list[float]:
    """Tail probability of each round."""
    out = [max(last, _FIRST_TAIL)]
    while out[-1] > last * 1.01:
        out.append(max(last, out[-1] * _STEP))
    return out


def stated_strata(
    model: Tiltable, grid: TimeGrid, count_shares: tuple[float, ...], hours: float | None = None
) -> Proposal:
    """A proposal with stated shares of paths that have 0, 1, 2, ... jumps, the last of that many or more.

    A share of 0 leaves a count to the plain paths, which are the rest.  ValueError where the world never jumps.
    """
    _expected(model, grid, hours)
    last = len(count_shares) - 1
    ranges = [(float(n), float(n) if n < last else math.inf) for n in range(last + 1)]
    return _proposal(ranges, np.array(count_shares), hours)


def count_ranges(expected: float, level: float, most: int) -> list[Range]:
    """Strata of a Poisson count: single counts, or as many together as leave at most `most` strata."""
    chance = count_probabilities(expected, 0, math.inf)
    rare = _BEYOND * (1.0 - level)
    below = int(np.searchsorted(np.cumsum(chance), rare, side="right"))
    beyond = int((np.cumsum(chance[::-1])[::-1] > rare).sum())
    starts = np.arange(below, beyond + 1, max(1, math.ceil((beyond + 1 - below) / most)), dtype=np.float64)
    starts[0] = 0.0
    return list(zip(starts, [*(starts[1:] - 1.0), math.inf], strict=True))


def _expected(model: Tiltable, grid: TimeGrid, hours: float | None) -> float:
    expected = float(model.tilt_space(grid, hours).arrivals.sum())
    if expected == 0.0:
        raise ValueError("strata of jump counts need a world that jumps, got no arrivals")
    return expected


def _probability(expected: float, of: Range) -> float:
    return float(count_probabilities(expected, int(of[0]), of[1]).sum())


def _proposal(ranges: list[Range], shares: Floats, hours: float | None) -> Proposal:
    """The mixture of the strata that have a share of at least half a path in 1,024."""
    held = [(Tilt(count=r), float(s)) for r, s in zip(ranges, shares, strict=True) if s >= 0.5 / PARTS]
    tilts, kept = zip(*held, strict=True) if held else ((), ())
    return Proposal(tilts, kept, hours)


def _allocate(
    hits: np.ndarray, stratum: Ints, paths: Ints, chance: Floats, tail: float, plain_share: float
) -> tuple[Floats, Floats]:
    """(shares, cost of each figure): its variance over that of a plain tail probability."""
    found = np.stack([np.bincount(stratum[h], minlength=chance.size) for h in hits])
    q = (found + _PRIOR * tail) / (paths + _PRIOR)
    inside = chance * q * (1.0 - q) / (tail * (1.0 - tail))
    return fair_shares(np.diag(1.0 / chance), inside, plain_share, SHARE_PASSES)
