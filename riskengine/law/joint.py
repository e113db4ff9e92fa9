"""Joint exponent of several log-returns in a world whose variances are proportional: one formula for all its models.

The variances share one driver V with mean 1, v_a = theta_a V, dV = kappa (1 - V) dt + xi0 sqrt(V) dZ.  Then for
X = (X_1, ..., X_A) over T years and s in C^A

    log E[e^{s.X} | V_0] = T (sum_a s_a (mu_a - compensator_a) + jump exponents) + C + B V_0,

with C and B of the Heston law in which a = kappa - xi0 sum_a s_a rho_a sqrt(theta_a) and
Q = sum_a s_a theta_a - sum_ab s_a s_b corr_ab sqrt(theta_a theta_b) stands where s - s^2 stands for one asset.  V_0 has
its stationary Gamma law.  Without a driver (Merton, GBM) V = 1 and the diffusion part is -Q T / 2.

Any fixed combination w.X (one asset, or the spread of two) so has a one-dimensional characteristic function, which the
fit inverts.  References: Duffie, Pan and Singleton, Econometrica 68 (2000); Albrecher et al. (2007) for the form.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats
from riskengine.law.heston import decayed_overlap
from riskengine.roles import ScenarioModel

KINDS = ("gbm", "merton", "heston", "bates")


@dataclass(frozen=True)
class JointBatesLaw:
    """Joint law of gbm, merton, heston and bates worlds of that structure, drift zero (E[S_T] = S_0).

    Attributes
    ----------
    theta : ndarray, shape (A,)
        Mean diffusive variance per year.
    correlation : ndarray, shape (A, A)
        Of the Brownian motions.
    kappa, xi0 : float
        Speed and volatility of the common driver; both 0 where variance does not move.
    rho : ndarray, shape (A,)
        Correlation of each asset with the driver.
    common : tuple (intensity, mean (A,), sd (A,), size correlation (A, A))
    own : tuple (intensity (A,), mean (A,), sd (A,))
    """

    theta: Floats
    correlation: Floats
    kappa: float
    xi0: float
    rho: Floats
    common: tuple[float, Floats, Floats, Floats]
    own: tuple[Floats, Floats, Floats]

    def exponent(self, weights: Floats, s: np.ndarray, years: float) -> np.ndarray:
        """log E[e^{s w.X}] over `years` at complex `s`, shape of `s`; `weights` w has shape (A,)."""
        s = np.asarray(s, dtype=np.complex128)
        w = np.asarray(weights, dtype=np.float64)
        root = np.sqrt(self.theta)
        square = float((w * root) @ self.correlation @ (w * root))
        q = s * float(w @ self.theta) - s * s * square
        jump = self._jumps(w, s)
        if self.xi0 == 0.0:
            return years * (jump - 0.5 * q)
        a = self.kappa - self.xi0 * s * float(w @ (self.rho * root))
        d = np.sqrt(a * a + self.xi0**2 * q)
        total = a + d
        gap = -(self.xi0**2) * q / np.where(total == 0, 1.0, total)  # a - d without cancellation where Re(a) > 0
        decay = -np.expm1(-d * years)
        bottom = 1.0 + gap * decay / (2 * d)
        c = self.kappa / self.xi0**2 * (gap * years - 2 * np.log(bottom))
        b = -q * decay / (2 * d * bottom)
        shape = 2 * self.kappa / self.xi0**2
        return years * jump + c - shape * np.log(1.0 - b / shape)

    def cumulant(self, tilt: Floats, years: float, driver: float = 0.0) -> Floats:
        """log E[e^{s.X + w V_T}] at real tilts, NaN where it is infinite.

        With B(0) = w, r = (a +- d) / xi0^2 and G = (w - r_-) / (w - r_+) the Riccati equation of `exponent` gives
        B = (r_- - r_+ G e^{-dT}) / (1 - G e^{-dT}) and C = kappa (r_- T - 2 / xi0^2 log((1 - G e^{-dT}) / (1 - G))).

        Parameters
        ----------
        tilt : ndarray, shape (N, A)
            s.
        years : float
        driver : float
            w, the weight of the variance driver at the end; its derivative at 0 is the tilted mean of V_T.
        """
        s = np.asarray(tilt, dtype=np.float64)
        root = np.sqrt(self.theta)
        q = s @ self.theta - np.einsum("ni,ij,nj->n", s * root, self.correlation, s * root)
        with np.errstate(over="ignore", invalid="ignore"):
            jump = self._jump_cumulant(s)
        if self.xi0 == 0.0:
            return years * (jump - 0.5 * q) + driver
        square = self.xi0**2
        a = (self.kappa - self.xi0 * (s @ (self.rho * root))).astype(np.complex128)
        d = np.sqrt(a * a + square * q)
        d = np.where(np.abs(d) < 1e-9, 1e-9, d)
        low, high = (a - d) / square, (a + d) / square
        ratio = (driver - low) / (driver - high)
        decayed = ratio * np.exp(-d * years)
        b = (low - high * decayed) / (1.0 - decayed)
        c = self.kappa * (low * years - 2.0 / square * np.log((1.0 - decayed) / (1.0 - ratio)))
        shape = 2.0 * self.kappa / square
        with np.errstate(invalid="ignore", divide="ignore"):
            value = years * jump + (c - shape * np.log(1.0 - b / shape)).real
        return np.where(b.real < shape, value, np.nan)

    def _jump_cumulant(self, s: Floats) -> Floats:
        """Jump part of `cumulant` per year, shape (N,)."""
        intensity, mean, sd, sizes = self.common
        spread = s * sd
        total = intensity * np.expm1(s @ mean + 0.5 * np.einsum("ni,ij,nj->n", spread, sizes, spread))
        total -= s @ (intensity * np.expm1(mean + 0.5 * sd**2))
        rate, m, d = self.own
        return total + (np.expm1(s * m + 0.5 * (s * d) ** 2) - s * np.expm1(m + 0.5 * d**2)) @ rate

    def _jumps(self, w: Floats, s: np.ndarray) -> np.ndarray:
        """Exponent per year of both jump parts with their compensators."""
        intensity, mean, sd, sizes = self.common
        wd = w * sd
        total = intensity * (np.expm1(s * float(w @ mean) + 0.5 * s * s * float(wd @ sizes @ wd)))
        total = total - s * float(w @ (intensity * np.expm1(mean + 0.5 * sd**2)))
        for rate, m, d, weight in zip(*self.own, w, strict=True):
            if rate * weight == 0.0:
                continue
            total = total + rate * np.expm1(s * weight * m + 0.5 * s * s * (weight * d) ** 2)
            total = total - s * (weight * rate * np.expm1(m + 0.5 * d * d))
        return total

    def scale(self, weights: Floats, years: float) -> float:
        """Standard deviation of w.X up to the leverage term."""
        w = np.asarray(weights, dtype=np.float64)
        wr = w * np.sqrt(self.theta)
        intensity, mean, sd, sizes = self.common
        wd = w * sd
        total = wr @ self.correlation @ wr + intensity * ((w @ mean) ** 2 + wd @ sizes @ wd)
        rate, m, d = self.own
        return float(np.sqrt(years * (total + (w * w * rate * (m * m + d * d)).sum())))

    def cumulants(self, weights: Floats, years: float) -> Floats:
        """First four cumulants of w.X, shape (4,): Cauchy integrals of the exponent on a small circle round 0."""
        radius = 0.25 / max(self.scale(weights, years), self._largest_jump(weights))
        z = radius * np.exp(2j * np.pi * (np.arange(32) + 0.5) / 32)
        value = self.exponent(weights, z, years)
        return np.array([f * (value * z**-n).real.mean() for n, f in ((1, 1.0), (2, 2.0), (3, 6.0), (4, 24.0))])

    def clustering(self, asset: int, lag: float, window: float) -> float:
        """Relative covariance of the quadratic variations of one asset over two windows, as `BatesLaw.clustering`."""
        if self.xi0 == 0.0:
            return 0.0
        intensity, mean, sd, _ = self.common
        rate, m, d = self.own
        jumps = intensity * (mean[asset] ** 2 + sd[asset] ** 2) + rate[asset] * (m[asset] ** 2 + d[asset] ** 2)
        share = self.theta[asset] / (self.theta[asset] + jumps)
        return float(share**2 * self.xi0**2 / (2.0 * self.kappa) * decayed_overlap(self.kappa, lag, window))

    def _largest_jump(self, weights: Floats) -> float:
        w = np.abs(weights)
        common = float((w * (np.abs(self.common[1]) + self.common[2])).max())
        return max(common, float((w * (np.abs(self.own[1]) + self.own[2])).max()))


def joint_law(model: ScenarioModel) -> JointBatesLaw:
    """Joint law of a scenario model's returns from its stationary start.

    Raises
    ------
    ValueError
        Where the joint law is not of this form: another kind of model, several variance motions, or a start that is
        not stationary.
    """
    kind, assets = model.kind, len(model.assets)
    if kind not in KINDS:
        raise ValueError(f"the joint law is known for {', '.join(KINDS[:-1])} and {KINDS[-1]}, got {kind}")
    zero = np.zeros(assets)
    kappa, xi0, rho = 0.0, 0.0, zero
    theta = np.square(getattr(model, "volatility", zero))
    if kind in ("heston", "bates"):
        theta, xi, rho = np.array(model.theta), np.array(model.xi), np.array(model.rho)
        kappa, ratio = model.kappa[0], xi / np.sqrt(theta)
        xi0 = float(ratio[0])
        one_motion = np.allclose(model.variance_correlation, 1.0) and np.allclose(model.kappa, kappa, rtol=1e-9)
        # files hold six digits
        if not (model.starts_stationary and one_motion and np.allclose(ratio, xi0, rtol=1e-4)):
            raise ValueError(
                "the joint law is known for variances that move in proportion from a stationary start: one kappa, one "
                "xi^2 / theta, a variance_correlation of ones and initial_variance stationary, got others"
            )
    common, own = getattr(model, "jumps_common", None), getattr(model, "jumps_own", None)
    sizes = np.eye(assets)
    if common is not None:
        sizes = np.full((assets, assets), common.correlation)
        np.fill_diagonal(sizes, 1.0)
    return JointBatesLaw(
        theta,
        np.array(model.correlation),
        kappa,
        xi0,
        rho,
        (0.0, zero, zero, sizes)
        if common is None
        else (common.intensity, np.array(common.mean), np.array(common.sd), sizes),
        (zero, zero, zero) if own is None else tuple(np.array(v) for v in (own.intensity, own.mean, own.sd)),
    )
