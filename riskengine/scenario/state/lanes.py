"""What state components share: a stationary Ornstein-Uhlenbeck lane, the echo of past moves, the response to variance.

    y_0 ~ N(0, sd^2),   y_{t+1} = a y_t + sd sqrt(1 - a^2) eps_{t+1},   a = 2^{-dt / half-life}     (exact at any step)
    u_0 = 0,            u_{t+1} = a u_t + drive_t

Normal number n of a lane is half of draw n // 2 of its own purpose, so a longer path extends a shorter one.
References: Uhlenbeck and Ornstein, Physical Review 36 (1930), 823-841.
"""

import numpy as np

from riskengine.arrays import Floats
from riskengine.jit import kernel, wide_vectors
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys, Purpose, fill_words, normals_from_words
from riskengine.roles import MadeOfData, ScenarioModel
from riskengine.scenario.parameters import ParameterCheck
from riskengine.vecmath import fma

Vector = tuple[float, ...]


@kernel
def _scaled(out, z, weight):
    wide_vectors()
    for i in range(out.size):
        out[i] = weight * z[i]


@kernel
def _next(out, last, z, decay, weight):
    wide_vectors()
    for i in range(out.size):
        out[i] = fma(decay, last[i], weight * z[i])


@kernel(scratch=True)
def ou_steps(out, decay, weight, number, first_path, purpose, asset, k0, k1):
    """Fill rows 1, 2, ... of ``out`` (T + 1, P) from row 0: ``out[t + 1] = decay out[t] + weight z``.

    Row t + 1 reads normal ``number + t`` of the lane's purpose.
    """
    count = out.shape[1]
    a, b = np.empty(count, np.uint64), np.empty(count, np.uint64)
    z = np.empty((2, count))
    for t in range(out.shape[0] - 1):
        n = number + t
        if t == 0 or n & 1 == 0:
            fill_words(a, b, first_path, n >> 1, purpose, asset, k0, k1)
            normals_from_words(a, b, z[0], z[1])
        _next(out[t + 1], out[t], z[n & 1], decay, weight)


@kernel(scratch=True)
def normal_lane(out, weight, number, first_path, purpose, asset, k0, k1):
    """Write ``weight`` times normal ``number`` of each lane's purpose."""
    count = out.size
    a, b = np.empty(count, np.uint64), np.empty(count, np.uint64)
    z = np.empty((2, count))
    fill_words(a, b, first_path, number >> 1, purpose, asset, k0, k1)
    normals_from_words(a, b, z[0], z[1])
    _scaled(out, z[number & 1], weight)


def decay_of(grid: TimeGrid, half_life_hours: float) -> float:
    """Share of a deviation that is left after one forward step."""
    return 0.5 ** (grid.step_seconds / 3600.0 / half_life_hours)


def ou_lanes(paths: MarketPaths, keys: DrawKeys, purpose: Purpose, asset: int, sd: float, decay: float) -> Floats:
    """Stationary Ornstein-Uhlenbeck process with standard deviation `sd` on every path, shape (T + 1, P)."""
    out = np.zeros((paths.grid.steps + 1, paths.count))
    if sd > 0.0:
        k0, k1 = keys.words()
        normal_lane(out[0], sd, 0, paths.first_path, int(purpose), asset, k0, k1)
        fresh = sd * np.sqrt(1.0 - decay * decay)
        ou_steps(out, decay, fresh, 1, paths.first_path, int(purpose), asset, k0, k1)
    return out


def echo(drive: Floats, decay: float) -> Floats:
    """What past drives (T, P) have left at each time, shape (T + 1, P); nothing at time 0."""
    out = np.zeros((drive.shape[0] + 1, drive.shape[1]))
    for t in range(drive.shape[0]):
        out[t + 1] = decay * out[t] + drive[t]
    return out


def log_returns(paths: MarketPaths, asset: int) -> Floats:
    """Log-return of each forward step, shape (T, P)."""
    return np.diff(np.log(paths.spot_lanes[:, asset]), axis=0)


def log_stress(paths: MarketPaths, asset: int, usual_variance: float) -> Floats:
    """log((1 + v / usual) / 2) of the variance v, shape (T + 1, P): 0 at the usual variance, -log 2 at none."""
    return np.log1p(paths.variance_lanes[:, asset] / usual_variance) - np.log(2.0)


def exponential(x: Floats) -> Floats:
    """e^x, shape of `x`; NaN, which marks the path, where it would leave the range of float64."""
    with np.errstate(invalid="ignore"):
        return np.exp(np.where(np.abs(x) < 700.0, x, np.nan))


def per_asset(
    check: ParameterCheck, record: object, names: tuple[str, ...], low: float = -np.inf, *, closed: bool = True
) -> None:
    """Replace the fields `names` of a frozen record by tuples of floats from `low` on, one per asset."""
    for name in names:
        count = np.size(record.usual_variance)
        object.__setattr__(
            record, name, check.vector(name, getattr(record, name), count, low, closed=closed and low > -np.inf)
        )


def check_against(model: ScenarioModel, count: int, needs_variance: bool) -> None:
    """ValueError where a component has not one number per asset, or follows a variance that the paths do not have."""
    faults = []
    if count != len(model.assets):
        faults.append(f"must have one number per asset ({len(model.assets)}), got {count}")
    if needs_variance and not has_variance(model):
        faults.append(f"elasticity must be 0 on a world without a variance state, and kind {model.kind} has none")
    if faults:
        raise ValueError("; ".join(faults))


def has_variance(model: ScenarioModel) -> bool:
    """Whether paths of `model` carry a variance: it says so, or one path of one step tells."""
    under = getattr(model, "base", model)
    if isinstance(under, MadeOfData):
        return under.has_variance
    if hasattr(under, "initial_variance"):
        return True
    return model.sample(TimeGrid(3600, 1), 0, 1, DrawKeys(0)).variance_lanes is not None
