"""From the free vector of an optimiser to a joint law and to a scenario model, for each kind of model that is fitted.

Structure for several assets.  Bates: one speed kappa and one ratio xi_a^2 / theta_a, so the variances of all assets
move in proportion (a variance correlation of ones) and the joint law stays exact; theta, rho and own jumps per asset;
common jumps with one intensity, a mean and sd per asset and one size correlation.  Merton is the same without the
variance driver, GBM without jumps.

One asset may have two jump components: small ones under ``jumps_own`` and large ones under ``jumps_common``, which for
one asset is a second component and nothing else.  The sd of the small stays below five hourly standard deviations of
the data and that of the large above, so that the two cannot trade places.

Bounds.  A jump component may not shrink to a point or dissolve into the diffusion: its sd stays above the data's hourly
standard deviation and its intensity below 2,000 a year, away from the spike that makes the likelihood of a mixture
infinite (Kiefer 1978).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.joint import JointLaw
from riskengine.scenario.bates import Bates
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.jumps import CommonJumps, OwnJumps
from riskengine.scenario.merton import Merton

KINDS = ("bates", "merton", "gbm")
_PAIR_LIMIT = 0.995


@dataclass(frozen=True)
class Free:
    """One free number: name as in the world file, start, bounds; ``log`` where it is searched on a log scale."""

    name: str
    start: float
    low: float
    high: float
    log: bool = False

    def scaled(self, value: float) -> float:
        """`value` on the scale of the search."""
        return float(np.log(value)) if self.log else value

    @property
    def bounds(self) -> tuple[float, float]:
        """Bounds on the scale of the search."""
        return self.scaled(self.low), self.scaled(self.high)

    @property
    def unit(self) -> float:
        """Size of a change that matters, on the scale of the search."""
        return 0.3 if self.log else 0.1 * (self.high - self.low)


def free_values(free: Sequence[Free], point: Floats) -> dict[str, float]:
    """Free numbers by name at a point of the search."""
    return {f.name: float(np.exp(x) if f.log else x) for f, x in zip(free, point, strict=True)}


def free_parameters(kind: str, assets: tuple[str, ...], variance: Floats, components: int = 1) -> list[Free]:
    """Free numbers of a model, given the data's hourly variance per year of every asset.

    Parameters
    ----------
    kind : {"bates", "merton", "gbm"}
    assets : tuple of str
    variance : ndarray, shape (A,)
    components : {1, 2}
        Jump components of a world of one asset.
    """
    if kind not in KINDS:
        raise ValueError(f"model must be one of {', '.join(KINDS)}, got {kind!r}")
    if components not in (1, 2) or (components == 2 and (kind == "gbm" or len(assets) > 1)):
        raise ValueError(
            f"jump components must be 1, or 2 for bates or merton of one asset, got {components} for {kind} of "
            f"{', '.join(assets)}"
        )
    free, several = [], len(assets) > 1
    if kind == "bates":
        free += [Free("kappa", 15.0, 1.0, 200.0, True), Free("variance_ratio", 0.9, 0.05, 4.0, True)]
    share = 1.0 if kind == "gbm" else 0.75
    free += [Free(f"theta[{a}]", share * v, 0.02 * v, 3.0 * v, True) for a, v in zip(assets, variance, strict=True)]
    if kind == "bates":
        free += [Free(f"rho[{a}]", -0.1, -0.9, 0.9) for a in assets]
    hour = np.sqrt(variance / 8760.0)
    if kind != "gbm":
        if several:
            free.append(Free("jumps_common.intensity", 40.0, 0.5, 500.0, True))
            free += [
                Free(f"jumps_common.mean[{a}]", -0.5 * s, -20 * s, 20 * s) for a, s in zip(assets, hour, strict=True)
            ]
            free += [Free(f"jumps_common.sd[{a}]", 5.0 * s, s, 20 * s, True) for a, s in zip(assets, hour, strict=True)]
        if components == 2:
            a, s = assets[0], hour[0]
            free.append(Free("jumps_common.intensity", 4.0, 0.2, 40.0, True))
            free.append(Free(f"jumps_common.mean[{a}]", 0.0, -20 * s, 20 * s))
            free.append(Free(f"jumps_common.sd[{a}]", 10.0 * s, 5.0 * s, 40 * s, True))
        widest = 5.0 if components == 2 else 20.0
        for a, s in zip(assets, hour, strict=True):
            free.append(Free(f"jumps_own.intensity[{a}]", 40.0, 0.5, 2000.0, True))
            free.append(Free(f"jumps_own.mean[{a}]", 0.0, -5 * s, 5 * s))
            free.append(Free(f"jumps_own.sd[{a}]", 3.0 * s, s, widest * s, True))
    if several:
        names = [(a, b) for i, a in enumerate(assets) for b in assets[i + 1 :]]
        free += [Free(f"residual_correlation[{a},{b}]", 0.8, -_PAIR_LIMIT, _PAIR_LIMIT) for a, b in names]
        if kind != "gbm":
            free.append(Free("jumps_common.correlation", 0.8, -_PAIR_LIMIT if len(assets) == 2 else 0.0, _PAIR_LIMIT))
    return free


def joint_law(kind: str, assets: tuple[str, ...], values: dict[str, float]) -> JointLaw:
    """Law of the parameters by name."""
    count = len(assets)

    def vector(name: str) -> Floats:
        return np.array([values.get(f"{name}[{a}]", 0.0) for a in assets])

    rho, theta = vector("rho"), vector("theta")
    correlation = np.eye(count)
    for i, a in enumerate(assets):
        for j in range(i + 1, count):
            free = np.sqrt((1 - rho[i] ** 2) * (1 - rho[j] ** 2))
            pair = rho[i] * rho[j] + free * values[f"residual_correlation[{a},{assets[j]}]"]
            correlation[i, j] = correlation[j, i] = pair
    sizes = np.eye(count)
    sizes[~np.eye(count, dtype=bool)] = values.get("jumps_common.correlation", 0.0)
    kappa = values.get("kappa", 0.0)
    return JointLaw(
        theta,
        correlation,
        kappa,
        float(np.sqrt(2.0 * kappa * values.get("variance_ratio", 0.0))),
        rho,
        (values.get("jumps_common.intensity", 0.0), vector("jumps_common.mean"), vector("jumps_common.sd"), sizes),
        (vector("jumps_own.intensity"), vector("jumps_own.mean"), vector("jumps_own.sd")),
    )


def published(kind: str, assets: tuple[str, ...], values: dict[str, float]) -> dict[str, float]:
    """The parameters as a world file names them: xi for the variance ratio, the correlation for its residual."""
    law = joint_law(kind, assets, values)
    out = {}
    for name, value in values.items():
        if name.startswith("variance_ratio"):
            out |= {f"xi[{a}]": float(law.xi0 * np.sqrt(t)) for a, t in zip(assets, law.theta, strict=True)}
        elif name.startswith("residual_correlation"):
            a, b = name[name.index("[") + 1 : -1].split(",")
            out[f"correlation[{a},{b}]"] = float(law.correlation[assets.index(a), assets.index(b)])
        elif name.startswith("theta") and kind != "bates":
            out["volatility" + name[5:]] = float(np.sqrt(value))
        else:
            out[name] = float(value)
    return out


def published_names(kind: str, assets: tuple[str, ...], free: str) -> tuple[str, ...]:
    """Under which names a free number is published."""
    if free == "variance_ratio":
        return tuple(f"xi[{a}]" for a in assets)
    if free.startswith("residual_correlation"):
        return (free.removeprefix("residual_"),)
    if free.startswith("theta") and kind != "bates":
        return ("volatility" + free[5:],)
    return (free,)


def is_positive(name: str) -> bool:
    """Whether a published parameter is positive, hence judged by factors."""
    return not (name.startswith(("rho", "correlation")) or ".mean" in name or ".correlation" in name)


def scenario_model(
    kind: str, assets: tuple[str, ...], numbers: dict[str, float], spot: tuple[float, ...]
) -> "Bates | Merton | Gbm":
    """The scenario model of published `numbers`, drift zero, prices `spot` at time 0."""
    count = len(assets)

    def vector(name: str) -> tuple[float, ...]:
        return tuple(numbers[f"{name}[{a}]"] for a in assets)

    matrix = [[1.0] * count for _ in assets]
    for i in range(count):
        for j in range(i + 1, count):
            matrix[i][j] = matrix[j][i] = numbers[f"correlation[{assets[i]},{assets[j]}]"]
    correlation = tuple(tuple(row) for row in matrix)
    start = (assets, tuple(spot), (0.0,) * count)
    if kind == "gbm":
        return Gbm(*start, vector("volatility"), correlation)
    common = None
    if "jumps_common.intensity" in numbers:
        common = CommonJumps(
            numbers["jumps_common.intensity"],
            vector("jumps_common.mean"),
            vector("jumps_common.sd"),
            numbers.get("jumps_common.correlation", 0.0),
        )
    own = OwnJumps(vector("jumps_own.intensity"), vector("jumps_own.mean"), vector("jumps_own.sd"))
    if kind == "merton":
        return Merton(*start, vector("volatility"), correlation, common, own)
    ones = ((1.0,) * count,) * count
    kappa = (numbers["kappa"],) * count
    return Bates(
        *start, kappa, vector("theta"), vector("xi"), vector("rho"), "stationary", correlation, ones, common, own
    )
