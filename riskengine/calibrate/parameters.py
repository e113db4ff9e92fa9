"""From the free vector of an optimiser to a law and to a scenario model, for each kind of model that is fitted.

`gbm`, `merton`, `heston` and `bates` share one form here and fit any number of assets; `kou`, `svcj` and
`regime_switching` have their own (`riskengine.calibrate.one_asset`) and fit one.

Structure for several assets.  Bates: one speed kappa and one ratio xi_a^2 / theta_a, so the variances of all assets
move in proportion (a variance correlation of ones) and the joint law stays exact; theta and own jumps per asset; rho
per asset of two, one for all of three and more (hourly returns hardly tell it, and rhos that differ push the residual
correlations apart until they are no correlations); common jumps with one intensity, a mean and sd per asset and one
size correlation, of three and more assets the products l_a l_b of a loading per asset.  Merton is the same without the
variance driver, Heston without jumps, GBM without both.

One asset may have two jump components: small ones under ``jumps_own`` and large ones under ``jumps_common``, which for
one asset is a second component and nothing else.  The sd of the small stays below five hourly standard deviations of
the data and that of the large above, so that the two cannot trade places.

Bounds.  A jump component may not shrink to a point or dissolve into the diffusion: its sd stays above the data's hourly
standard deviation and its intensity below 2,000 a year, away from the spike that makes the likelihood of a mixture
infinite (Kiefer 1978).
"""

from itertools import combinations

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.free import Free
from riskengine.calibrate.moments import ReturnLaw
from riskengine.calibrate.one_asset import FAMILIES
from riskengine.law.joint import JointBatesLaw
from riskengine.roles import HasLaw
from riskengine.scenario.bates import Bates
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.heston import Heston
from riskengine.scenario.jumps import CommonJumps, OwnJumps
from riskengine.scenario.merton import Merton

_JOINT = ("bates", "heston", "merton", "gbm")
KINDS = (*_JOINT, *FAMILIES)
_MOVING = ("bates", "heston")  # variance moves
_JUMPING = ("bates", "merton")
_PAIR_LIMIT = 0.995


def check_kind(kind: str, assets: tuple[str, ...], components: int = 1) -> None:
    """ValueError for a kind that is not fitted, several assets of one that is fitted to one, or too many components."""
    if kind not in KINDS:
        raise ValueError(f"model must be one of {', '.join(KINDS)}, got {kind!r}")
    if kind in FAMILIES and len(assets) > 1:
        raise ValueError(
            f"assets must be one for {kind}, whose joint law has no exact form here, got {', '.join(assets)}: "
            f"{', '.join(_JOINT)} are fitted to several"
        )
    if components not in (1, 2) or (components == 2 and (kind not in _JUMPING or len(assets) > 1)):
        raise ValueError(
            f"jump components must be 1, or 2 for bates or merton of one asset, got {components} for {kind} of "
            f"{', '.join(assets)}"
        )


def free_parameters(kind: str, assets: tuple[str, ...], variance: Floats, components: int = 1) -> list[Free]:
    """Free numbers of a model, given the data's hourly variance per year of every asset.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    assets : tuple of str
    variance : ndarray, shape (A,)
    components : {1, 2}
        Jump components of a world of one asset.

    Raises
    ------
    ValueError
        As `check_kind`.
    """
    check_kind(kind, assets, components)
    if kind in FAMILIES:
        return FAMILIES[kind].free(assets[0], float(variance[0]))
    free, several = [], len(assets) > 1
    if kind in _MOVING:
        free += [Free("kappa", 15.0, 1.0, 200.0, True), Free("variance_ratio", 0.9, 0.05, 4.0, True)]
    share = 0.75 if kind in _JUMPING else 1.0
    free += [Free(f"theta[{a}]", share * v, 0.02 * v, 3.0 * v, True) for a, v in zip(assets, variance, strict=True)]
    if kind in _MOVING:
        # of three and more assets with their own rho the residual correlations are pushed apart until they are none
        names = [f"rho[{a}]" for a in assets] if len(assets) < 3 else ["rho"]
        free += [Free(name, -0.1, -0.9, 0.9) for name in names]
    hour = np.sqrt(variance / 8760.0)
    if kind in _JUMPING:
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
        free += [
            Free(f"residual_correlation[{a},{b}]", 0.8, -_PAIR_LIMIT, _PAIR_LIMIT) for (_, a), (_, b) in _pairs(assets)
        ]
        if kind in _JUMPING and len(assets) == 2:
            free.append(Free("jumps_common.correlation", 0.8, -_PAIR_LIMIT, _PAIR_LIMIT))
        elif kind in _JUMPING:
            free += [Free(f"jumps_common.loading[{a}]", 0.9, 0.0, np.sqrt(_PAIR_LIMIT)) for a in assets]
    return free


def candidate_law(kind: str, assets: tuple[str, ...], values: dict[str, float]) -> ReturnLaw:
    """Exact law at free numbers by name, as moments ask for it: what a search tries."""
    if kind in FAMILIES:
        return FAMILIES[kind].law(assets[0], values)
    return _joint_law(assets, values)


def _joint_law(assets: tuple[str, ...], values: dict[str, float]) -> JointBatesLaw:
    count = len(assets)

    def vector(name: str) -> Floats:
        return np.array([values.get(f"{name}[{a}]", values.get(name, 0.0)) for a in assets])

    rho, theta = vector("rho"), vector("theta")
    correlation = np.eye(count)
    for i, a in enumerate(assets):
        for j in range(i + 1, count):
            free = np.sqrt((1 - rho[i] ** 2) * (1 - rho[j] ** 2))
            pair = rho[i] * rho[j] + free * values[f"residual_correlation[{a},{assets[j]}]"]
            correlation[i, j] = correlation[j, i] = pair
    loading = vector("jumps_common.loading")
    sizes = np.outer(loading, loading) + values.get("jumps_common.correlation", 0.0)
    np.fill_diagonal(sizes, 1.0)
    kappa = values.get("kappa", 0.0)
    return JointBatesLaw(
        theta,
        correlation,
        kappa,
        float(np.sqrt(2.0 * kappa * values.get("variance_ratio", 0.0))),
        rho,
        (values.get("jumps_common.intensity", 0.0), vector("jumps_common.mean"), vector("jumps_common.sd"), sizes),
        (vector("jumps_own.intensity"), vector("jumps_own.mean"), vector("jumps_own.sd")),
    )


def _pairs(assets: tuple[str, ...]):
    """Every pair of assets, each as (position, name)."""
    return combinations(enumerate(assets), 2)


def published(kind: str, assets: tuple[str, ...], values: dict[str, float]) -> dict[str, float]:
    """The parameters as a world file names them: xi for the variance ratio, the correlation for its residual."""
    if kind in FAMILIES:
        return FAMILIES[kind].published(assets[0], values)
    law = _joint_law(assets, values)
    out = {}
    for name, value in values.items():
        if name.startswith("variance_ratio"):
            out |= {f"xi[{a}]": float(law.xi0 * np.sqrt(t)) for a, t in zip(assets, law.theta, strict=True)}
        elif name.startswith("residual_correlation"):
            a, b = name[name.index("[") + 1 : -1].split(",")
            out[f"correlation[{a},{b}]"] = float(law.correlation[assets.index(a), assets.index(b)])
        elif name.startswith("theta") and kind not in _MOVING:
            out["volatility" + name[5:]] = float(np.sqrt(value))
        elif name.startswith("jumps_common.loading"):
            sizes = law.common[3]
            out |= {f"jumps_common.correlation[{a},{b}]": float(sizes[i, j]) for (i, a), (j, b) in _pairs(assets)}
        else:
            out[name] = float(value)
    return out


def published_names(kind: str, assets: tuple[str, ...], free: str) -> tuple[str, ...]:
    """Under which names a free number is published."""
    if kind in FAMILIES:
        return FAMILIES[kind].published_names(assets[0], free)
    if free == "variance_ratio":
        return tuple(f"xi[{a}]" for a in assets)
    if free.startswith("residual_correlation"):
        return (free.removeprefix("residual_"),)
    if free.startswith("jumps_common.loading"):
        named = [(a, b) for (_, a), (_, b) in _pairs(assets) if f"[{a}]" in free or f"[{b}]" in free]
        return tuple(f"jumps_common.correlation[{a},{b}]" for a, b in named)
    if free.startswith("theta") and kind not in _MOVING:
        return ("volatility" + free[5:],)
    return (free,)


def scenario_model(kind: str, assets: tuple[str, ...], numbers: dict[str, float], spot: tuple[float, ...]) -> HasLaw:
    """The scenario model of published `numbers`, drift zero, prices `spot` at time 0."""
    if kind in FAMILIES:
        return FAMILIES[kind].model(assets[0], numbers, spot[0])
    count = len(assets)

    def vector(name: str) -> tuple[float, ...]:
        return tuple(numbers.get(name, numbers.get(f"{name}[{a}]")) for a in assets)

    def matrix(name: str) -> tuple[tuple[float, ...], ...]:
        rows = [[1.0] * count for _ in assets]
        for (i, a), (j, b) in _pairs(assets):
            rows[i][j] = rows[j][i] = numbers[f"{name}[{a},{b}]"]
        return tuple(tuple(row) for row in rows)

    correlation = matrix("correlation")
    start = (assets, tuple(spot), (0.0,) * count)
    if kind == "gbm":
        return Gbm(*start, vector("volatility"), correlation)
    ones = ((1.0,) * count,) * count
    if kind in _MOVING:
        kappa = (numbers["kappa"],) * count
        start += (kappa, vector("theta"), vector("xi"), vector("rho"), "stationary", correlation, ones)
    if kind == "heston":
        return Heston(*start)
    common = None
    if "jumps_common.intensity" in numbers:
        common = CommonJumps(
            numbers["jumps_common.intensity"],
            vector("jumps_common.mean"),
            vector("jumps_common.sd"),
            matrix("jumps_common.correlation") if count > 2 else numbers.get("jumps_common.correlation", 0.0),
        )
    own = OwnJumps(vector("jumps_own.intensity"), vector("jumps_own.mean"), vector("jumps_own.sd"))
    if kind == "merton":
        return Merton(*start, vector("volatility"), correlation, common, own)
    return Bates(*start, common, own)
