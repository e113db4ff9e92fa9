"""The particle filter against likelihoods known by other routes: no variance motion, quadrature, the exact law."""

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import gamma, ncx2, norm

from riskengine.calibrate.likelihood import merton_loglik
from riskengine.calibrate.particle import filter_variance
from riskengine.law.bates import BatesLaw
from riskengine.law.jump import NormalJump

HOUR = 1 / 8760
JUMP = NormalJump(100.0, -0.01, 0.03)


def test_without_variance_motion_it_is_the_likelihood_of_merton():
    x = np.random.default_rng(1).normal(size=300) * 0.006
    x[3], x[77] = 0.08, -0.05
    law = BatesLaw(0.1, 10.0, 0.25, 1e-5, 0.0, (JUMP,), HOUR)
    found = filter_variance(law, x, particles=50, runs=2)
    assert found.log_likelihood == pytest.approx(merton_loglik(x, HOUR, 0.1, 0.5, 100.0, -0.01, 0.03), abs=1e-4)
    assert found.mean == pytest.approx(np.full(300, 0.25), rel=1e-3)
    # and where only some steps are observed, of those
    seen = np.arange(300) % 3 > 0
    part = filter_variance(law, np.where(seen, x, 99.0), seen, particles=50, runs=2)
    assert part.log_likelihood == pytest.approx(merton_loglik(x[seen], HOUR, 0.1, 0.5, 100.0, -0.01, 0.03), abs=1e-4)
    assert part.observations == seen.sum() and np.isnan(part.pit[~seen]).all()


def quadrature_filter(law, returns, nodes):
    """Log-likelihood and last filtered mean by recursion over a grid, with the exact transition of the variance."""
    kappa, theta, xi, rho, dt = law.kappa, law.theta, law.xi, law.rho, law.horizon
    node, weight = np.polynomial.legendre.leggauss(nodes)
    y = 0.5 * (node + 1)
    v, w = 3.0 * y**2, 0.5 * weight * 3.0 * 2 * y
    shape = 2 * kappa * theta / xi**2
    p = gamma.pdf(v, shape, scale=theta / shape) * w
    c = xi**2 * -np.expm1(-kappa * dt) / (4 * kappa)
    moves = ncx2.pdf(v / c, 2 * shape, v[:, None] * np.exp(-kappa * dt) / c) / c * w
    area = dt * 0.5 * (v[:, None] + v)
    (jump,) = law.jumps
    centre = (law.drift - jump.intensity * jump.relative_mean) * dt + (kappa * rho / xi - 0.5) * area
    centre = centre + rho / xi * (v - v[:, None] - kappa * theta * dt)
    total, rate = 0.0, jump.intensity * dt
    for r in returns:
        density = np.zeros_like(moves)
        probability = np.exp(-rate)
        for n in range(10):
            density += probability * norm.pdf(r, centre + n * jump.mean, np.sqrt((1 - rho**2) * area + n * jump.sd**2))
            probability *= rate / (n + 1)
        q = p @ (moves * density)
        total += np.log(q.sum())
        p = q / q.sum()
    return total, float(p @ v)


def test_likelihood_and_state_against_quadrature():
    law = BatesLaw(0.0, 10.0, 0.3, 1.2, -0.5, (NormalJump(20.0, -0.03, 0.05),), 1 / 365)
    x = np.random.default_rng(7).normal(size=20) * 0.03
    x[11] = -0.13
    exact, state = quadrature_filter(law, x, 200)
    assert quadrature_filter(law, x, 300)[0] == pytest.approx(exact, abs=1e-6)
    found = filter_variance(law, x, particles=4000, runs=12)
    z = ndtri(1 - 1e-4 / 2)
    assert abs(found.log_likelihood - exact) < z * found.monte_carlo_error < 0.1
    # the state is known to sd / sqrt(effective draws); a tenth of the particles is a safe count of those
    assert abs(found.mean[-1] - state) < z * found.sd[-1] / np.sqrt(4000 * 12 / 10)


@pytest.mark.parametrize("x", [0.01, -0.05])
def test_one_step_is_the_density_of_the_exact_law(x):
    law = BatesLaw(0.0, 20.0, 0.3, 2.5, -0.4, (NormalJump(60.0, -0.003, 0.03),), HOUR)
    found = filter_variance(law, np.array([x]), particles=20_000, runs=10)
    # 1e-3: the step's average variance is taken as that of its ends
    assert found.log_likelihood == pytest.approx(np.log(float(law.pdf(x))), abs=4 * found.monte_carlo_error + 1e-3)


def test_forecasts_are_calibrated_and_the_state_is_covered_by_its_own_error():
    """Returns and variances from the exact transitions, not from the filter's scheme."""
    law = BatesLaw(0.0, 20.0, 0.3, 3.0, -0.4, (JUMP,), 1 / 730)
    rng, n, dt = np.random.default_rng(12), 3000, 1 / 730
    c = law.xi**2 * -np.expm1(-law.kappa * dt) / (4 * law.kappa)
    v, state, x = 0.3, np.empty(n), np.empty(n)
    for t in range(n):
        after = c * rng.noncentral_chisquare(4 * law.kappa * law.theta / law.xi**2, v * np.exp(-law.kappa * dt) / c)
        area = 0.5 * dt * (v + after)
        count = rng.poisson(JUMP.intensity * dt)
        x[t] = -JUMP.intensity * JUMP.relative_mean * dt + (law.kappa * law.rho / law.xi - 0.5) * area
        x[t] += law.rho / law.xi * (after - v - law.kappa * law.theta * dt)
        x[t] += np.sqrt((1 - law.rho**2) * area) * rng.normal()
        x[t] += count * JUMP.mean + np.sqrt(count) * JUMP.sd * rng.normal()
        state[t] = v = after
    found = filter_variance(law, x, particles=400, runs=2)
    assert found.pit_distance()[1] > 1e-4
    score = ((state - found.mean) / found.sd) ** 2
    # squared errors of a skewed posterior, correlated over weeks: about n / 40 independent ones of variance below 6
    assert abs(score.mean() - 1) < 4 * np.sqrt(6 / (n / 40))
    assert np.corrcoef(state, found.mean)[0, 1] > 0.7
    low, high = found.quantiles([0.05, 0.95])
    assert low < found.mean[-1] < high
    wrong = filter_variance(BatesLaw(0.0, 20.0, 0.6, 3.0, -0.4, (JUMP,), 1 / 730), x, particles=400, runs=2)
    assert wrong.log_likelihood < found.log_likelihood - 20


def test_same_seed_same_bits_and_bad_input():
    law = BatesLaw(0.0, 20.0, 0.3, 3.0, -0.4, (JUMP,), HOUR, variance=0.2)
    x = np.full(300, 0.001)
    first, second = (filter_variance(law, x, particles=50, runs=2) for _ in range(2))
    assert (first.mean == second.mean).all() and first.log_likelihood == second.log_likelihood
    for bad, seen, message in ((np.r_[x, np.nan], None, "finite.*step 300"), (x, np.zeros(300, bool), "at least one")):
        with pytest.raises(ValueError, match=message):
            filter_variance(law, bad, seen)
    with pytest.raises(ValueError, match="particles"):
        filter_variance(law, x, particles=1)
