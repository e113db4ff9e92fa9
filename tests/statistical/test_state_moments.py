"""State components against their exact stationary moments; tolerance 6 standard errors (family-wise below 1e-4)."""

import numpy as np
from scipy.integrate import quad
from scipy.stats import gamma, norm

from riskengine.market.grid import TimeGrid
from riskengine.market.surface import FactorSurface
from riskengine.random import DrawKeys
from riskengine.scenario.bates import Bates
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.state.borrow_rate import BorrowRate
from riskengine.scenario.state.depth import Depth
from riskengine.scenario.state.perpetual import FundingFormula, PerpetualMarket
from riskengine.scenario.world import World

ONE = ((1.0,),)
GBM = Gbm(("BTC",), (3e4,), (0.0,), (0.8,), ONE)
BATES = Bates(("BTC",), (3e4,), (0.0,), (20.0,), (0.3,), (4.5,), (-0.4,), "stationary", ONE, ONE)
PATHS = 40_000


def sampled(model, part, grid, seed):
    world = World("one", "one", "P", model, FactorSurface.flat((0.8,)), state=(part,))
    return world.sample(grid, 0, PATHS, DrawKeys(seed))


def close(sample, exact):
    """Mean of `sample` within 6 of its standard errors of `exact`."""
    assert abs(sample.mean() - exact) < 6 * sample.std() / np.sqrt(sample.size)


def close_pair(x, y, sd, correlation):
    """Stationary at two times: both variances and the correlation between them."""
    for lane in (x, y):
        close(lane**2, sd**2)
    close(x * y, correlation * sd**2)


def test_depth_noise_is_a_stationary_ou_process():
    part = Depth((0.64,), (0.0,), (0.3,), (4.0,), (0.0,), (0.0,))
    x = np.log(sampled(GBM, part, TimeGrid(7_200, 5), 1).depth_lanes[:, 0])
    close_pair(x[0], x[5], 0.3, 0.5 ** (10 / 4))
    close_pair(x[1], x[2], 0.3, 0.5 ** (2 / 4))


def test_depth_answers_the_stationary_variance():
    """E and sd of -elasticity log((1 + v / usual) / 2) over the Gamma law of v by quadrature."""
    part = Depth((0.3,), (1.5,), (0.0,), (4.0,), (0.0,), (0.0,))
    x = np.log(sampled(BATES, part, TimeGrid(3_600, 2), 2).depth_lanes[:, 0])
    law = gamma(2 * 20.0 * 0.3 / 4.5**2, scale=4.5**2 / (2 * 20.0))

    def moment(n):
        def integrand(p):
            return (-1.5 * np.log((1 + law.ppf(p) / 0.3) / 2)) ** n

        return quad(integrand, 0.0, 1.0, limit=400)[0]

    close(x[0], moment(1))
    close(x[0] ** 2, moment(2))
    # two hours later the QE scheme has kept the stationary law to within the sampling error
    close(x[2], moment(1))


def test_drain_of_a_diffusion():
    """Each step drains a truncated normal; what is left after T steps is a geometric sum of them."""
    steps, half_life, drain, threshold = 8, 4.0, 10.0, 0.005
    part = Depth((0.64,), (0.0,), (0.0,), (half_life,), (drain,), (threshold,))
    x = -np.log(sampled(GBM, part, TimeGrid(3_600, steps), 3).depth_lanes[-1, 0])
    sd, mean = 0.8 / np.sqrt(8760), 0.32 / 8760  # of minus the log-return of an hour
    d = (mean - threshold) / sd
    first = sd * (d * norm.cdf(d) + norm.pdf(d))
    second = sd**2 * ((1 + d * d) * norm.cdf(d) + d * norm.pdf(d))
    a = 0.5 ** (1 / half_life)
    expected = drain * first * (1 - a**steps) / (1 - a)
    variance = drain**2 * (second - first**2) * (1 - a ** (2 * steps)) / (1 - a * a)
    close(x, expected)
    close((x - expected) ** 2, variance)


def test_premium_of_a_diffusion():
    """Own part stationary, the echo of returns building up from time 0, and its correlation with the return."""
    part = PerpetualMarket((2e-4,), (5e-4,), (10.0,), (0.02,), (0.0,), (1.0,), (0.0,), (0.64,))
    paths = sampled(GBM, part, TimeGrid(3_600, 6), 4)
    p, r = paths.basis_lanes[-1, 0], np.log(paths.spot_lanes[-1, 0] / paths.spot_lanes[-2, 0])
    a, sd, mean = 0.5**0.1, 0.8 / np.sqrt(8760), -0.32 / 8760
    expected = 2e-4 + 0.02 * mean * (1 - a**6) / (1 - a)
    close(p, expected)
    close((p - expected) ** 2, 5e-4**2 + 0.02**2 * sd**2 * (1 - a**12) / (1 - a * a))
    close((p - expected) * (r - mean), 0.02 * sd**2)


def test_funding_has_the_moments_of_its_formula():
    """Mean, second moment and covariance over 8 hours; the latter by two-dimensional quadrature of the normal pair."""
    formula = FundingFormula()
    part = PerpetualMarket((2e-4,), (6e-4,), (24.0,), (0.0,), (1e-4,), (1.0,), (0.0,), (0.64,), formula)
    f = sampled(GBM, part, TimeGrid(28_800, 3), 5).funding_lanes[:, 0] / 1095
    z = np.linspace(-9, 9, 36_001)
    weight = norm.pdf(z) * (z[1] - z[0])
    rate = formula.rate(2e-4 + 6e-4 * z)
    for t in (0, 3):
        close(f[t], weight @ rate)
        close(f[t] ** 2, weight @ rate**2)
    # P(rate = interest): the premium lies inside the band
    inside = norm.cdf((6e-4 - 2e-4) / 6e-4) - norm.cdf((-4e-4 - 2e-4) / 6e-4)
    close((np.abs(f[1] - 1e-4) < 1e-12).astype(float), inside)
    rho = 0.5 ** (8 / 24)
    x, w = np.polynomial.hermite_e.hermegauss(200)
    w = w / w.sum()
    second = formula.rate(2e-4 + 6e-4 * (rho * z[:, None] + np.sqrt(1 - rho**2) * x)) @ w
    close(f[0] * f[1], weight @ (rate * second))


def test_basis_noise_widens_with_variance():
    part = PerpetualMarket((0.0,), (0.0,), (24.0,), (0.0,), (2e-4,), (2.0,), (0.5,), (0.3,))
    paths = sampled(BATES, part, TimeGrid(3_600, 1), 6)
    scaled = paths.basis_lanes[:, 0] / np.sqrt((1 + paths.variance_lanes[:, 0] / 0.3) / 2)
    close_pair(scaled[0] / 2e-4, scaled[1] / 2e-4, 1.0, 0.5**0.5)


def test_borrow_rate_is_stationary_lognormal():
    part = BorrowRate((0.03,), (0.4,), (12.0,), (0.0,), (0.64,))
    rate = sampled(GBM, part, TimeGrid(21_600, 2), 7).borrow_rate_lanes[:, 0]
    close(rate[2], 0.03 * np.exp(0.08))
    x = np.log(rate / 0.03)
    close_pair(x[0], x[2], 0.4, 0.5)
