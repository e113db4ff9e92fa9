"""Premium behind funding: moments of the formula by two routes, recovery, refusals, the shipped figures."""

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.stats import norm

from riskengine.calibrate.premium import fit_premium, hermite_coefficients, rate_autocorrelation
from riskengine.config.study import load_world
from riskengine.scenario.state.perpetual import FundingFormula

FORMULA = FundingFormula(interest=1e-4, band=5e-4, cap=2e-3)


def test_hermite_coefficients_give_mean_and_variance():
    """Parseval: c_0 is the mean, and the squares of the others sum to the variance."""
    c = hermite_coefficients(FORMULA, -2e-4, 6e-4)
    z = np.linspace(-10, 10, 200_001)
    weight = norm.pdf(z) * (z[1] - z[0])
    rate = FORMULA.rate(-2e-4 + 6e-4 * z)
    mean = weight @ rate
    assert c[0] == pytest.approx(mean, rel=1e-9)
    # the kinks leave terms that fall like n^-5/2, so sixty of them hold all but 1e-4
    assert (c[1:] ** 2).sum() == pytest.approx(weight @ (rate - mean) ** 2, rel=1e-3)


def test_autocorrelation_against_a_double_integral():
    rho, mean, sd = 0.6, -4e-4, 2e-4

    def product(y, x):
        first, second = FORMULA.rate(mean + sd * x), FORMULA.rate(mean + sd * (rho * x + np.sqrt(1 - rho**2) * y))
        return 1e8 * (first - FORMULA.interest) * (second - FORMULA.interest) * norm.pdf(x) * norm.pdf(y)

    cross = dblquad(product, -6, 6, -6, 6, epsabs=1e-6, epsrel=1e-4)[0]
    z = np.linspace(-8, 8, 40_001)
    x = 1e4 * (FORMULA.rate(mean + sd * z) - FORMULA.interest)
    weight = norm.pdf(z) * (z[1] - z[0])
    expected = (cross - (weight @ x) ** 2) / (weight @ x**2 - (weight @ x) ** 2)
    assert rate_autocorrelation(FORMULA, mean, sd, np.array(rho)) == pytest.approx(expected, abs=2e-3)


def standard_premium(seed, count=4_000, half_life=24):
    rng, a = np.random.default_rng(seed), 0.5 ** (8 / half_life)
    p = np.empty(count)
    p[0] = rng.standard_normal()
    for t in range(1, p.size):
        p[t] = a * p[t - 1] + np.sqrt(1 - a * a) * rng.standard_normal()
    return p


@pytest.mark.parametrize(("mean", "sd", "share"), [(0.0, 2e-3, 0.080), (0.0, 3e-3, 0.243), (-1.5e-3, 2e-3, 0.165)])
def test_a_premium_beyond_the_cap_is_known_to_lie_there_and_no_more(mean, sd, share):
    """Taken for the edge where it is hidden, a premium of sd 30 bp came out as one of 23 bp."""
    formula = FundingFormula(interest=1e-4, band=5e-4, cap=3e-3)
    rates = formula.rate(mean + sd * standard_premium(3))
    assert np.isclose(np.abs(rates), formula.cap).mean() == pytest.approx(share, abs=0.04)
    fit = fit_premium(rates, formula, replicates=40)
    for got, error, true in (
        (fit.mean, fit.mean_error, mean),
        (fit.sd, fit.sd_error, sd),
        (fit.half_life_hours, fit.half_life_error, 24.0),
    ):
        assert abs(got - true) < 4 * error
    assert fit.sd_error < 0.05 * sd


def test_known_premium_is_found_again():
    p = standard_premium(2)
    fit = fit_premium(FORMULA.rate(-3e-4 + 3e-4 * p), FORMULA, replicates=60)
    for got, error, true in (
        (fit.mean, fit.mean_error, -3e-4),
        (fit.sd, fit.sd_error, 3e-4),
        (fit.half_life_hours, fit.half_life_error, 24.0),
    ):
        assert abs(got - true) < 4 * error
        assert 0 < error < 0.2 * abs(true)
    assert fit.at_interest == pytest.approx(fit.at_interest_model, abs=0.03)


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        (np.full(100, 1e-4), "at least 200 finite numbers, got 100"),
        (np.full(300, 1e-4), "at least 20 rates must lie outside the band and within the cap, got 0"),
        (np.r_[np.full(300, 1e-4), 2.5e-3], "within the cap of 0.002 either way, got 1 beyond it, up to 0.0025"),
        (np.tile([-1e-4, 3e-4], 200), "lag-one autocorrelation of the rates must lie in"),
    ],
)
def test_rates_that_say_nothing_are_refused(rates, message):
    with pytest.raises(ValueError, match=message):
        fit_premium(rates, FORMULA)


def test_shipped_figures_are_those_of_the_data(shared):
    pandas = pytest.importorskip("pandas", reason="reads parquet")
    rates = pandas.read_parquet(shared / "data" / "funding_rates.parquet")
    world = load_world("btc_eth_market")
    perpetual = next(part for part in world.state if part.kind == "perpetual")
    for a, coin in enumerate(world.model.assets):
        mine = rates[(rates.venue == "binance_usdm") & (rates.symbol == coin)].drop_duplicates("timestamp")
        mine = mine[mine.timestamp >= pandas.Timestamp("2024-12-31", tz="UTC")].sort_values("timestamp")
        fit = fit_premium(mine.funding_rate.to_numpy(), perpetual.formula, replicates=2)
        shipped = (perpetual.premium_mean[a], perpetual.premium_sd[a], perpetual.premium_half_life_hours[a])
        np.testing.assert_allclose(shipped, (fit.mean, fit.sd, fit.half_life_hours), rtol=0.01)


def test_market_world_is_btc_eth_with_state():
    market, plain = load_world("btc_eth_market"), load_world("btc_eth")
    assert (market.model, market.surface, market.fit) == (plain.model, plain.surface, plain.fit)
    assert market.filled == ("depth_lanes", "funding_lanes", "basis_lanes")
