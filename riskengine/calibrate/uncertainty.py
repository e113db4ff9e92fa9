"""How well a fit is known: refits on histories of the fitted law, intervals, verdicts, and what they do to a loss.

The block bootstrap of one history cannot see how far the level of variance wanders between histories: with a half-life
of two weeks, blocks of two weeks hold half of that spread, and errors from it cover 70 % where they say 95.  So the
errors come from a parametric bootstrap: simulate histories of the fitted law with the same hours and gaps, fit each as
the data were fitted, and take the root mean square of their distance from the fit, which counts the bias of the
estimator as error.  A positive parameter is judged on a log scale.  With R refits the interval is
estimate +- 1.25 t_{R-1} error: Student's t because the error itself is estimated from R histories, and `WIDER` = 1.25
because the refits are simulated at the estimate and not at the truth.  The speed of variance comes out too high by a
fifth, and a faster variance wanders less; without the factor intervals covered 86 to 99 % (`benchmarks/recovery.py`).

Where no refits are asked for, the covariance is that of the delta method from the block bootstrap (too small, as said).

References: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 6 and 12; `docs/calibration.md` has
the coverage that was measured.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.bands import Band, model_losses
from riskengine.calibrate.free import Free, free_assets, free_values
from riskengine.calibrate.identified import flat_direction, is_positive, not_identified
from riskengine.calibrate.parameters import published, published_names, scenario_model
from riskengine.calibrate.sample import ReturnSample
from riskengine.errors import RunError
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.roles import ScenarioModel

_BLOCK = 16  # histories simulated together
_NORMAL = 1.959963984540054
WIDER = 1.25  # measured: see the module's text


@dataclass(frozen=True)
class Uncertainty:
    """The law of a fit: free numbers about normal round the estimate, and what follows from that.

    Attributes
    ----------
    free : tuple of Free
    point : ndarray, shape (P,)
        The estimate, logarithms where ``Free.log``.
    covariance : ndarray, shape (P, P)
        Mean square distance of the refits from the estimate, or that of the delta method.
    refits : int
        Histories refitted with success; 0 for the delta method.
    refits_failed : int
        Whose search did not converge; they are left out.
    standard_errors : dict of str to float
        By published name.
    intervals : dict of str to (float, float)
        95 %.
    unidentified : dict of str to str
        Published parameters that the data do not decide, each with the reason.
    flat : str
        The direction in which the fit is known worst, in words.
    valley : tuple of (float, float)
        Profile of the parameter known worst, ``worst``: its value, and the cost of the fit with all others fitted
        again.  Empty where no refits were made.
    worst : str
        That parameter, by its free name.
    """

    free: tuple[Free, ...]
    point: Floats
    covariance: Floats
    refits: int
    refits_failed: int
    standard_errors: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    unidentified: dict[str, str]
    flat: str
    valley: tuple[tuple[float, float], ...]
    worst: str
    draws: Floats = field(repr=False)

    @property
    def method(self) -> str:
        """How the errors were made, in words."""
        if self.refits:
            return f"root mean square of {self.refits} refits to histories simulated from the fitted law"
        return "delta method from the circular block bootstrap covariance of the moments (too small: no refits made)"


def simulated_histories(model: ScenarioModel, hours: np.ndarray, count: int, seed: int):
    """Yield `count` `ReturnSample` of `model` at the hours (and with the gaps) of the data."""
    at = np.asarray(hours) - hours[0]
    grid = TimeGrid(3600, int(at[-1]))
    for first in range(0, count, _BLOCK):
        block = min(_BLOCK, count - first)
        paths = model.sample(grid, first, block, DrawKeys(seed))
        spot = paths.spot
        for i in range(block):
            if not paths.failed[i]:
                yield ReturnSample(model.assets, hours, spot[at, i, :])


def refit(
    model: ScenarioModel,
    hours: np.ndarray,
    count: int,
    seed: int,
    estimate: Callable[[ReturnSample], Floats],
) -> tuple[Floats, int]:
    """Free vectors of fits to `count` simulated histories, shape (R, P), and how many did not converge.

    RunError where more than a fifth did not: the error of what is left would flatter the fit.
    """
    points = []
    for sample in simulated_histories(model, hours, count, seed):
        try:
            points.append(estimate(sample))
        except RunError:
            continue
    # a history that could not be simulated is missing too
    failed = count - len(points)
    if failed > 0.2 * count:
        raise RunError(f"at most a fifth of {count} refits may fail, got {failed}: the fit is not determined")
    return np.array(points), failed


def assess(
    kind: str,
    assets: tuple[str, ...],
    free: tuple[Free, ...],
    point: Floats,
    delta: Floats,
    draws: Floats,
    failed: int,
    on_bound: tuple[str, ...],
    profile: Callable[[int, float], float],
) -> Uncertainty:
    """Errors, intervals and verdicts of a fit.

    Parameters
    ----------
    kind, assets, free, point
        The fit, in free numbers.
    delta : ndarray, shape (P, P)
        Covariance of the delta method.
    draws : ndarray, shape (R, P)
        Refits; R = 0 for none.
    failed : int
        Refits that did not converge.
    on_bound : tuple of str
        Free numbers that ended on a bound.
    profile : callable
        Cost of the fit with one free number held at a value on the scale of the search.
    """
    base = published(kind, assets, free_values(free, point))
    count = draws.shape[0]
    if count:
        distance = draws - point
        covariance = distance.T @ distance / count
        other = [published(kind, assets, free_values(free, d)) for d in draws]
    else:
        covariance, other = delta, []
    errors, intervals, reasons = {}, {}, {}
    slopes = _slopes(lambda x: np.array(list(published(kind, assets, free_values(free, x)).values())), point)
    spread = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", slopes, covariance, slopes), 0.0))
    for i, (name, value) in enumerate(base.items()):
        positive = is_positive(name)
        if count:
            moved = np.array([o[name] for o in other])
            off = np.log(moved / value) if positive else moved - value
            error = float(np.sqrt((off * off).mean()))
        else:
            error = float(spread[i]) / (value if positive else 1.0)
        errors[name] = error * (value if positive else 1.0)
        intervals[name] = interval_95(name, value, errors[name], count)
    bound = {name for f in on_bound for name in published_names(kind, assets, f)}
    for name in base:
        reason = not_identified(name, base, intervals[name], on_bound=name in bound)
        reasons |= {name: reason} if reason else {}
    unit = np.array([f.unit for f in free])
    scaled = covariance / np.multiply.outer(unit, unit)
    size, vectors = np.linalg.eigh(scaled)
    words = flat_direction([f.name for f in free], vectors[:, -1])
    worst = int(np.argmax(np.diag(scaled)))
    valley = ()
    if count:
        low, high = free[worst].bounds
        step = float(np.sqrt(covariance[worst, worst]))
        values = np.unique(np.clip(point[worst] + step * np.array([-2.0, -1.0, 0.0, 1.0, 2.0]), low, high))
        valley = tuple((float(np.exp(v) if free[worst].log else v), profile(worst, float(v))) for v in values)
    name = free[worst].name
    return Uncertainty(
        tuple(free), point, covariance, count, failed, errors, intervals, reasons, words, valley, name, draws
    )  # fmt: skip


def error_correlation(kind: str, assets: tuple[str, ...], known: Uncertainty) -> tuple[tuple[str, ...], Floats]:
    """(published names, correlation of their errors): the covariance of the free numbers by the delta method."""
    names = tuple(published(kind, assets, free_values(known.free, known.point)))

    def numbers(point: Floats) -> Floats:
        return np.array(list(published(kind, assets, free_values(known.free, point)).values()))

    slopes = _slopes(numbers, known.point)
    covariance = slopes @ known.covariance @ slopes.T
    error = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    safe = np.where(error > 0.0, error, 1.0)
    out = np.clip(covariance / np.multiply.outer(safe, safe), -1.0, 1.0)
    np.fill_diagonal(out, 1.0)
    return names, out


def interval_95(name: str, value: float, error: float, refits: int) -> tuple[float, float]:
    """95 % interval of a published parameter: on a log scale for a positive one, normal where there are no refits."""
    from scipy.special import stdtrit

    half = error * (WIDER * float(stdtrit(refits - 1, 0.975)) if refits else _NORMAL)
    if is_positive(name):
        return value * float(np.exp(-half / value)), value * float(np.exp(half / value))
    return value - half, value + half


def _slopes(function: Callable[[Floats], Floats], point: Floats, step: float = 1e-4) -> Floats:
    """Jacobian by central differences, shape (outputs, P)."""
    return np.column_stack(
        [(function(point + s) - function(point - s)) / (2 * step) for s in step * np.eye(point.size)]
    )


def loss_errors(kind: str, assets: tuple[str, ...], known: Uncertainty, cells: tuple[Band, ...]) -> Floats:
    """Standard error of the model's exact loss in every cell, shape (cells,): delta method on the exact law."""
    step = 1e-4
    owner = np.array([assets.index(cell.asset) for cell in cells])
    slopes = np.zeros((len(cells), known.point.size))
    for i, free in enumerate(known.free):
        # a number of one asset moves the losses of that asset only, a correlation those of none
        named = free_assets(free.name, assets)
        moved = np.flatnonzero(np.all([owner == a for a in named], axis=0) if named else np.ones(owner.size))
        if not moved.size:
            continue
        ends = []
        for side in (step, -step):
            point = known.point.copy()
            point[i] += side
            numbers = published(kind, assets, free_values(known.free, point))
            model = scenario_model(kind, assets, numbers, (1.0,) * len(assets))
            ends.append(model_losses(model, tuple(cells[k] for k in moved)))
        slopes[moved, i] = (ends[0] - ends[1]) / (2.0 * step)
    return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", slopes, known.covariance, slopes), 0.0))


def draw_numbers(
    kind: str, assets: tuple[str, ...], known: Uncertainty, count: int, seed: int
) -> list[dict[str, float]]:
    """`count` sets of published parameters from the law of the fit: normal free numbers, redrawn outside the bounds.

    For users who carry the uncertainty of a fit through a study: one world per set.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    generator = np.random.default_rng(seed)
    size, vectors = np.linalg.eigh(known.covariance)
    root = vectors * np.sqrt(np.maximum(size, 0.0))
    low, high = np.array([f.bounds[0] for f in known.free]), np.array([f.bounds[1] for f in known.free])
    out: list[dict[str, float]] = []
    for _ in range(1000 * count):
        point = known.point + root @ generator.standard_normal(known.point.size)
        if ((point >= low) & (point <= high)).all():
            out.append(
                {k: float(f"{v:.6g}") for k, v in published(kind, assets, free_values(known.free, point)).items()}
            )
            if len(out) == count:
                return out
    raise RunError(f"of {1000 * count} draws {count} must lie within the bounds of the search, got {len(out)}")
