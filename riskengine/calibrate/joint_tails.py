"""Joint figures of a fitted world beside the data: correlations, and how often assets fall and rise together.

For every pair: the correlation of returns over 1 and 24 hours, and over 24 hours the share of one asset's worst (best)
1 % in which the other is in its own worst (best) 1 %, n_both / sqrt(n_i n_j): 0.01 where they are independent, 1 where
they always fall together.  The data's figures have bands by the circular block bootstrap that serves the loss bands;
thresholds are those of the data.  Correlations of the model are exact, by the cumulants of sums and differences;
its joint falls and rises are simulated from the stationary start beyond its own exact quantiles.

No moment of the fit uses them directly, and they do not decide the verdict: they say what a book of several assets may
expect of the world.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.bootstrap import BlockBootstrap
from riskengine.calibrate.sample import ReturnSample
from riskengine.law.joint import joint_law
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.roles import HasLaw

CORRELATION_HOURS = (1, 24)
TAIL_HOURS = 24
TAIL_PROB = 0.01
PATHS = 200_000
_BLOCK = 8192
_SEED = 20_240_805  # of the simulated joint falls; any other is as good


@dataclass(frozen=True)
class JointRow:
    """One joint figure of a pair.

    Attributes
    ----------
    assets : tuple of str
        Two.
    measure : {"correlation", "joint_fall", "joint_rise"}
    horizon_hours : int
    data, lower, upper : float
        Figure of the data and its band.
    model : float
    error : float
        Standard error of the model's figure from simulation; 0 where it is exact.
    """

    assets: tuple[str, str]
    measure: str
    horizon_hours: int
    data: float
    lower: float
    upper: float
    model: float
    error: float

    @property
    def inside(self) -> bool:
        """Whether the model's figure lies in the band."""
        return self.lower <= self.model <= self.upper


def joint_rows(
    sample: ReturnSample, model: HasLaw, bootstrap: BlockBootstrap, confidence: float, paths: int = PATHS
) -> tuple[JointRow, ...]:
    """Every joint figure of every pair; empty for one asset.

    Parameters
    ----------
    sample : ReturnSample
    model : HasLaw
        A world whose joint law is known (`riskengine.law.joint.joint_law`).
    bootstrap : BlockBootstrap
    confidence : float
        Nominal coverage of each band.
    paths : int
        Simulated for joint falls and rises.
    """
    pairs = list(combinations(range(len(sample.assets)), 2))
    if not pairs:
        return ()
    out = []
    law = joint_law(model)

    def rows(measure: str, hours: int, data, drawn, model_values, errors) -> None:
        ends = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
        for k, (i, j) in enumerate(pairs):
            figures = (data[k], ends[0, k], ends[1, k], model_values[k], errors[k])
            out.append(JointRow((sample.assets[i], sample.assets[j]), measure, hours, *map(float, figures)))

    for hours in CORRELATION_HOURS:
        x, exist = sample.returns(hours)
        data, drawn = _figures(bootstrap, np.where(exist[:, None], x, 0.0), pairs)
        exact = [_correlation(law.cumulants, i, j, len(sample.assets), hours / 8760.0) for i, j in pairs]
        rows("correlation", hours, data, drawn, exact, np.zeros(len(pairs)))
    x, exist = sample.returns(TAIL_HOURS)
    low, high = np.quantile(x[exist], [TAIL_PROB, 1.0 - TAIL_PROB], axis=0)
    simulated = _simulated(model, pairs, paths)
    for side, hit in enumerate((x <= low, x >= high)):
        data, drawn = _figures(bootstrap, np.where(exist[:, None], hit, 0.0), pairs)
        share, error = simulated[side]
        rows(("joint_fall", "joint_rise")[side], TAIL_HOURS, data, drawn, share, error)
    return tuple(out)


def _figures(bootstrap: BlockBootstrap, x: Floats, pairs: list[tuple[int, int]]) -> tuple[Floats, Floats]:
    """sum x_i x_j / sqrt(sum x_i^2 sum x_j^2) of each pair, shape (K,), and of every resample, (replicates, K)."""
    products = np.column_stack([x * x, *(x[:, i] * x[:, j] for i, j in pairs)])
    i, j = np.array(pairs).T

    def ratio(total: Floats) -> Floats:
        squares, cross = total[..., : x.shape[1]], total[..., x.shape[1] :]
        return cross / np.sqrt(squares[..., i] * squares[..., j])

    return ratio(products.sum(axis=0)), ratio(bootstrap.sums(products))


def _correlation(cumulants, i: int, j: int, count: int, years: float) -> float:
    """Exact correlation of two log-returns: Var(x + y) - Var(x - y) is four times their covariance."""
    unit = np.eye(count)
    variance = [cumulants(w, years)[1] for w in (unit[i] + unit[j], unit[i] - unit[j], unit[i], unit[j])]
    return float((variance[0] - variance[1]) / 4.0 / np.sqrt(variance[2] * variance[3]))


def _simulated(model: HasLaw, pairs: list[tuple[int, int]], paths: int) -> list[tuple[Floats, Floats]]:
    """Joint falls and joint rises of the model, shape (K,) each, with their standard errors."""
    years = TAIL_HOURS / 8760.0
    laws = [model.law(asset, years) for asset in model.assets]
    low, high = (np.array([law.quantile(p) for law in laws]) for p in (TAIL_PROB, 1.0 - TAIL_PROB))
    both = np.zeros((2, len(pairs)))
    count = 0
    grid = TimeGrid(3600, TAIL_HOURS)
    i, j = np.array(pairs).T
    for first in range(0, paths, _BLOCK):
        drawn = model.sample(grid, first, min(_BLOCK, paths - first), DrawKeys(_SEED))
        x = np.log(drawn.spot_lanes[-1] / drawn.spot_lanes[0])[:, ~drawn.failed]
        count += x.shape[1]
        for side, hit in enumerate((x <= low[:, None], x >= high[:, None])):
            both[side] += (hit[i] & hit[j]).sum(axis=1)
    share = both / count / TAIL_PROB
    return [(s, np.sqrt(s * (1.0 - TAIL_PROB * s) / (count * TAIL_PROB))) for s in share]
