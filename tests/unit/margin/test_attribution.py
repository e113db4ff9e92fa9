"""Contributions of positions: by hand, by Euler, and through the command."""

import json

import numpy as np
import pytest

from riskengine.cli.main import main
from riskengine.config.models import margin_model
from riskengine.config.study import load_study
from riskengine.margin.attribution import variants
from riskengine.market.grid import TimeGrid
from riskengine.pricing.valuation import snapshot
from riskengine.random import DrawKeys


@pytest.fixture(scope="module")
def market():
    study = load_study("quickstart").study
    paths = study.world.model.sample(TimeGrid(86_400, 1, 86_400, 60), 0, 3, DrawKeys(4))
    asked = variants(study.margin.book)
    book = asked.book
    now = snapshot(book, study.world.surface, paths.spot_lanes[0], paths.variance_lanes[0], 0.0)
    return study, asked, paths, now


@pytest.mark.parametrize("kind", ["derive_pmrm_v2", "historical_var"])
def test_marginal_figures_add_up_and_left_out_ones_are_differences(market, kind):
    study, asked, paths, now = market
    model = margin_model(kind, levels=[0.95])
    state = model.step(model.init(asked.book, study.world.surface), paths, 0)
    (found,) = model.requirement(state, now)
    left_out, marginal = asked.contributions(found.initial)
    owner = np.array([p.account for p in asked.positions])
    whole = study.margin.book
    smooth = 0
    for k in range(whole.accounts):
        total = marginal[owner == k].sum(axis=0)
        known = np.isfinite(total)
        smooth += known.sum()
        np.testing.assert_allclose(total[known], found.initial[k][known], rtol=1e-5, atol=1e-3)
    assert smooth > 0.8 * found.initial[: whole.accounts].size
    hedged = whole.names.index("btc_basis")
    if kind == "historical_var":  # nothing is required, and more or less of either side would require something
        assert np.isnan(marginal[owner == hedged]).all()
    single = whole.names.index("btc_leveraged_long")
    (n,) = np.flatnonzero(owner == single)
    np.testing.assert_allclose(left_out[n], found.initial[single], rtol=1e-12)


def test_a_hedge_takes_margin_away(capsys):
    arguments = ["margin", "--model", "derive_pmrm_v2", "--portfolio", "margin_book", "--positions", "--json"]
    assert main(arguments) == 0
    rows = json.loads(capsys.readouterr().out)["requirements"]
    spread = next(r for r in rows if r["account"] == "btc_call_spread")
    bought = next(p for p in spread["positions"] if p["coins"] > 0)
    sold = next(p for p in spread["positions"] if p["coins"] < 0)
    assert bought["left_out"] < 0 < sold["left_out"]
    assert bought["marginal"] + sold["marginal"] == pytest.approx(spread["initial"], rel=1e-6)
