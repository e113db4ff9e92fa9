"""Estimators against independent routes: other software, other optimisers, integrals, brute force."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import linprog, minimize
from scipy.special import digamma, ndtri, polygamma
from scipy.stats.mstats import hdquantiles

from riskengine.estimate import LaneFigure, LaneTails
from riskengine.estimator import garch_filtered
from riskengine.estimator.adaptive_conformal import AdaptiveConformalEstimator, walk
from riskengine.estimator.age_weighted import AgeWeightedEstimator, age_weights
from riskengine.estimator.caviar import CaviarEstimator, objective
from riskengine.estimator.cornish_fisher import CornishFisherEstimator, quantile_terms, shortfall_terms
from riskengine.estimator.ewma import EwmaEstimator
from riskengine.estimator.filtered_historical import FilteredHistoricalEstimator, ewma_variances
from riskengine.estimator.garch_filtered import GarchFilteredEstimator
from riskengine.estimator.harrell_davis import HarrellDavisEstimator, quantile_weights, shortfall_weights
from riskengine.estimator.historical import HistoricalEstimator
from riskengine.estimator.isotonic_recalibration import IsotonicRecalibrationEstimator, correct, two_sided
from riskengine.estimator.model_monte_carlo import ModelMonteCarloEstimator, log_posterior, posterior_draws, tails
from riskengine.estimator.pot_gpd import PotGpdEstimator, fit_excesses, tail_quantile, tail_shortfall
from riskengine.estimator.quantile_regression import QuantileRegressionEstimator, fit_line, pinball_sum
from riskengine.estimator.split_conformal import SplitConformalEstimator
from riskengine.estimator.student_t import StudentTEstimator, digammas, maximise, shortfall_factor
from riskengine.scenario.variance_filter import Recursion
from riskengine.stats.quantile import expected_shortfall

NORMAL = np.random.default_rng(6).standard_normal(300)
SAMPLE = np.random.default_rng(81).standard_t(4, 600) * 0.02


def test_digamma_and_trigamma():
    for x in (0.17, 0.5, 1.0, 3.3, 11.9, 12.1, 500.0):
        assert digammas(x) == pytest.approx((digamma(x), float(polygamma(1, x))), rel=1e-12)


@pytest.mark.parametrize("df", [2.5, 5.0, 40.0])
def test_student_t_is_the_maximum_that_scipy_finds(df):
    x = np.random.default_rng(5).standard_t(df, (4, 300)) * 0.03 + 0.001
    out = np.empty((4, 4))
    maximise(x, 0.0, out)
    for lane, (m, s, nu, found) in zip(x, out, strict=True):
        assert found == 1.0
        best = minimize(
            lambda v, lane=lane: -stats.t.logpdf(lane, np.exp(v[2]), v[0], np.exp(v[1])).sum(),
            (np.median(lane), np.log(lane.std() * 0.8), np.log(6.0)),
            method="Nelder-Mead",
            options={"xatol": 1e-7, "fatol": 1e-10, "maxiter": 4000},
        )
        ours = stats.t.logpdf(lane, nu, m, s).sum()
        # where scipy runs beyond the end of the range, the likelihood there is no better to four digits
        assert ours >= -best.fun - (1e-7 if best.x[2] < np.log(1000) else 1e-2)


def test_student_t_with_given_degrees_and_on_normal_losses():
    out = np.empty((1, 4))
    maximise(SAMPLE[None, :], 4.0, out)
    m, s = (lambda f: (f[1], f[2]))(stats.t.fit(SAMPLE, f0=4.0))
    assert stats.t.logpdf(SAMPLE, 4.0, *out[0, :2]).sum() >= stats.t.logpdf(SAMPLE, 4.0, m, s).sum() - 1e-9
    flat = ndtri((np.arange(400) + 0.5) / 400)  # lighter tails than any t
    var, _ = StudentTEstimator().fit(flat, 0.99)
    assert var.value == pytest.approx(flat.std() * ndtri(0.99), rel=5e-3)
    assert StudentTEstimator(5.0, "deviation").fit(SAMPLE, 0.99)[0].value == pytest.approx(
        SAMPLE.mean() + SAMPLE.std(ddof=1) * np.sqrt(3 / 5) * stats.t.ppf(0.99, 5)
    )


def test_shortfall_is_the_mean_of_the_quantiles_beyond():
    level, p = 0.97, 0.03
    for nu in (1.5, 4.0, 30.0):
        mean = quad(lambda u, nu=nu: stats.t.isf(u, nu), 0, p, epsabs=1e-12, limit=400)[0] / p
        assert float(shortfall_factor(np.array(nu), level)) == pytest.approx(mean, rel=1e-5)
    z, moments = float(ndtri(level)), np.array([1.0, 0.4, 1.3, 0.16])
    mean = quad(lambda u: quantile_terms(float(ndtri(u)), 0.0) @ moments, level, 1, epsabs=1e-12, limit=400)[0] / p
    assert shortfall_terms(z, p) @ moments == pytest.approx(mean, rel=1e-7)
    for xi in (-0.3, 0.0, 1e-10, 0.4):
        mean = quad(lambda u, xi=xi: float(tail_quantile(0.1, xi, 0.02, u / 0.1)), 0, p, limit=400)[0] / p
        assert float(tail_shortfall(0.1, xi, 0.02, p / 0.1)) == pytest.approx(mean, rel=1e-6)


def test_generalised_pareto_fit_is_the_maximum_that_scipy_finds():
    y = stats.genpareto.rvs(np.array([-0.2, 0.0, 0.3, 0.9])[:, None], size=(4, 60), random_state=3) * 0.01
    out = np.empty((4, 2))
    fit_excesses(y, out)
    for lane, (xi, b) in zip(y, out, strict=True):
        shape, _, scale = stats.genpareto.fit(lane, floc=0)
        theirs = stats.genpareto.logpdf(lane, shape, 0, scale).sum()
        assert stats.genpareto.logpdf(lane, xi, 0, b).sum() >= theirs - 1e-8


def test_no_local_maximum_is_refused():
    """Excesses piled up at the largest: the likelihood rises all the way to its spike."""
    y = np.append(np.linspace(0.9, 1.0, 19), 1.0)[None, :]
    out = np.empty((1, 2))
    fit_excesses(y, out)
    assert np.isnan(out).all()
    x = np.concatenate([np.linspace(-1.0, 0.0, 180), y[0]])
    var, es = PotGpdEstimator().fit(x, 0.99)
    assert np.isnan(var.value) and np.isnan(es.value) and "no local maximum" in var.method


def test_harrell_davis_is_that_of_scipy_and_its_error_a_jackknife():
    x = np.sort(SAMPLE[:80])
    var, es = HarrellDavisEstimator().fit(x, 0.95)
    assert var.value == pytest.approx(float(hdquantiles(x, [0.95])[0]), rel=1e-12)

    def weights(n, level, of=quantile_weights):
        own = of(n, level)
        return np.pad(own.weight, (own.first, n - own.first - own.weight.size))

    left_out = [np.delete(x, i) @ weights(79, 0.95) for i in range(80)]
    assert var.std_error == pytest.approx(np.sqrt(79 / 80 * np.square(left_out - np.mean(left_out)).sum()))
    assert shortfall_weights(80, 0.95).weight.sum() == pytest.approx(1.0)
    mean = quad(lambda u: x @ weights(80, u), 0.95, 1, limit=200)[0] / 0.05
    assert es.value == pytest.approx(mean, rel=1e-7)


def test_age_weights_by_repetition_and_in_the_limit_of_equal_ones():
    x = np.array([5.0, 1.0, 4.0, 2.0, 3.0])
    weight = age_weights(5, 0.5)  # 1, 2, 4, 8, 16 in 31 parts
    repeated = np.repeat(x, np.round(31 * weight).astype(int))
    value, _, _ = AgeWeightedEstimator(0.5).fit_lanes(x[:, None], 0.9).var
    assert value[0] == np.quantile(repeated, 0.9, method="inverted_cdf")
    es, _, _ = AgeWeightedEstimator(0.5).fit_lanes(x[:, None], 0.9).es
    assert es[0] == pytest.approx(expected_shortfall(repeated, 0.9).value)
    old, new = HistoricalEstimator().fit(SAMPLE, 0.97), AgeWeightedEstimator(1 - 1e-15).fit(SAMPLE, 0.97)
    for a, b in zip(old, new, strict=True):
        assert b.value == pytest.approx(a.value, rel=1e-6)
    assert (new[0].lower, new[0].upper) == (old[0].lower, old[0].upper)


def test_filtered_losses_of_constant_size_and_equal_decay():
    signs = np.where(np.arange(200) % 7 < 2, 1.0, -1.0)
    assert FilteredHistoricalEstimator(0.9).fit(0.3 * signs, 0.9)[0].value == pytest.approx(0.3)
    es = FilteredHistoricalEstimator(1 - 1e-13).fit(SAMPLE, 0.8)[1]
    plain = expected_shortfall(SAMPLE, 0.8)
    assert (es.value, es.std_error) == (pytest.approx(plain.value), pytest.approx(plain.std_error))
    assert np.isfinite(es.lower)


def test_garch_likelihood_is_the_largest_that_another_optimiser_finds():
    generator, variance, x = np.random.default_rng(12), 1.0, []
    for _ in range(700):
        x.append(np.sqrt(variance) * generator.standard_normal())
        variance = 0.05 + 0.1 * x[-1] ** 2 + 0.85 * variance
    e = np.array(x) - np.mean(x)
    e /= np.sqrt(np.square(e).mean())
    none = np.zeros(e.size, dtype=np.int64)

    def negative(ab):
        if min(ab) < 0 or sum(ab) >= 1:
            return np.inf
        one = Recursion(np.array([1 - sum(ab)]), np.array([ab[0]]), np.array([ab[1]]))
        h = one.filter(e[:, None], none)[:-1, 0]
        return 0.5 * (np.log(h) + e * e / h).sum()

    best = minimize(negative, (0.1, 0.8), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
    start = np.array([garch_filtered.backcast(e[:, None])[0]])
    out, h = np.empty((1, 3)), np.empty((1, e.size + 1))
    garch_filtered.fit_filter(e[None, :], none, start, np.array([(3.0, -3.0)]), out, h)
    assert out[0, 2] == pytest.approx(-best.fun, abs=1e-6)
    np.testing.assert_allclose(out[0, :2], best.x, atol=2e-4)


def test_quantile_regression_is_the_linear_programme():
    x, level = SAMPLE[:400], 0.95
    s = np.sqrt(ewma_variances(x[None, :], 0.94, np.square(x).mean()))
    n = x.size
    cost = np.r_[np.zeros(4), np.full(n, level), np.full(n, 1 - level)]
    equal = np.c_[np.ones(n), -np.ones(n), s[0, :-1], -s[0, :-1], np.eye(n), -np.eye(n)]
    best = linprog(cost, A_eq=equal, b_eq=x, method="highs").fun
    q = np.empty((1, n))
    fit_line(x[None, :], s, level, 380, 60, np.empty((1, 2)), q, np.empty((1, 2, 2)), np.empty((1, 2, 2)))
    assert pinball_sum(x, q[0], level) == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("dynamics", ["symmetric", "asymmetric"])
def test_caviar_is_as_good_as_many_random_starts(dynamics):
    x = SAMPLE / np.abs(SAMPLE).mean()
    start = float(np.sort(x[:300])[284])
    d = 3 if dynamics == "symmetric" else 4
    generator, level, best = np.random.default_rng(4), 0.95, np.inf
    for _ in range(12):
        b = generator.uniform([0, 0] + [0] * (d - 2), [0.5, 0.97] + [1.0] * (d - 2))
        options = {"maxfev": 600, "xatol": 1e-6, "fatol": 1e-8}
        best = min(best, minimize(objective_of(x, start, level), b, method="Nelder-Mead", options=options).fun)
    found = CaviarEstimator(dynamics).coefficients(SAMPLE, level)
    assert objective(x, found, start, level) < best * (1 + 2e-3)
    breaches = walk_through(x, found, start)[:-1] < x
    assert abs(breaches.mean() - 0.05) < 0.01  # the first-order condition, up to kinks


def objective_of(x, start, level):
    """The pinball sum by a plain loop."""
    return lambda b: np.inf if abs(b[1]) >= 1 else pinball_sum(x, walk_through(x, b, start)[:-1], level)


def walk_through(x, b, start):
    """Quantiles by the equations of the module's docstring."""
    down = b[3] if len(b) == 4 else b[2]
    news = b[0] + b[2] * np.maximum(x, 0) + down * np.maximum(-x, 0)
    q = [start]
    for v in news:
        q.append(v + b[1] * q[-1])
    return np.array(q)


def test_adaptive_level_by_a_plain_loop():
    x, p, gamma, warm = SAMPLE[:400], 0.1, 0.05, 9
    path = np.empty((1, x.size - warm + 1))
    walk(x[None, :], p, gamma, warm, path)
    alpha, breaches = p, 0
    for t in range(warm, x.size):
        alpha = min(max(alpha, 1 / (t + 1)), 0.5)
        assert path[0, t - warm] == pytest.approx(alpha, rel=1e-12)
        rank = min(t, int(np.ceil((t + 1) * (1 - alpha) - 1e-9)))
        hit = x[t] > np.sort(x[:t])[rank - 1]
        breaches += hit
        alpha += gamma * (p - hit)
    assert (path > 0).all() and (path <= 0.5).all()
    assert abs(breaches / (x.size - warm) - p) < 1 / (gamma * (x.size - warm))  # Gibbs and Candes, proposition 4.1


PRIOR = np.array([0.0, 0.0, 0.0, np.log(3.0), -3.0]), np.array([1.0, 0.5, 3.0, 1.0, 1.5])


def test_posterior_of_the_mixture_by_its_definition():
    x, theta = 3 * NORMAL[:40], np.array([0.1, -0.2, 0.4, 0.9, -1.5])
    m, s, a, d, w = theta[0], np.exp(theta[1]), theta[2], np.exp(theta[3]), 1 / (1 + np.exp(-theta[4]))
    density = (1 - w) * stats.norm.pdf(x, m, s) + w * stats.norm.pdf(x, m + a, np.hypot(s, d))
    wanted = np.log(density * np.sqrt(2 * np.pi)).sum() - 0.5 * np.square((theta - PRIOR[0]) / PRIOR[1]).sum()
    assert log_posterior(x, theta, *PRIOR) == pytest.approx(wanted, rel=1e-12)


def test_weighted_parameter_sets_have_the_moments_of_the_posterior():
    """Against a random-walk Metropolis chain, whose error is what is allowed."""
    generator = np.random.default_rng(70)
    x = generator.standard_normal(300) * np.where(generator.random(300) < 0.1, 4.0, 1.0)
    half = generator.standard_normal((10_000, 5))
    stretch = np.sqrt(6.0 / generator.chisquare(6.0, 20_000))
    draws, weight = np.empty((1, 20_000, 5)), np.empty((1, 20_000))
    posterior_draws(x[None, :], np.concatenate([half, -half]), stretch, *PRIOR, draws, weight)
    found = weight[0] @ draws[0]
    deviation = np.sqrt(weight[0] @ np.square(draws[0] - found))
    theta = found.copy()
    here, chain = log_posterior(x, theta, *PRIOR), np.empty((40_000, 5))
    for i in range(chain.shape[0]):
        there = theta + 0.9 * deviation * generator.standard_normal(5)
        value = log_posterior(x, there, *PRIOR)
        if np.log(generator.random()) < value - here:
            theta, here = there, value
        chain[i] = theta
    blocks = chain[4_000:].reshape(30, -1, 5).mean(axis=1)
    error = blocks.std(axis=0, ddof=1) / np.sqrt(30)
    both = np.hypot(error, deviation * np.sqrt(np.square(weight[0]).sum()))
    assert (np.abs(found - blocks.mean(axis=0)) < 4.5 * both).all()
    np.testing.assert_allclose(deviation, chain[4_000:].std(axis=0), rtol=0.15)


def test_quantile_and_tail_mean_of_averaged_mixtures():
    draws = np.array([[[0.1, -0.2, 0.4, 0.9, -1.5], [0.0, 0.1, -0.3, 1.2, -2.5]]])
    weight = np.array([[0.3, 0.7]])
    var, es, each, each_es = np.empty(1), np.empty(1), np.empty((1, 2)), np.empty((1, 2))
    tails(draws, weight, 0.01, float(ndtri(0.99)), var, es, each, each_es)

    def beyond(x, which):
        m, s, a, d, w = draws[0, which]
        w = 1 / (1 + np.exp(-w))
        jump = stats.norm.sf(x, m + a, np.hypot(np.exp(s), np.exp(d)))
        return (1 - w) * stats.norm.sf(x, m, np.exp(s)) + w * jump

    def averaged(x):
        return 0.3 * beyond(x, 0) + 0.7 * beyond(x, 1)

    assert beyond(each[0, 0], 0) == pytest.approx(0.01, rel=1e-9)
    assert averaged(var[0]) == pytest.approx(0.01, rel=1e-9)
    assert es[0] == pytest.approx(var[0] + quad(averaged, var[0], 60, epsabs=1e-12, limit=200)[0] / 0.01, rel=1e-7)
    mean = each[0, 1] + quad(lambda x: beyond(x, 1), each[0, 1], 60, epsabs=1e-12, limit=200)[0] / 0.01
    assert each_es[0, 1] == pytest.approx(mean, rel=1e-7)


class Scaled:
    """A base whose VaR is a known multiple of the normal quantile."""

    kind = "scaled"

    def __init__(self, factor):
        self.factor = factor

    def fit(self, losses, level, confidence=0.95):
        var, es = EwmaEstimator().fit(np.full(10, self.factor), level, confidence)
        return var, es

    def fit_lanes(self, losses, level, confidence=0.95):
        value = self.factor * np.multiply.outer(ndtri(np.asarray(level)), np.ones(losses.shape[1]))
        return LaneTails(*[LaneFigure(value, value, value)] * 2)


def test_recalibration_finds_and_corrects_a_constant_bias():
    x = np.random.default_rng(31).standard_normal(4050)
    wrong = IsotonicRecalibrationEstimator(Scaled(0.8), 50)
    found = wrong.correction(x, 0.95)
    assert "bias corrected" in found.found
    # the nominal share whose quantile times 0.8 is the true one
    exact = stats.norm.sf(ndtri(0.95) / 0.8)
    assert found.share == pytest.approx(exact, rel=0.35)
    assert found.smallest <= exact <= found.largest
    right = IsotonicRecalibrationEstimator(Scaled(1.0), 50).correction(x, 0.95)
    assert right.share == pytest.approx(0.05) and "no bias detected" in right.found
    assert wrong.fit(x, 0.95)[0].value == pytest.approx(0.8 * ndtri(1 - found.share), rel=1e-9)


def test_recalibration_refuses_what_no_level_corrects():
    x = np.random.default_rng(32).standard_normal(2050)
    var, es = IsotonicRecalibrationEstimator(Scaled(0.01), 50).fit(x, 0.95)
    assert np.isnan(var.value) and np.isnan(es.value) and "refused" in var.method
    assert two_sided(0, 100, 0.01) == pytest.approx(2 * 0.99**100)
    assert two_sided(3, 100, 0.03) == 1.0
    shares = np.array([0.05, 0.1, 0.2])
    flat = np.ones((3, 40))
    assert np.isnan(correct(np.r_[np.full(20, 2.0), np.zeros(20)], flat, shares, 0.1, 0.05).share)


ESTIMATORS = [
    StudentTEstimator(),
    CornishFisherEstimator(),
    HarrellDavisEstimator(),
    PotGpdEstimator(),
    AgeWeightedEstimator(),
    FilteredHistoricalEstimator(),
    GarchFilteredEstimator(),
    QuantileRegressionEstimator(),
    CaviarEstimator(),
    CaviarEstimator("asymmetric"),
    SplitConformalEstimator(),
    SplitConformalEstimator("scaled"),
    AdaptiveConformalEstimator(),
    IsotonicRecalibrationEstimator(),
    ModelMonteCarloEstimator(),
]


# what filters or regresses on the size of losses has no location
NOT_LOCATED = {"filtered_historical", "quantile_regression", "caviar"}


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_estimates_scale_with_the_losses(estimator):
    for one, other in zip(estimator.fit(SAMPLE, 0.98), estimator.fit(3e4 * SAMPLE, 0.98), strict=True):
        for name in ("value", "lower", "upper"):
            assert getattr(other, name) == pytest.approx(3e4 * getattr(one, name), rel=2e-5)
        assert other.method == one.method


@pytest.mark.parametrize(
    "estimator",
    [e for e in ESTIMATORS if e.kind not in NOT_LOCATED and e != SplitConformalEstimator("scaled")],
    ids=repr,
)
def test_estimates_move_with_the_losses(estimator):
    for one, other in zip(estimator.fit(SAMPLE, 0.98), estimator.fit(SAMPLE + 0.5, 0.98), strict=True):
        for name in ("value", "lower", "upper"):
            assert getattr(other, name) == pytest.approx(0.5 + getattr(one, name), rel=1e-6)


@pytest.mark.parametrize(
    ("estimator", "losses", "level", "which", "words"),
    [
        (HistoricalEstimator(), NORMAL[:250], 0.99, "upper", "no upper bound from 250 losses: 368 needed, 299 for"),
        (HistoricalEstimator(), NORMAL, 0.999, "value", "refused: 300 losses reach level 0.99667, 1000 needed"),
        (HistoricalEstimator("linear"), NORMAL, 0.999, "value", "1000 needed at 0.999 without a tail model"),
        (HarrellDavisEstimator(), NORMAL[:250], 0.99, "upper", "368 needed, 299 for a one-sided one"),
        (HarrellDavisEstimator(), NORMAL, 0.999, "value", "1000 needed at 0.999"),
        (AgeWeightedEstimator(0.98), NORMAL, 0.99, "value", "refused: 98 effective losses reach level 0.9898"),
        (FilteredHistoricalEstimator(), NORMAL, 0.999, "value", "1000 needed"),
        (GarchFilteredEstimator(), NORMAL, 0.999, "value", "1000 needed"),
        (SplitConformalEstimator(), NORMAL[:98], 0.99, "value", "refused: rank 99 of 98 scores is infinite, 99 scores"),
        (AdaptiveConformalEstimator(), NORMAL[:99], 0.99, "value", "refused: no loss is left to adapt to, 100 losses"),
        (CornishFisherEstimator(), NORMAL**5, 0.99, "value", "lie outside the region where the map rises"),
        (PotGpdEstimator(), NORMAL, 0.9, "value", "refused: the tail starts at level 0.9"),
        (StudentTEstimator(scale="deviation"), np.tan(NORMAL), 0.99, "value", "needs nu > 2, got"),
        (StudentTEstimator(), np.tan(1.3 * NORMAL) ** 3, 0.99, "es", "refused: the mean beyond VaR needs nu > 1"),
        (PotGpdEstimator(), np.exp(4 * NORMAL), 0.99, "es", "refused: the mean beyond VaR needs a shape below 1"),
        (ModelMonteCarloEstimator(), np.round(NORMAL / 9), 0.99, "value", "refused: half of the losses are equal"),
        (CaviarEstimator(), -1 - NORMAL**2, 0.95, "es", "a positive VaR at each"),
    ],
)
def test_figures_are_refused_with_what_would_be_needed(estimator, losses, level, which, words):
    var, es = estimator.fit(losses, level)
    refused = es if which == "es" else var
    assert words in refused.method
    if which == "upper":
        assert refused.upper == np.inf and np.isfinite(refused.value)
    else:
        assert np.isnan(refused.value)
    if which == "es":
        assert np.isfinite(var.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: StudentTEstimator(2.0, "deviation"), "df must lie in .2, 1000., above 2"),
        (lambda: StudentTEstimator(0.1), "df must lie in"),
        (lambda: StudentTEstimator(scale="sd"), "scale must be"),
        (lambda: CornishFisherEstimator("clip"), "outside must be"),
        (lambda: HistoricalEstimator("type7"), "definition must be one of inverted_cdf, "),
        (lambda: PotGpdEstimator(0.6), "share must lie in"),
        (lambda: AgeWeightedEstimator(1.0), "decay must lie in"),
        (lambda: FilteredHistoricalEstimator(0.0), "decay must lie in"),
        (lambda: SplitConformalEstimator("ranks"), "scores must be"),
        (lambda: AdaptiveConformalEstimator(0.0), "step must lie in"),
        (lambda: CaviarEstimator("adaptive"), "dynamics must be"),
        (lambda: ModelMonteCarloEstimator(51), "draws must be an even number"),
        (lambda: IsotonicRecalibrationEstimator(window=1), "window must lie in"),
        (lambda: PotGpdEstimator().fit(NORMAL[:99], 0.99), "at least 100 values for 10 excesses, got 99"),
        (lambda: CaviarEstimator().fit(NORMAL, 0.99), "at least 500 values at level 0.99 .5 beyond., got 300"),
        (lambda: QuantileRegressionEstimator().fit(NORMAL, 0.99), "at least 500 values"),
        (lambda: GarchFilteredEstimator().fit(NORMAL[:99], 0.95), "at least 100 values, got 99"),
        (lambda: GarchFilteredEstimator().fit(np.ones(200), 0.95), "losses must vary"),
        (lambda: CaviarEstimator().fit(np.zeros(200), 0.95), "losses must not all be zero"),
        (lambda: IsotonicRecalibrationEstimator().fit(NORMAL, 0.99), "at least 450 values"),
        (lambda: HarrellDavisEstimator().fit(NORMAL, 0.5), "level must lie in"),
        (lambda: StudentTEstimator().fit(NORMAL[:7], 0.99), "at least 8 values, got 7"),
        (lambda: StudentTEstimator().fit_lanes(np.full((20, 2), np.nan), 0.99), "losses must be finite"),
    ],
)
def test_wrong_input_raises(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_as_many_scores_as_the_threshold_needs_are_enough():
    var, _ = SplitConformalEstimator().fit(NORMAL[:99], 0.99)
    assert var.value == NORMAL[:99].max() and "refused" not in var.method


def test_equal_losses_have_no_t_law_and_no_moments():
    for estimator in (StudentTEstimator(), CornishFisherEstimator(), ModelMonteCarloEstimator()):
        var, es = estimator.fit(np.full(50, 2.0), 0.99)
        assert np.isnan(var.value) and np.isnan(es.value) and "refused" in var.method
