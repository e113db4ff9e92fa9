"""What keepers can clear at a profit: against the closed form of a pool, hour by hour, and what bounds it."""

from dataclasses import replace

import numpy as np
import pytest

from riskengine.config.study import load_study
from riskengine.lending.clearable import clearable
from riskengine.liquidity.constant_product import ConstantProduct


@pytest.fixture(scope="module")
def market():
    return load_study("quickstart").study.lending.market


def _pool_limit(depth: float, fee: float, share: float, sold: float) -> float:
    """Largest sale q into a pool around a price of 1: D^2 g / ((D + z)(D + z + g q)) >= 1 / share, z net of its fee."""
    keep, x = 1.0 - fee, depth + sold
    return (depth**2 * keep * share / x - x) / keep


def test_a_pool_is_cleared_to_its_closed_form_and_an_hour_later_to_what_came_back(market):
    found = {c.token: c for c in clearable(market)}
    pool, reserves = market.liquidity, {r.symbol: r for r in market.rules.reserves}
    assert {"WBTC", "WETH"} <= set(found)
    for token in ("WBTC", "WETH"):
        own = reserves[token]
        share = 1.0 + own.liquidation_bonus * (1.0 - own.liquidation_protocol_fee)
        depth, sold, total = pool.depth_usd[own.asset], 0.0, []
        for _ in range(24):
            size = max(_pool_limit(depth, pool.fee, share, sold), 0.0)
            total.append(size)
            sold = (sold + (1.0 - pool.fee) * size) * 0.5 ** (1.0 / pool.refill_half_life_hours)
        assert found[token].at_once == pytest.approx(total[0], rel=1e-9)
        assert found[token].in_a_day == pytest.approx(sum(total), rel=1e-9)


def test_more_depth_or_bonus_clears_more_and_no_bonus_beyond_the_fee_nothing(market):
    def at_once(own):
        return {c.token: c.at_once for c in clearable(own)}

    twice = {asset: 2.0 * depth for asset, depth in market.liquidity.depth_usd.items()}
    deeper = replace(market, liquidity=replace(market.liquidity, depth_usd=twice))
    base = at_once(market)
    assert all(at_once(deeper)[t] == pytest.approx(2 * x) for t, x in base.items())
    dear = replace(market, liquidity=replace(market.liquidity, fee=0.2))
    assert set(at_once(dear).values()) == {0.0}


def test_what_no_liquidity_bounds_is_not_a_number_of_dollars(market):
    endless = ConstantProduct({a: 1e15 for a in market.liquidity.depth_usd})
    assert all(np.isfinite(c.at_once) for c in clearable(replace(market, liquidity=endless)))


def test_a_study_reports_it_for_every_collateral_that_follows_an_asset(market):
    from riskengine.study.measures import clearable_rows

    rows = list(clearable_rows(load_study("lending_mechanisms").study.lending))
    assert {r.model for r in rows} == {"aave_v3", "comet", "morpho_blue", "euler_evk"}
    assert {r.parameters["token"] for r in rows} == {"WETH", "WBTC"}
    day = {(r.model, r.parameters["token"]): r.estimate.value for r in rows if r.measure == "clearable_in_a_day"}
    once = {(r.model, r.parameters["token"]): r.estimate.value for r in rows if r.measure == "clearable_at_once"}
    assert all(day[k] > once[k] > 0.0 for k in once)
    # the discount of 15 % clears more than a bonus of 5 or 6.5 %
    assert once["euler_evk", "WETH"] > once["aave_v3", "WETH"]
