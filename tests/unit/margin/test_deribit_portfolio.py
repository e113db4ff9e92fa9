"""Deribit portfolio margin on lanes against the calculator of one account."""

from dataclasses import replace

import numpy as np
import pytest

from riskengine.config.models import margin_model
from riskengine.config.study import load_study
from riskengine.margin.deribit_portfolio import DeribitPortfolio
from riskengine.margin.venues.deribit_portfolio import Future, Option, margin
from riskengine.market.grid import TimeGrid
from riskengine.pricing.valuation import snapshot
from riskengine.random import DrawKeys


@pytest.fixture(scope="module")
def market():
    study = load_study("quickstart").study
    paths = study.world.model.sample(TimeGrid(3600, 48), 0, 130, DrawKeys(5))
    book = study.margin.book
    return book, snapshot(book, study.world.surface, paths.spot_lanes[48], paths.variance_lanes[48], 48 / 8760)


def _model(**changes) -> DeribitPortfolio:
    model = margin_model("deribit_portfolio")
    figures = {a: replace(p, **changes) for a, p in model.parameters.underlyings.items()}
    return DeribitPortfolio(replace(model.parameters, underlyings=figures))


def _positions(book, now, account, asset, lane):
    for m in np.flatnonzero(book.quantity[account]):
        x, size = book.instruments[m], float(book.quantity[account, m])
        if x.asset != book.assets[asset]:
            continue
        if m in book.perpetuals:
            coins = x.settlement == "inverse"
            yield Future("perpetual", size * (book.entry[account, m] / now.perpetual[asset, lane] if coins else 1.0))
            continue
        o = int(np.flatnonzero(book.options == m)[0])
        e = int(book.option_expiry[o])
        days = float(now.seconds[e]) / 86_400.0
        forward, sigma = float(now.forward[e, lane]), float(now.volatility[o, lane])
        yield Option(str(e), size, x.kind, float(x.strike), forward, days, sigma)


# delta_free_usd of zero makes the delta shock count; pnl_offset is the rule of cross-collateral accounts
@pytest.mark.parametrize("changes", [{}, {"pnl_offset": 0.6, "delta_free_usd": 0.0, "delta_slope": 0.02}])
def test_equals_the_calculator(market, changes):
    book, now = market
    model = _model(**changes)
    (found,) = model.requirement(model.init(book), now, explain=True)
    shocked = 0
    for lane in (0, 127, 128, 129):
        for account in range(book.accounts):
            initial = maintenance = 0.0
            for asset, name in enumerate(book.assets):
                spot = float(now.spot[asset, lane])
                positions = list(_positions(book, now, account, asset, lane))
                alone = margin(positions, spot, model.parameters.underlyings[name])
                initial += alone.initial * spot
                maintenance += alone.maintenance * spot
                shocked += alone.delta_shock > 0.0
            assert found.initial[account, lane] == pytest.approx(initial, rel=1e-9, abs=1e-6)
            assert found.maintenance[account, lane] == pytest.approx(maintenance, rel=1e-9, abs=1e-6)
    assert (shocked > 0) == bool(changes)
    parts = sum(found.components[name] for name in ("scenario_loss", "roll_shock", "delta_shock"))
    np.testing.assert_allclose(parts, found.initial, rtol=1e-12)


def test_the_binding_scenario_is_the_worst(market):
    book, now = market
    model = _model()
    (found,) = model.requirement(model.init(book), now, explain=True)
    pnl = found.components["scenario_pnl:BTC"]
    only = [k for k, name in enumerate(book.names) if name.startswith("btc_")]
    for k in only:
        hurt = pnl[:, k].min(axis=0) < 0.0
        np.testing.assert_array_equal(found.binding_scenario[k][hurt], pnl[:, k].argmin(axis=0)[hurt])
        assert (found.binding_scenario[k][~hurt] == -1).all()
    labels = model.labels("BTC")
    assert len(labels) == pnl.shape[0]
    k = book.names.index("btc_leveraged_long")
    assert labels[found.binding_scenario[k, 0]].startswith("price -")


def test_a_book_without_parameters_is_refused(market):
    book, _ = market
    model = margin_model("deribit_portfolio")
    only = replace(model.parameters, underlyings={"BTC": model.parameters.underlyings["BTC"]})
    with pytest.raises(ValueError, match="parameters must cover"):
        DeribitPortfolio(only).init(book)
