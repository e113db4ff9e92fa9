"""Errors of Black-Scholes: none where it is true, the reference's where the world is Merton; hedges on paths."""

import numpy as np
import pytest

from riskengine.engine.black_scholes import best_volatility, margin_errors, of_horizon, option_errors
from riskengine.engine.hedging import HedgeTables, hedged_losses, leading_deviation
from riskengine.law.bates import BatesLaw
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw
from riskengine.law.options import OptionDesk
from riskengine.market.grid import TimeGrid
from riskengine.pricing.black import black76
from riskengine.random import DrawKeys
from riskengine.scenario.bates import Bates
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.jumps import OwnJumps
from riskengine.scenario.merton import Merton

DAY = 1 / 365
STRIKE = np.array([0.8, 0.95, 1.0, 1.1])
LEVELS = np.array([0.99, 0.999])
JUMPS = MertonLaw(0.0, 0.6, (NormalJump(30.0, -0.02, 0.06),), 1.0)


@pytest.mark.parametrize("days", [1, 7])
def test_a_lognormal_world_has_no_error_and_keeps_every_level(days):
    law = MertonLaw(0.0, 0.6, (), days * DAY)
    for rule in ("at_the_money", "realised"):
        assert best_volatility(law, rule) == pytest.approx(0.6, rel=1e-12)
    found = option_errors(law, STRIKE, 0.6)
    np.testing.assert_allclose(found.black_price, found.price, atol=1e-15)
    told = found.price > 1e-13
    np.testing.assert_allclose(found.implied[told], 0.6, rtol=1e-6)
    assert np.isnan(found.implied[~told]).all()
    np.testing.assert_allclose(found.black_delta, found.delta, atol=1e-13)
    np.testing.assert_allclose(found.black_delta, found.least, atol=1e-13)
    margin = margin_errors(law, 0.0, found, 0.6, DAY, LEVELS)
    np.testing.assert_allclose(margin.black, margin.world, atol=1e-13)
    if days > 1:
        np.testing.assert_allclose(margin.breach, (1.0 - LEVELS)[:, None] * np.ones(4), rtol=1e-8)


def test_margins_on_a_jump_world_against_quantiles_and_counts_of_a_sample():
    """A million independent returns of the margin period, revalued: another route to both requirements."""
    law = of_horizon(JUMPS, 7 * DAY)
    volatility = best_volatility(law, "at_the_money")
    found = option_errors(law, STRIKE, volatility)
    margin = margin_errors(law, 0.0, found, volatility, DAY, LEVELS)
    n = 200_000
    x = of_horizon(JUMPS, DAY).quantile((np.random.default_rng(7).permutation(n) + 0.5) / n)
    rest = of_horizon(JUMPS, 6 * DAY)
    grid = np.linspace(-1.0, 1.0, 4001)
    for i, (strike, sign) in enumerate(zip(STRIKE, found.sign, strict=True)):
        inside = np.clip(x, -0.9, 0.9)
        # prices of the Poisson mixture, no transform
        worth = (rest.upper_excess if sign > 0 else rest.lower_excess)(np.log(strike) - grid)
        value = np.interp(inside, grid, np.exp(grid) * worth)
        loss = value - found.price[i]
        np.testing.assert_allclose(np.quantile(loss, LEVELS), margin.world[:, i], rtol=2e-3)
        counted = (loss[:, None] > margin.black[:, i]).mean(axis=0)
        # a stratified sample: what is left is the grid of the value
        np.testing.assert_allclose(counted, margin.breach[:, i], rtol=2e-3)
    assert (margin.breach[1] > 2.4 * (1 - LEVELS[1])).all()


def test_a_margin_at_expiry_is_the_quantile_of_the_payoff():
    law = of_horizon(JUMPS, DAY)
    found = option_errors(law, STRIKE, 0.66)
    margin = margin_errors(law, 0.0, found, 0.66, DAY, LEVELS)
    low, high = law.quantile(1 - LEVELS), law.quantile(LEVELS)
    ends = np.where(found.sign > 0, np.exp(high)[:, None], np.exp(low)[:, None])
    payoff = np.maximum(found.sign * (ends - STRIKE), 0.0)
    np.testing.assert_allclose(margin.world, payoff - found.price, atol=1e-12)
    # where the lognormal quantile leaves the option worthless, every payoff beyond the price that was wrong is a breach
    assert margin.black[0, 0] == pytest.approx(-found.black_price[0])
    paid = found.black_price[0] - found.price[0]
    assert paid < 0.0
    assert margin.breach[0, 0] == pytest.approx(float(law.cdf(np.log(0.8 + paid))), rel=1e-9)


def test_more_than_a_put_can_cost_is_never_asked_in_vain():
    law = of_horizon(JUMPS, 90 * DAY)
    found = option_errors(law, np.array([0.2]), 3.0)
    margin = margin_errors(law, 0.0, found, 3.0, 60 * DAY, np.array([0.999999]))
    assert margin.breach[0, 0] < 1e-6 and margin.black[0, 0] > margin.world[0, 0]


def test_discrete_hedging_error_meets_its_closed_form_as_the_interval_falls():
    """Sample sd over leading term tends to 1 like the root of the interval; the mean loss is the price."""
    years, n = 7 * DAY, 16_384
    world = Gbm(("X",), (100.0,), (0.0,), (0.6,), ((1.0,),))
    spot = world.sample(TimeGrid(900, 672), 0, n, DrawKeys(11)).spot_lanes[:, 0]
    for strike in (1.0, 1.08):
        price = float(black76(1.0, strike, years, 0.6, 1.0))
        loss = hedged_losses(spot, None, strike, 1.0, 0.6, 0.25, (4, 16, 96), None)[:, 0] - price
        leading = [leading_deviation(strike, 0.6, years, h / 8760) for h in (1, 4, 24)]
        ratio = loss.std(axis=1) / leading
        error = 4.5 / np.sqrt(n) * 2.0  # of a ratio: kurtosis of the loss is below 14
        assert abs(ratio[0] - 1.0) < 0.25 / np.sqrt(168) + error
        assert 1.0 - ratio[0] < 1.0 - ratio[2]
        assert (np.abs(loss.mean(axis=1)) < 4.5 * loss.std(axis=1) / np.sqrt(n)).all()
    exact = 0.6 * np.sqrt(years / (2 * np.pi)) * np.sqrt(np.pi / (4 * 168))  # vega sigma sqrt(pi / 4N)
    at_zero = leading_deviation(float(np.exp(-0.5 * 0.36 * years)), 0.6, years, 1 / 8760)
    assert at_zero == pytest.approx(exact * np.exp(-0.5 * 0.36 * years), rel=1e-12)


def test_hedges_on_a_jump_world_keep_their_floor_and_the_least_variance_one_is_least():
    hours, n = 24, 16_384
    world = Merton(("X",), (1.0,), (0.0,), (0.6,), ((1.0,),), jumps_own=OwnJumps((300.0,), (-0.04,), (0.02,)))
    law = of_horizon(world.law("X", 1.0), hours / 8760)
    tables = HedgeTables(law, hours, np.arange(hours, dtype=float))
    for t in range(hours):
        tables.build(t)
    assert max(tables.error(t) for t in (0, 12, 23)) < 5e-4
    spot = world.sample(TimeGrid(3600, hours), 0, n, DrawKeys(5)).spot_lanes[:, 0]
    price = float(OptionDesk(law, 1.0).price(1.0, 1.0))
    volatility = best_volatility(law, "at_the_money")
    call = hedged_losses(spot, None, 1.0, 1.0, volatility, 1.0, (1, 6), tables) - price
    put = hedged_losses(spot, None, 1.0, -1.0, volatility, 1.0, (1, 6), tables) - price
    np.testing.assert_allclose(put, call, atol=1e-14)  # parity: at the money both are one position
    sd = call.std(axis=2)
    assert (np.abs(call.mean(axis=2)) < 4.5 * sd / np.sqrt(n)).all()
    assert (sd[:, 2] < sd[:, 0]).all() and (sd[:, 2] < sd[:, 1]).all()
    assert sd[0, 0] > 1.5 * leading_deviation(1.0, volatility, hours / 8760, 1 / 8760)


def test_hedges_on_a_moving_variance_lose_nothing_on_average():
    hours, n, one = 24, 8_192, ((1.0,),)
    jumps = OwnJumps((66.0,), (-0.02,), (0.03,))
    world = Bates(("X",), (1.0,), (0.0,), (18.0,), (0.29,), (4.3,), (-0.6,), (0.29,), one, one, jumps_own=jumps)
    law = of_horizon(world.law("X", 1.0), hours / 8760)
    tables = HedgeTables(law, hours, np.arange(0, hours, 2.0))
    for t in range(tables.count):
        tables.build(t)
    paths = world.sample(TimeGrid(7200, hours // 2), 0, n, DrawKeys(5))
    sigma, (strike,) = best_volatility(law, "at_the_money"), np.exp(-1.0 * np.sqrt([0.36 * law.horizon]))
    lanes = paths.spot_lanes[:, 0], paths.variance_lanes[:, 0]
    loss = hedged_losses(*lanes, strike, -1.0, sigma, 2.0, (1,), tables)[0] - OptionDesk(law, 1.0).price(strike, -1.0)
    assert (np.abs(loss.mean(axis=1)) < 4.5 * loss.std(axis=1) / np.sqrt(n)).all()
    # falls of price raise variance and come as jumps: the hedge that knows it holds less, and is left with less
    assert loss[2].std() < 0.95 * min(loss[0].std(), loss[1].std())


def test_tables_on_a_variance_state_follow_it():
    law = BatesLaw(0.0, 18.0, 0.29, 4.3, -0.2, (NormalJump(66.0, -0.001, 0.032),), 1.0, 0.29)
    tables = HedgeTables(law, 168.0, np.array([0.0]))
    tables.build(0)
    assert tables.count == 1 and tables.error(0) < 2e-3
    low, high = tables.read(0, np.array([0.05, 0.05]), np.array([0.05, 1.0]))[0]
    assert low < high
