"""How `kou`, `svcj` and `regime_switching` are fitted to the returns of one asset: free numbers, law, scenario model.

Common jumps of Kou are tied by a copula, and several SVCJ variances do not move in proportion, so neither has a joint
characteristic function; of one asset the scenario model's own exact law is what the fit compares with the data.

Bounds follow `riskengine.calibrate.parameters`: with s the data's hourly standard deviation, a jump component keeps a
size above s (of Kou, mean sizes above s / 2) and an intensity below 2,000 a year (Kou: 10,000, for exponential sizes
are mostly small), away from the spike of the likelihood.  The two regimes differ by a factor of 1.5 of variance or
more, so that they cannot trade places.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.free import Free
from riskengine.calibrate.moments import ReturnLaw
from riskengine.roles import HasLaw
from riskengine.scenario.cojumps import OwnCoJumps
from riskengine.scenario.jumps import OwnJumps
from riskengine.scenario.kou import Kou, KouOwnJumps
from riskengine.scenario.regime_switching import RegimeSwitching
from riskengine.scenario.svcj import Svcj

_ONE = ((1.0,),)
_REGIMES = ("calm", "stress")


@dataclass(frozen=True, eq=False)
class MarginalLaw:
    """Exact law of a model of one asset in the verbs of `riskengine.calibrate.moments.ReturnLaw`."""

    model: HasLaw

    @lru_cache(maxsize=16)  # noqa: B019 - lives as long as the trial it belongs to
    def _over(self, years: float):
        return self.model.law(self.model.assets[0], years)

    def exponent(self, weights: Floats, s: np.ndarray, years: float) -> np.ndarray:
        """log E[e^{s w X}] at complex `s`, shape of `s`."""
        return self._over(years).exponent(s * weights[0])

    def cumulants(self, weights: Floats, years: float) -> Floats:
        """First four cumulants of w X, shape (4,)."""
        return self._over(years).cumulants() * weights[0] ** np.arange(1, 5)

    def clustering(self, asset: int, lag: float, window: float) -> float:
        """As `riskengine.law.bates.BatesLaw.clustering`."""
        return self._over(window).clustering(lag, window)


class OneAssetFamily(ABC):
    """One kind of model of one asset: free numbers, published parameters, scenario model."""

    @abstractmethod
    def free(self, asset: str, variance: float) -> list[Free]:
        """Free numbers, given the data's hourly variance per year."""

    @abstractmethod
    def published(self, asset: str, values: dict[str, float]) -> dict[str, float]:
        """The parameters as a world file names them."""

    @abstractmethod
    def published_names(self, asset: str, free: str) -> tuple[str, ...]:
        """Under which names a free number is published."""

    @abstractmethod
    def model(self, asset: str, numbers: dict[str, float], spot: float) -> HasLaw:
        """The scenario model of published `numbers`, drift zero, price `spot` at time 0."""

    def law(self, asset: str, values: dict[str, float]) -> ReturnLaw:
        """Exact law at free numbers."""
        return MarginalLaw(self.model(asset, self.published(asset, values), 1.0))


def _jumps(asset: str, hour: float, rate: float = 40.0) -> list[Free]:
    """Free numbers of one component of normal jumps; `hour` is the data's hourly standard deviation."""
    return [
        Free(f"jumps_own.intensity[{asset}]", rate, 0.5, 2000.0, True),
        Free(f"jumps_own.mean[{asset}]", 0.0, -5.0 * hour, 5.0 * hour),
        Free(f"jumps_own.sd[{asset}]", 3.0 * hour, hour, 20.0 * hour, True),
    ]


def _own(asset: str, numbers: dict[str, float], *names: str) -> tuple[tuple[float], ...]:
    """Numbers of the own jumps, each as a vector of one asset."""
    return tuple((numbers[f"jumps_own.{name}[{asset}]"],) for name in names)


class _Kou(OneAssetFamily):
    def free(self, asset: str, variance: float) -> list[Free]:
        hour = float(np.sqrt(variance / 8760.0))
        gentle, steep = 1.0 / (15.0 * hour), 2.0 / hour
        return [
            Free(f"theta[{asset}]", 0.6 * variance, 0.02 * variance, 3.0 * variance, True),
            Free(f"jumps_own.intensity[{asset}]", 300.0, 0.5, 10_000.0, True),
            Free(f"jumps_own.up_share[{asset}]", 0.5, 0.02, 0.98),
            Free(f"jumps_own.eta_up[{asset}]", 0.4 / hour, gentle, steep, True),
            Free(f"jumps_own.eta_down[{asset}]", 0.4 / hour, gentle, steep, True),
        ]

    def published(self, asset: str, values: dict[str, float]) -> dict[str, float]:
        rest = dict(values)
        return {f"volatility[{asset}]": float(np.sqrt(rest.pop(f"theta[{asset}]")))} | rest

    def published_names(self, asset: str, free: str) -> tuple[str, ...]:
        return (free.replace("theta", "volatility"),)

    def model(self, asset: str, numbers: dict[str, float], spot: float) -> Kou:
        own = KouOwnJumps(*_own(asset, numbers, "intensity", "up_share", "eta_up", "eta_down"))
        return Kou((asset,), (spot,), (0.0,), (numbers[f"volatility[{asset}]"],), _ONE, None, own)


class _Svcj(OneAssetFamily):
    def free(self, asset: str, variance: float) -> list[Free]:
        hour = float(np.sqrt(variance / 8760.0))
        return [
            Free("kappa", 15.0, 1.0, 200.0, True),
            Free("variance_ratio", 0.6, 0.05, 4.0, True),
            Free(f"theta[{asset}]", 0.55 * variance, 0.02 * variance, 3.0 * variance, True),
            Free(f"rho[{asset}]", -0.1, -0.9, 0.9),
            *_jumps(asset, hour),
            Free(f"jumps_own.variance_mean[{asset}]", 0.2 * variance, 0.01 * variance, 5.0 * variance, True),
            # a variance jump of the data's variance moves the price by 5 hourly standard deviations at most
            Free(f"jumps_own.slope[{asset}]", 0.0, -5.0 * hour / variance, 5.0 * hour / variance),
        ]

    def published(self, asset: str, values: dict[str, float]) -> dict[str, float]:
        rest = dict(values)
        xi = np.sqrt(2.0 * rest["kappa"] * rest.pop("variance_ratio") * rest[f"theta[{asset}]"])
        return {"kappa": rest.pop("kappa"), f"xi[{asset}]": float(xi)} | rest

    def published_names(self, asset: str, free: str) -> tuple[str, ...]:
        return (f"xi[{asset}]",) if free == "variance_ratio" else (free,)

    def model(self, asset: str, numbers: dict[str, float], spot: float) -> Svcj:
        intensity, mean, sd, extent, slope = _own(asset, numbers, "intensity", "mean", "sd", "variance_mean", "slope")
        diffusion = tuple((numbers[name],) for name in ("kappa", f"theta[{asset}]", f"xi[{asset}]", f"rho[{asset}]"))
        own = OwnCoJumps(intensity, mean, sd, variance_mean=extent, slope=slope)
        return Svcj((asset,), (spot,), (0.0,), *diffusion, "stationary", _ONE, _ONE, None, own)


class _RegimeSwitching(OneAssetFamily):
    def free(self, asset: str, variance: float) -> list[Free]:
        calm, stress = _REGIMES
        return [
            Free("variance_calm", 0.4 * variance, 0.02 * variance, 1.5 * variance, True),
            Free("variance_of_stress_to_calm", 4.0, 1.5, 100.0, True),
            Free(f"generator[{calm},{stress}]", 10.0, 0.3, 1000.0, True),
            Free(f"generator[{stress},{calm}]", 30.0, 0.3, 1000.0, True),
            *_jumps(asset, float(np.sqrt(variance / 8760.0))),
        ]

    def published(self, asset: str, values: dict[str, float]) -> dict[str, float]:
        rest = dict(values)
        calm = rest.pop("variance_calm")
        stress = calm * rest.pop("variance_of_stress_to_calm")
        volatility = zip(_REGIMES, np.sqrt([calm, stress]), strict=True)
        return {f"volatility[{asset},{regime}]": float(v) for regime, v in volatility} | rest

    def published_names(self, asset: str, free: str) -> tuple[str, ...]:
        names = {"variance_calm": _REGIMES, "variance_of_stress_to_calm": _REGIMES[1:]}.get(free)
        return (free,) if names is None else tuple(f"volatility[{asset},{regime}]" for regime in names)

    def model(self, asset: str, numbers: dict[str, float], spot: float) -> RegimeSwitching:
        calm, stress = _REGIMES
        leave, settle = numbers[f"generator[{calm},{stress}]"], numbers[f"generator[{stress},{calm}]"]
        return RegimeSwitching(
            (asset,), (spot,), _REGIMES, ((-leave, leave), (settle, -settle)), (0.0,),
            tuple((numbers[f"volatility[{asset},{regime}]"],) for regime in _REGIMES), _ONE,
            jumps_own=OwnJumps(*_own(asset, numbers, "intensity", "mean", "sd")),
        )  # fmt: skip


FAMILIES: dict[str, OneAssetFamily] = {"kou": _Kou(), "svcj": _Svcj(), "regime_switching": _RegimeSwitching()}
