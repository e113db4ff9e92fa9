"""Standard margin against the calculator, position by position; sensitivities against finite differences."""

import numpy as np
import pytest

from riskengine.config.study import load_study
from riskengine.margin.deribit_standard import DeribitStandard
from riskengine.margin.greeks_grid import GreeksGrid
from riskengine.margin.venues.deribit_standard import future_margin, option_margin
from riskengine.market.grid import TimeGrid
from riskengine.pricing.black import black76
from riskengine.pricing.valuation import account_values, snapshot
from riskengine.random import DrawKeys

LANE = 17


@pytest.fixture(scope="module")
def market():
    study = load_study("quickstart").study
    paths = study.world.model.sample(TimeGrid(3600, 24), 0, 40, DrawKeys(6))
    book = study.margin.book
    return book, snapshot(book, study.world.surface, paths.spot_lanes[24], paths.variance_lanes[24], 24 / 8760)


def _value(book, now, o):
    e = book.option_expiry[o]
    return float(black76(now.forward[e, LANE], book.strikes[o], now.tau[e], now.volatility[o, LANE], book.call_sign[o]))


def test_standard_margin_is_the_calculator_less_the_mark_of_short_options(market):
    book, now = market
    model = DeribitStandard()
    (found,) = model.requirement(model.init(book), now)
    for k in range(book.accounts):
        initial = maintenance = 0.0
        for o, m in enumerate(book.options):
            q, value = float(book.quantity[k, m]), _value(book, now, o)
            spot = float(now.spot[book.asset_index[m], LANE])
            kind = "call" if book.call_sign[o] > 0 else "put"
            im, mm = option_margin(spot, float(book.strikes[o]), value / spot, kind, q)
            # the mark is in the venue's figure and not in a requirement above liquidation value
            initial += im * spot + q * value
            maintenance += mm * spot + q * value
        for a in range(len(book.assets)):
            price, coins = float(now.perpetual[a, LANE]), 0.0
            for m in book.perpetuals[book.asset_index[book.perpetuals] == a]:
                paid_in_coin = book.instruments[m].settlement == "inverse"
                coins += book.quantity[k, m] * (book.entry[k, m] / price if paid_in_coin else 1.0)
            im, mm = future_margin(coins, price, 0.02, 0.01, 5e-5)
            initial, maintenance = initial + im, maintenance + mm
        assert found.initial[k, LANE] == pytest.approx(initial, rel=1e-9, abs=1e-6)
        assert found.maintenance[k, LANE] == pytest.approx(maintenance, rel=1e-9, abs=1e-6)
    np.testing.assert_allclose(sum(found.components.values()), found.initial, rtol=1e-12)


def _moved(now, m, u):
    """The market with all prices moved by a share m and volatilities by a share u."""
    scale = 1.0 + m
    return type(now)(
        now.spot * scale, now.forward * scale, now.seconds, now.rate, now.expiry_asset, now.volatility * (1.0 + u),
        now.perpetual * scale,
    )  # fmt: skip


def test_full_revaluation_is_the_change_of_account_values(market):
    book, now = market
    model = GreeksGrid(price_range=0.2, vol_range=0.3)
    (found,) = model.requirement(model.init(book), now, explain=True)
    alone = [k for k, name in enumerate(book.names) if not name.startswith("pair")]
    before = account_values(book, now)
    worst = np.zeros_like(before)
    for m in np.linspace(-0.2, 0.2, 9):
        for u in (0.3, 0.0, -0.3):
            worst = np.minimum(worst, account_values(book, _moved(now, m, u)) - before)
    np.testing.assert_allclose(found.components["full_revaluation"][alone], -worst[alone], rtol=1e-8, atol=1e-5)


def test_taylor_error_falls_with_the_third_power_of_the_move(market):
    book, now = market
    alone = [k for k, name in enumerate(book.names) if not name.startswith("pair")]
    errors = []
    for size in (0.02, 0.01, 0.005):
        # volatility moves with the square of the price's, so that all neglected terms are of third order
        model = GreeksGrid(price_range=size, vol_range=size**1.5)
        (found,) = model.requirement(model.init(book), now, explain=True)
        errors.append(np.abs(found.components["taylor_error"][alone]).max())
    assert errors[1] < errors[0] / 4.0 and errors[2] < errors[1] / 4.0
    small = GreeksGrid(price_range=1e-4, vol_range=0.0)
    (found,) = small.requirement(small.init(book), now, explain=True)
    assert np.abs(found.components["taylor_error"]).max() < 1e-5 * found.initial.max()


def test_ranges_are_refused():
    with pytest.raises(ValueError, match="maintenance"):
        DeribitStandard(maintenance=0.2)
    with pytest.raises(ValueError, match="price_steps must be an odd"):
        GreeksGrid(price_steps=4)
