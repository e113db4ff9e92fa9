"""What every search for a proposal shares: settings, pilot paths, the tails on them, and shares that serve the least.

Pilot paths have a draw group of their own, so what they choose is independent of the paths it is used on, and figures
stay unbiased.  References: Torsney, Computing optimizing distributions, COMPSTAT (1983), for the updates of the shares.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys
from riskengine.scenario.proposal import Proposal, Tiltable

PathFigures = Callable[[MarketPaths], Floats]

PILOT_GROUP = 2**31  # draw group of pilot paths; studies draw from group 0
FEWEST_HITS = 8  # paths in a tail below which a figure has none
SHARE_PASSES = 200
_FIRST_TAIL = 0.05
_STEP = 0.1  # a round's tail over the one before
_CHUNK = 1024


@dataclass(frozen=True)
class PilotSettings:
    """How to look for a proposal.

    Attributes
    ----------
    plain_share : float
        Share of the plain law; weights are bounded by one over it.
    components : int
        Tilts at most.
    paths : int
        Pilot paths of a round.
    level : float
        The tails are those beyond this quantile.
    hours : float or None
        Tilts act from time 0 to here; None is the horizon.
    """

    plain_share: float = 0.2
    components: int = 40
    paths: int = 8192
    level: float = 0.999
    hours: float | None = None

    def __post_init__(self) -> None:
        check_range("plain_share", self.plain_share, 0.05, 0.9)
        check_range("components", self.components, 1, 64)
        check_range("pilot paths", self.paths, 512, 2**30)
        check_range("level", self.level, 0.9, 1.0, open_high=True)

    @property
    def tails(self) -> list[float]:
        """Tail probability of each round."""
        last = 1.0 - self.level
        out = [_FIRST_TAIL]
        while out[-1] > last * 1.01:
            out.append(max(last, out[-1] * _STEP))
        return [*out, last]


@dataclass(frozen=True)
class Pilot:
    """A proposal and what is expected of it.

    Attributes
    ----------
    proposal : Proposal
    gains : ndarray, shape (R,)
        Expected variance of a plain tail probability over that of the mixture, for each figure, from the pilot's own
        paths; NaN for a figure without a tail (constant).
    paths : int
        Pilot paths drawn.
    """

    proposal: Proposal
    gains: Floats
    paths: int


def draw_pilot(
    model: Tiltable, grid: TimeGrid, figures: PathFigures, keys: DrawKeys, first: int, count: int, proposal: Proposal
) -> tuple[Floats, Floats, Floats]:
    """(statistics (K, n), weight (n,), figures (R, n)) of pilot paths ``first`` on that did not fail."""
    parts = []
    for start in range(first, first + count, _CHUNK):
        size = min(_CHUNK, first + count - start)
        paths = model.sample(grid, start, size, keys, proposal)
        good = ~paths.failed
        found = np.asarray(figures(paths), dtype=np.float64)
        parts.append((paths.tilt_statistics[:, good], np.exp(paths.log_weight[good]), found[:, good]))
    return tuple(np.concatenate(p, axis=-1) for p in zip(*parts, strict=True))


def tail_hits(values: Floats, weight: Floats, tail: float) -> np.ndarray:
    """Paths beyond the weighted quantile of each figure, shape (R, n); none for a figure that does not vary.

    ValueError where no figure has a tail.
    """
    hits = np.zeros(values.shape, dtype=bool)
    for r, value in enumerate(values):
        order = np.argsort(-value, kind="stable")
        k = int(np.searchsorted(np.cumsum(weight[order]), tail * weight.sum(), side="right"))
        threshold = value[order[min(max(k, 1), value.size - 1)]]
        hits[r] = value > threshold
    if not (hits.sum(axis=1) >= FEWEST_HITS).any():
        raise ValueError("figures must have tails to sample, got none that varies between paths")
    return hits


def fair_shares(ratio: Floats, inside: Floats, plain_share: float, passes: int) -> tuple[Floats, Floats]:
    """Shares (C,) that minimise the largest cost, and the costs (R,), by multiplicative updates.

    The cost of figure r is sum_n inside[r, n] w_n with weights w_n = 1 / (plain_share + sum_c share_c ratio[c, n]),
    convex in the shares.
    """
    tilted = 1.0 - plain_share
    shares = np.full(ratio.shape[0], tilted / ratio.shape[0])
    stress = np.full(inside.shape[0], 1.0 / inside.shape[0])
    cost = stress
    for _ in range(passes):
        new = 1.0 / (plain_share + np.einsum("c,cn->n", shares, ratio))
        cost = np.einsum("rn,n->r", inside, new)
        stress = stress * np.sqrt(cost / cost.mean())
        stress /= stress.sum()
        drive = np.einsum("cn,n->c", ratio, np.square(new) * np.einsum("r,rn->n", stress, inside))
        shares = shares * np.sqrt(np.maximum(drive, 1e-300))
        shares *= tilted / shares.sum()
    return shares, cost
