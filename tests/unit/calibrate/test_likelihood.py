"""Maximum likelihood: gradient, spike, intervals and verdicts."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtri

from riskengine.calibrate.identified import flat_direction, not_identified
from riskengine.calibrate.likelihood import Problem, _information, _merton_problem, fit_likelihood, merton_loglik
from riskengine.calibrate.likelihood_kou import kou_law, kou_problem
from riskengine.law.jump import NormalJump
from riskengine.law.kou import DoubleExponentialJump
from riskengine.law.merton import MertonLaw

HOUR = 1 / 8760


def draw(n, seed, sigma=0.5, intensity=150.0, mean=-0.01, sd=0.03):
    rng = np.random.default_rng(seed)
    count = rng.poisson(intensity * HOUR, n)
    drift = (-0.5 * sigma**2 - intensity * np.expm1(mean + 0.5 * sd**2)) * HOUR
    x = drift + sigma * np.sqrt(HOUR) * rng.normal(size=n) + mean * count
    return x + sd * np.sqrt(count) * rng.normal(size=n)


@pytest.fixture(scope="module")
def returns():
    return draw(5_000, 8, intensity=300.0)


def test_value_is_the_density_of_the_law(returns):
    law = MertonLaw(0.2, 0.5, (NormalJump(300.0, -0.01, 0.03),), HOUR)
    assert merton_loglik(returns, HOUR, 0.2, 0.5, 300.0, -0.01, 0.03) == pytest.approx(
        float(np.log(law.pdf(returns)).sum()), rel=1e-12
    )


def test_reference_value():
    cases = json.loads((Path(__file__).parents[2] / "golden" / "statistics.json").read_text(encoding="utf-8"))["cases"]
    (case,) = [c for c in cases if c["name"] == "merton_loglik"]
    i = case["inputs"]
    value = merton_loglik(
        np.array(i["returns"]), i["dt"], i["mu"], i["sigma"], i["lam"], i["jump_mean_log"], i["jump_std_log"]
    )
    assert value == pytest.approx(case["expected"], abs=1e-10)


def test_gradient_is_that_of_the_value(returns):
    problem = _merton_problem(returns[:500], HOUR)
    point = problem.starts[1] + 0.3 * problem.unit
    _, slope = problem.value(point)
    for i, unit in enumerate(problem.unit):
        step = np.zeros(5)
        step[i] = 1e-5 * unit
        change = (problem.value(point + step)[0] - problem.value(point - step)[0]) / (2e-5 * unit)
        assert slope[i] == pytest.approx(change, rel=1e-5, abs=1e-4 / unit)


def test_likelihood_has_no_upper_bound(returns):
    """The spike: the diffusion shrinks onto one observation (Kiefer 1978)."""
    mean = returns.mean()
    values = []
    for sigma in (1e-6, 1e-12, 1e-24):
        # centred on the first observation, all others explained by one jump an hour
        location = returns[0] / HOUR
        drift = location + 0.5 * sigma**2 + 8760 * np.expm1(mean + 0.5 * 0.012**2)
        values.append(merton_loglik(returns, HOUR, drift, sigma, 8760.0, mean, 0.012))
    # the density of that observation grows like one over sigma
    assert np.diff(values) == pytest.approx([6 * np.log(10), 12 * np.log(10)], abs=0.5)


def test_parameters_are_recovered_and_intervals_agree(returns):
    fit = fit_likelihood(returns, HOUR)
    truth = {"volatility": 0.5, "intensity": 300.0, "mean": -0.01, "sd": 0.03}
    z = ndtri(1 - 1e-4 / 4 / 2)
    for name, value in truth.items():
        assert abs(fit.numbers[name] - value) < z * fit.standard_errors[name], name
        low, high = fit.intervals[name]
        assert low < fit.numbers[name] < high
        # profile and information agree where the data decide
        assert high - low == pytest.approx(2 * 1.96 * fit.standard_errors[name], rel=0.15)
        assert all(p.drop >= 0 for p in fit.profiles[name]) and len(fit.profiles[name]) >= 5
    assert fit.unidentified == {} and fit.spike is None
    assert fit.log_likelihood >= merton_loglik(returns, HOUR, 0.0, 0.5, 300.0, -0.01, 0.03)


@pytest.fixture(scope="module")
def double_exponential():
    """Returns of Kou's law drawn jump by jump, and its parameters."""
    rng, n = np.random.default_rng(5), 4000
    truth = {"volatility": 0.5, "intensity": 300.0, "up_share": 0.4, "eta_up": 40.0, "eta_down": 30.0}
    jump = DoubleExponentialJump(300.0, 0.4, 40.0, 30.0)
    count = rng.poisson(300.0 * HOUR, n)
    sizes = np.where(rng.random(count.sum()) < 0.4, rng.exponential(1 / 40, count.sum()), 0.0)
    sizes = np.where(sizes > 0, sizes, -rng.exponential(1 / 30, count.sum()))
    x = (-0.125 - 300.0 * jump.relative_mean) * HOUR + 0.5 * np.sqrt(HOUR) * rng.normal(size=n)
    np.add.at(x, np.repeat(np.arange(n), count), sizes)
    return x, truth


def test_kou_value_and_gradient_are_those_of_the_law(double_exponential):
    x, truth = double_exponential
    problem = kou_problem(x, HOUR)
    point = np.array([0.3, *(np.log(truth[k]) for k in ("volatility", "intensity")), 0.4, np.log(40.0), np.log(30.0)])
    value, slope = problem.value(point)
    assert value == pytest.approx(float(np.log(kou_law(point, HOUR).pdf(x)).sum()), abs=2e-3)
    for i, unit in enumerate(problem.unit):
        step = np.zeros(6)
        step[i] = 1e-4 * unit
        change = (problem.value(point + step)[0] - problem.value(point - step)[0]) / (2e-4 * unit)
        assert slope[i] == pytest.approx(change, rel=1e-4, abs=1e-4 / unit)


def test_kou_parameters_are_recovered(double_exponential):
    x, truth = double_exponential
    fit = fit_likelihood(x, HOUR, "kou")
    z = ndtri(1 - 1e-4 / len(truth) / 2)
    assert fit.unidentified == {} and set(fit.numbers) == {"drift", *truth}
    for name, value in truth.items():
        assert abs(fit.numbers[name] - value) < z * fit.standard_errors[name], name
        assert fit.intervals[name][0] < fit.numbers[name] < fit.intervals[name][1]


def test_what_the_data_do_not_decide_is_said():
    fit = fit_likelihood(draw(400, 3, intensity=1e-9), HOUR)  # no jump happened
    assert {"intensity", "sd"} <= set(fit.unidentified)
    assert {"intensity", "mean", "sd"} & set(fit.flat.split())
    # the valley: somewhere far from the maximum the likelihood is hardly lower
    assert max(abs(np.log(p.value / fit.numbers["intensity"])) for p in fit.profiles["intensity"] if p.drop < 1.92) > 1


def test_a_curvature_of_the_wrong_sign_gives_no_standard_error():
    """400 hours without a jump: where the search ends the information has a negative direction."""
    x = draw(400, 7, intensity=1e-9)
    fit = fit_likelihood(x, HOUR, profile=False)
    jumps = ["volatility", "intensity", "mean", "sd"]
    assert all(np.isnan(fit.standard_errors[n]) and np.isnan(fit.intervals[n]).all() for n in jumps)
    assert all("has no standard error" in fit.unidentified[n] for n in jumps)
    assert np.isfinite(fit.standard_errors["drift"]) and "drift" not in fit.unidentified
    # a profile needs no information: it is there, and the verdict stays
    profiled = fit_likelihood(x, HOUR)
    assert not np.isnan(list(profiled.intervals.values())).any() and profiled.unidentified == fit.unidentified


def test_errors_are_those_of_the_part_of_the_information_that_is_positive():
    """A saddle in two numbers beside a definite pair, in closed form."""
    information = np.array([[4.0, 1.0, 0, 0], [1.0, 2.0, 0, 0], [0, 0, 1.0, 2.0], [0, 0, 2.0, 1.0]])
    problem = Problem(
        ("a", "b", "c", "d"), (False,) * 4, np.full(4, -9.0), np.full(4, 9.0), np.array([1.0, 0.5, 2.0, 1.0]), (),
        lambda p: (-0.5 * p @ information @ p, -information @ p),
    )  # fmt: skip
    sd, _ = _information(problem, np.zeros(4))
    assert sd[:2] == pytest.approx(np.sqrt(np.diag(np.linalg.inv(information[:2, :2]))), rel=1e-9)
    assert np.isnan(sd[2:]).all()


def test_a_likelihood_that_runs_to_the_spike_is_refused(returns):
    stale = np.where(np.random.default_rng(1).random(returns.size) < 0.4, 0.0, returns)
    from riskengine.errors import RunError

    with pytest.raises(RunError, match="runs to its spike.*returns are exactly 0"):
        fit_likelihood(stale, HOUR)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones(50), "at least 100"),
        (np.zeros(500), "must vary: 500 of 500"),
        (np.r_[np.ones(200), np.nan], "finite.*position 200"),
    ],
)
def test_bad_returns_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        fit_likelihood(values, HOUR)
    with pytest.raises(ValueError, match="model must be"):
        fit_likelihood(values, HOUR, "nig")


def test_rule_of_identification():
    numbers = {"jumps_own.sd[A]": 0.03, "jumps_own.variance_mean[A]": 0.1, "sd": 0.02}

    def judge(name, low, high, **options):
        return not_identified(name, numbers, (low, high), **options)

    assert judge("kappa", 1.0, 9.0) == "" and judge("jumps_own.variance_mean[A]", 1.0, 9.0) == ""
    assert "factor of 10" in judge("kappa", 1.0, 11.0)
    assert "open" in judge("volatility[A,calm]", 0.0, 2.0)
    assert "bound" in judge("generator[calm,stress]", 1.0, 1.1, on_bound=True)
    assert judge("rho[A]", -0.4, 0.4) == "" and "half-width" in judge("rho[A]", -0.6, 0.6)
    assert judge("correlation[A,B]", 0.1, 0.9) == "" and "half-width" in judge("jumps_common.correlation", -0.1, 1.0)
    assert judge("up_share", 0.2, 0.6) == "" and "half-width" in judge("jumps_own.up_share[A]", 0.2, 0.8)
    # a jump's mean is held against the sd of that jump and of no other
    assert judge("jumps_own.mean[A]", -0.03, 0.02) == "" and "above 0.02" in judge("mean", -0.03, 0.02)
    # 0.1 of variance times 0.3 is 0.03 of the price
    assert judge("jumps_own.slope[A]", -0.3, 0.2) == "" and "above 0.3" in judge("jumps_own.slope[A]", -0.4, 0.3)
    assert "open" in judge("rho", -np.inf, 0.1) and judge("drift", -np.inf, np.inf) == ""
    assert flat_direction(["a", "b", "c"], [0.1, -0.9, 0.4]) == "b up with c down"
