"""First passage: closed form, Kou by two inversions, looks at intervals, and the bridge between them."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtri

from riskengine.errors import RunError
from riskengine.law.bridge import bridge_crossing, bridge_lanes, merton_passage
from riskengine.law.first_passage import KouPassage, gbm_passage
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw
from riskengine.law.monitoring import CONTINUITY, monitored_passage, shifted_barrier

MONTH = 30.0 / 365.0
KOU = KouPassage(0.05, 0.6, 30.0, 0.4, 20.0, 15.0)
# simulated figures below: 12 comparisons, family-wise 1e-4
Z = float(ndtri(1 - 1e-4 / 12 / 2))


@pytest.mark.parametrize("barrier", [0.5, 0.8, 0.99, 1.01, 1.6])
@pytest.mark.parametrize("drift", [-0.4, 0.0, 0.8])
def test_gbm_against_the_density_of_the_passage_time(barrier, drift):
    b, nu, s = np.log(barrier), drift - 0.5 * 0.6**2, 0.6
    density = lambda t: abs(b) / (s * np.sqrt(2 * np.pi * t**3)) * np.exp(-((b - nu * t) ** 2) / (2 * s * s * t))  # noqa: E731
    # in log time the density is smooth at both ends
    expected = quad(
        lambda y: density(np.exp(y)) * np.exp(y), np.log(MONTH) - 25, np.log(MONTH), epsabs=1e-14, limit=400
    )
    assert gbm_passage(barrier, drift, s, MONTH) == pytest.approx(expected[0], rel=1e-9)


def test_kou_wang_table():
    # table of Kou and Wang (2003): the log-price drifts at 0.1 between jumps, barrier 0.3 above, one year
    up, down, s, lam = 1 / 0.02, 1 / 0.03, 0.2, 3.0
    mean = 0.5 * up / (up - 1) + 0.5 * down / (down + 1) - 1
    law = KouPassage(0.1 + 0.5 * s * s + lam * mean, s, lam, 0.5, up, down)
    assert law.log_drift == pytest.approx(0.1, abs=1e-15)
    assert law.probability(np.exp(0.3), 1.0) == pytest.approx(0.25584, abs=5e-6)


@pytest.mark.parametrize("barrier", [0.5, 0.8, 0.99, 1.01, 1.6])
@pytest.mark.parametrize("horizon", [1 / 8760, MONTH, 3.0])
def test_kou_without_jumps_to_speak_of_is_gbm(barrier, horizon):
    law = KouPassage(0.1, 0.6, 1e-12, 0.3, 20.0, 15.0)
    assert law.probability(barrier, horizon) == pytest.approx(float(gbm_passage(barrier, 0.1, 0.6, horizon)), abs=2e-11)
    bare = KouPassage(0.1, 0.6, 0.0, 0.3, 20.0, 15.0)
    assert bare.probability(barrier, horizon) == float(gbm_passage(barrier, 0.1, 0.6, horizon))


def kou_paths(law, horizon, paths, generator):
    """Knots of a double-exponential jump diffusion and the variance between them; zero for a jump."""
    count = generator.poisson(law.intensity * horizon, paths)
    most = int(count.max())
    time = np.sort(np.where(np.arange(most)[:, None] < count, generator.random((most, paths)), 1.0), axis=0)
    edge = np.concatenate([np.zeros((1, paths)), time, np.ones((1, paths))]) * horizon
    up = generator.random((most, paths)) < law.up_share
    size = generator.exponential(1.0, (most, paths)) * np.where(up, 1 / law.eta_up, -1 / law.eta_down)
    step, variance = np.zeros((2 * most + 1, paths)), np.zeros((2 * most + 1, paths))
    variance[::2] = law.sigma**2 * np.diff(edge, axis=0)
    step[::2] = law.log_drift * np.diff(edge, axis=0) + np.sqrt(variance[::2]) * generator.standard_normal(
        edge[1:].shape
    )
    step[1::2] = np.where(time < 1.0, size, 0.0)
    return np.concatenate([np.zeros((1, paths)), np.cumsum(step, axis=0)]), variance


@pytest.mark.parametrize("barrier", [0.8, 1.25])
def test_bridge_between_jumps_finds_kou_passages(barrier):
    paths = 200_000
    x, variance = kou_paths(KOU, MONTH, paths, np.random.default_rng(20260901))
    _, crossed = bridge_crossing(x, np.log(barrier), variance, below=barrier < 1)
    error = crossed.std() / np.sqrt(paths)
    assert abs(crossed.mean() - KOU.probability(barrier, MONTH)) < Z * error
    # looking at the knots alone misses a good part of them
    seen = ((x - np.log(barrier)) * (1 if barrier < 1 else -1) <= 0).any(axis=0)
    assert seen.mean() < crossed.mean() - 10 * error


@pytest.mark.parametrize("steps", [1, 30])
@pytest.mark.parametrize("barrier", [0.8, 1.25])
def test_bridge_on_a_simulators_grid_finds_gbm_passages(steps, barrier):
    paths = 100_000
    generator, dt = np.random.default_rng(20260902), MONTH / steps
    moves = -0.5 * 0.36 * dt + 0.6 * np.sqrt(dt) * generator.standard_normal((steps, paths))
    x = np.concatenate([np.zeros((1, paths)), np.cumsum(moves, axis=0)])
    piece, path = bridge_crossing(x, np.log(barrier), np.full(steps, 0.36 * dt), below=barrier < 1)
    assert abs(path.mean() - float(gbm_passage(barrier, 0.0, 0.6, MONTH))) < Z * path.std() / np.sqrt(paths)
    np.testing.assert_allclose(path, 1 - np.prod(1 - piece, axis=0), atol=1e-14)


def test_a_barrier_that_rises_with_interest():
    # a straight line in log price is a level barrier for the path less the line
    generator, steps, paths, rate = np.random.default_rng(20260903), 10, 500, 0.3
    dt = MONTH / steps
    time = dt * np.arange(steps + 1)
    x = np.concatenate(
        [np.zeros((1, paths)), np.cumsum(0.6 * np.sqrt(dt) * generator.standard_normal((steps, paths)), 0)]
    )
    line = bridge_crossing(x, -0.1 + rate * time, np.full(steps, 0.36 * dt))[1]
    level = bridge_crossing(x - rate * time[:, None], -0.1, np.full(steps, 0.36 * dt))[1]
    np.testing.assert_allclose(line, level, rtol=1e-12)


def test_bridge_kernel_is_its_python_source():
    generator = np.random.default_rng(7)
    x = np.cumsum(generator.normal(0, 0.05, (6, 300)), axis=0)
    x[3, 17] = np.nan
    variance = np.where(generator.random((5, 300)) < 0.3, 0.0, 0.0025)
    line = np.full(6, -0.08)
    out = [(np.empty((5, 300)), np.empty(300)) for _ in range(2)]
    bridge_lanes(x, line, variance, 1.0, *out[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        near, far = x[:-1] + 0.08, x[1:] + 0.08
        expected = np.where(variance > 0, np.exp(-2 * near * far / variance), 0.0)
        expected = np.where((near <= 0) | (far <= 0), 1.0, expected)
    expected[2:4, 17] = np.nan
    np.testing.assert_allclose(out[0][0], expected, rtol=1e-13)
    assert np.isnan(out[0][1][17]) and np.isfinite(np.delete(out[0][1], 17)).all()
    # lanes do not depend on their neighbours
    bridge_lanes(
        np.ascontiguousarray(x[:, 5:261]),
        line,
        np.ascontiguousarray(variance[:, 5:261]),
        1.0,
        out[1][0][:, :256].copy(),
        out[1][1][:256],
    )
    np.testing.assert_array_equal(out[1][1][:256], out[0][1][5:261])


def test_watching_daily_or_hourly_misses_liquidations():
    """A 20 % drop within 30 days at 60 %: 21.70 % watched all the time, 20.93 % hourly, 18.26 % daily."""
    found, corrected = {}, {}
    for name, steps in (("hourly", 720), ("daily", 30)):
        law = MertonLaw(0.0, 0.6, (), MONTH / steps)
        found[name] = monitored_passage(law, 0.8, steps)
        assert monitored_passage(law, 0.8, steps, nodes=16) == pytest.approx(found[name], rel=1e-11)
        corrected[name] = float(gbm_passage(shifted_barrier(0.8, 0.6, MONTH / steps), 0.0, 0.6, MONTH))
    assert float(gbm_passage(0.8, 0.0, 0.6, MONTH)) == pytest.approx(0.2170, abs=5e-5)
    assert found == pytest.approx({"hourly": 0.2093, "daily": 0.1826}, abs=5e-5)
    assert corrected == pytest.approx({"hourly": 0.2092, "daily": 0.1806}, abs=5e-5)
    # the error of the correction is of higher order: 0.2 points daily, under 0.01 hourly
    assert 0.0019 < found["daily"] - corrected["daily"] < 0.0021
    assert 0.00008 < found["hourly"] - corrected["hourly"] < 0.00009


def test_continuity_constant_is_the_zeta_value():
    n = np.arange(1, 2_000_001, dtype=float)
    # zeta(1/2) by Euler-Maclaurin
    zeta = (1 / np.sqrt(n)).sum() - 2 * np.sqrt(n[-1]) - 0.5 / np.sqrt(n[-1])
    assert -zeta / np.sqrt(2 * np.pi) == pytest.approx(CONTINUITY, abs=1e-9)
    assert shifted_barrier(shifted_barrier(0.8, 0.6, 0.01), 0.6, 0.01, outward=False) == pytest.approx(0.8)


@pytest.mark.parametrize("barrier", [0.85, 1.2])
def test_one_and_two_looks_by_the_law_itself(barrier):
    law = MertonLaw(0.1, 0.6, (NormalJump(30.0, -0.02, 0.06),), 1 / 365)
    beyond = law.cdf if barrier < 1 else law.survival
    b = np.log(barrier)
    assert monitored_passage(law, barrier, 1) == pytest.approx(float(beyond(b)), rel=1e-13)
    ends = (b, b + 0.5) if barrier < 1 else (b - 0.5, b)
    second = quad(lambda x: float(law.pdf(x) * beyond(b - x)), *ends, epsabs=1e-14, limit=400, points=[0.0])[0]
    assert monitored_passage(law, barrier, 2) == pytest.approx(float(beyond(b)) + second, rel=1e-8)


def test_merton_passage_is_the_limit_of_looking_ever_more_often():
    jumps = (NormalJump(30.0, -0.02, 0.06), NormalJump(3.0, 0.1, 0.02))
    for barrier in (0.8, 1.25):
        reference = merton_passage(MertonLaw(0.0, 0.6, jumps, MONTH), barrier, paths=1 << 16, seed=4)
        looks = []
        for steps in (45, 90):
            dt = MONTH / steps
            law = MertonLaw(0.0, 0.6, jumps, dt)
            looks.append(monitored_passage(law, float(shifted_barrier(barrier, 0.6, dt, outward=False)), steps))
        # what the shift leaves is of order dt: the two differ by as much as the finer one is still wrong, at most
        allowed = abs(looks[1] - looks[0])
        assert allowed < 0.002
        assert abs(reference.value - looks[1]) < Z * reference.std_error + allowed
        assert reference.method == "reference, 16 replicates, t"
    still = merton_passage(MertonLaw(0.0, 0.6, (), MONTH), 0.8, paths=1 << 17, seed=5)
    assert abs(still.value - float(gbm_passage(0.8, 0.0, 0.6, MONTH))) < Z * still.std_error


def test_what_has_no_answer_is_named():
    with pytest.raises(RunError, match="must agree to 1e-09 by two inversions"):
        # drift of 10 a year against a volatility of 5 %: the passage time is all but certain
        KouPassage(0.0, 0.05, 300.0, 0.0, 20.0, 15.0).probability(1.2, 1 / 365)
    assert KOU.probability(1.0, 1.0) == 1.0 and gbm_passage(1.0, 0.0, 0.6, 1.0) == 1.0
    assert monitored_passage(MertonLaw(0.0, 0.6, (), 0.01), 1.0, 3) == 1.0
    with pytest.raises(ValueError, match="barrier must hold positive multiples of the spot"):
        gbm_passage(-0.8, 0.0, 0.6, 1.0)
    with pytest.raises(ValueError, match=r"eta_up must lie in \(1"):
        KouPassage(0.0, 0.6, 1.0, 0.5, 1.0, 5.0)
    with pytest.raises(RunError, match="the grid must have at most 60000 nodes"):
        monitored_passage(MertonLaw(0.0, 0.001, (NormalJump(10.0, 0.0, 0.5),), 1e-6), 0.8, 10**6)
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        monitored_passage(MertonLaw(0.0, 0.6, (), 0.01), 0.8, 0)
    with pytest.raises(ValueError, match="variance must hold non-negative numbers, got -1"):
        bridge_crossing([[0.0], [0.0]], -0.1, [-1.0])
    with pytest.raises(ValueError, match="other than 1, got 1.0"):
        merton_passage(MertonLaw(0.0, 0.6, (), 0.01), 1.0)
