"""Choosing a proposal: a mixture of tilts fitted to the tails of several path figures by cross-entropy.

Each figure (loss of an account, fall of an asset) names a tail: the paths on which it is among the worst 1 - level of
the world.  Pilot rounds go towards the tails by steps: paths are drawn from the mixture so far, and the paths in the
tail of each figure, as a whole and in two halves, are projected on a tilt by cross-entropy: the tilt under which the
expected statistics are those of the tail.  The projections, with the tilts of the round before, are the candidates.

Shares are set so that the figure that gains least gains most: with costs c_r(pi) = E_P[1{tail r} w(pi)] / p,
convex in the shares pi, both sides of the minimax are solved by multiplicative updates, and most candidates end without
a share.  1 / c_r is the factor by which the variance of a tail probability falls against plain paths.

Parameters are rounded: a proposal does not depend on the last bits of a sum.  References: Rubinstein and Kroese, The
Cross-Entropy Method (2004); Kurtz and Song, Structural Safety 42 (2013), 35-44; Glasserman, Monte Carlo Methods in
Financial Engineering (2004), section 4.6.
"""

import numpy as np

from riskengine.arrays import Floats
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
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
from riskengine.scenario.proposal import PARTS, Proposal, Tilt, Tiltable, TiltSpace

_SPLITS = 2  # times that a tail is halved
_PRIOR = 4.0  # pseudo-counts that pull a component with few paths to the plain law


def fit_proposal(
    model: Tiltable,
    grid: TimeGrid,
    figures: PathFigures,
    seed: int,
    settings: PilotSettings,
) -> Pilot:
    """A proposal for the tails of `figures`.

    Parameters
    ----------
    model : Tiltable
    grid : TimeGrid
    figures : callable
        From a block of paths to figures, shape (R, P); larger is worse.
    seed : int
        Of the study.
    settings : PilotSettings

    Raises
    ------
    ValueError
        Where no figure has a tail.
    """
    space = model.tilt_space(grid, settings.hours)
    keys = DrawKeys(seed, PILOT_GROUP)
    # the first round has a mixture of no tilts: plain paths with their statistics
    proposal, rows, gains = Proposal((Tilt(),), (0.5,), settings.hours), np.empty((0, space.moves.size)), np.empty(0)
    for number, tail in enumerate(settings.tails):
        first = number * settings.paths
        statistics, weight, values = draw_pilot(model, grid, figures, keys, first, settings.paths, proposal)
        hits = tail_hits(values, weight, tail)
        if number < len(settings.tails) - 1:
            found = np.round(_candidates(statistics, hits, weight, space), 3)
            clocks = space.sections["intensity"]
            found[:, clocks] = np.maximum(found[:, clocks], 1e-3)
            pool = np.concatenate([rows, found])
        # the last round only chooses: candidates judged by the paths that made them look better than they are
        rows, shares, gains = _choose(pool, statistics, hits, weight, space, settings)
        held = shares >= 0.5 / PARTS
        tilts = tuple(space.tilt(row) for row in rows[held])
        proposal = Proposal(tilts, tuple(float(s) for s in shares[held]), settings.hours)
    return Pilot(proposal, gains, settings.paths * len(settings.tails))


def _candidates(statistics: Floats, hits: np.ndarray, weight: Floats, space: TiltSpace) -> Floats:
    """Projections of every tail as a whole, of its two halves (2-means), and of their halves, shape (C, K).

    A tail with two lobes lies between its projections as a whole; its halves are the lobes.
    """
    sections = space.sections
    clocks = sections["intensity"]
    points = statistics.copy()
    points[: clocks.start] /= np.sqrt(space.steps)
    arrivals = space.arrivals[:, None]
    points[clocks] = (points[clocks] - arrivals) / np.sqrt(np.maximum(arrivals, 0.05))
    points *= space.moves[:, None]
    rows = []
    for hit in hits:
        inside = np.flatnonzero(hit)
        if inside.size < FEWEST_HITS:
            continue
        mass = weight[inside]
        rows.append(_project(statistics[:, inside], mass, space))
        parts = [np.ones(inside.size, dtype=bool)]
        for _ in range(_SPLITS):
            parts = [side for part in parts for side in _halves(points[:, inside], mass, part)]
            rows += [_project(statistics[:, inside[part]], mass[part], space) for part in parts]
    return np.stack(rows)


def _halves(points: Floats, mass: Floats, part: np.ndarray) -> list[np.ndarray]:
    """Two clusters of the weighted points (K, n) in `part`, from seeds on both sides of their longest deviation."""
    where = np.flatnonzero(part)
    if where.size < 2 * FEWEST_HITS:
        return [part]
    side = _split(points[:, where], mass[where])
    out = []
    for chosen in (side, ~side):
        if chosen.any():
            half = np.zeros_like(part)
            half[where[chosen]] = True
            out.append(half)
    return out


def _split(points: Floats, mass: Floats) -> np.ndarray:
    """Flags of the first of two clusters."""
    centre = (points * mass).sum(axis=1, keepdims=True) / mass.sum()
    spread = points - centre
    axis = spread[:, np.argmax(mass * (spread**2).sum(axis=0))]
    side = np.einsum("k,kn->n", axis, spread) > 0.0
    for _ in range(10):
        if side.all() or not side.any():
            break
        first, second = ((points[:, s] * mass[s]).sum(axis=1) / mass[s].sum() for s in (side, ~side))
        side = np.einsum("k,kn->n", first - second, points - 0.5 * (first + second)[:, None]) > 0.0
    return side


def _project(statistics: Floats, mass: Floats, space: TiltSpace) -> Floats:
    """The tilt whose expected statistics are those of the weighted paths: the cross-entropy projection, shape (K,)."""
    total = mass.sum()
    count = total**2 / max(float(np.square(mass).sum()), 1e-300)  # effective paths behind it
    mean = (statistics * mass).sum(axis=1) / max(total, 1e-300)
    shrink = count / (count + _PRIOR)
    sections = space.sections
    clocks = sections["intensity"]
    out = shrink * mean / space.steps
    arrivals = mean[clocks]
    out[clocks] = (count * arrivals + _PRIOR) / (count * space.arrivals + _PRIOR)
    sizes = slice(sections["common_size"].start, sections["own_size"].stop)
    out[sizes] = count * mean[sizes] / (count * arrivals[space.clock_of_size] + _PRIOR)
    if space.initial:
        out[sections["initial"]] = shrink * mean[sections["initial"]]
    still = ~space.moves
    out[still] = 0.0
    out[clocks][still[clocks]] = 1.0
    return out


def _log_ratios(rows: Floats, statistics: Floats, space: TiltSpace) -> Floats:
    """log dQ_c / dP of each tilt on each path, shape (C, n)."""
    slope, offset = space.likelihood(rows)
    return np.einsum("ck,kn->cn", slope, statistics) - offset[:, None]


def _choose(
    rows: Floats, statistics: Floats, hits: np.ndarray, weight: Floats, space: TiltSpace, settings: PilotSettings
) -> tuple[Floats, Floats, Floats]:
    """(rows kept, shares, gains): the mixture under which the figure that gains least gains most."""
    ratio = np.exp(np.minimum(_log_ratios(rows, statistics, space), 600.0))
    alive = hits.sum(axis=1) >= FEWEST_HITS
    inside = hits[alive] * weight
    union = inside.any(axis=0)
    inside = inside[:, union] / inside.sum(axis=1, keepdims=True)
    ratio = ratio[:, union]
    kept = np.arange(rows.shape[0])
    for limit, passes in ((4 * settings.components, SHARE_PASSES // 4), (settings.components, SHARE_PASSES)):
        shares, _ = fair_shares(ratio[kept], inside, settings.plain_share, passes)
        kept = kept[np.sort(np.argsort(-shares, kind="stable")[:limit])]
    shares, cost = fair_shares(ratio[kept], inside, settings.plain_share, SHARE_PASSES)
    gains = np.full(hits.shape[0], np.nan)
    gains[alive] = 1.0 / cost
    return rows[kept], shares, gains
