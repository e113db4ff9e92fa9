"""The account that a model covers worst: against a grid of accounts, on fresh paths, and as a study."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from riskengine.config.study import load_study
from riskengine.errors import InputError
from riskengine.report.render import write_reports
from riskengine.study.result import load_result
from riskengine.tune.worst_account import Covered, drawn_accounts, run_worst_account, worst_account

SMALL = (
    "search_paths=2048",
    "fresh_paths=2048",
    "drawn_accounts=8",
    "starts=3",
    "history_windows=0",
    "models=[{kind: greeks_grid}, {kind: deribit_standard}]",
)


BOOK = """
assets: [BTC, ETH]
accounts:
  - name: short_straddle
    kind: straddle
    cash: {USD: 20000}
    positions:
      - {instrument: perpetual, asset: ETH, quantity: 2}
      - {instrument: option, asset: ETH, type: call, strike: 1810, expiry_days: 7, quantity: -10}
      - {instrument: option, asset: ETH, type: put, strike: 1810, expiry_days: 30, quantity: -10}
  - name: calendar
    kind: calendar
    cash: {USD: 20000}
    positions:
      - {instrument: option, asset: ETH, type: call, strike: 1810, expiry_days: 30, quantity: -10}
      - {instrument: option, asset: ETH, type: call, strike: 1810, expiry_days: 90, quantity: 10}
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    file = tmp_path_factory.mktemp("book") / "eth.yaml"
    file.write_text(BOOK.strip() + "\n")
    return load_study("worst_account", (*SMALL, f"book={file}"))


@pytest.fixture(scope="module")
def study(loaded):
    return loaded.study


def test_no_account_on_a_grid_over_three_instruments_is_covered_worse(study):
    """Every account of full size whose shares are multiples of a tenth, against the one found."""
    names = ("ETH-PERP", "ETH-7d-1810-C", "ETH-90d-1810-C")
    kept = [i for i, x in enumerate(study.book.instruments) if x.name in names]
    book = replace(
        study.book,
        instruments=tuple(study.book.instruments[i] for i in kept),
        quantity=study.book.quantity[:, kept],
        entry=study.book.entry[:, kept],
    )
    small = replace(study, book=book)
    covered, size = Covered(small), np.full(3, 1810.0 / 100_000.0)
    shares = np.array([s for s in itertools.product(range(-10, 11), repeat=3) if sum(map(abs, s)) == 10]) / 10.0
    tail = round(0.01 * covered.losses.shape[1])

    def value(accounts, model):
        excess = accounts @ covered.losses - covered.margin(model)(accounts)
        return np.sort(excess, axis=1)[:, -tail:].mean(axis=1)

    for model in study.models:
        found = worst_account(covered, model, size, 0.99)
        reached = value(found[None], model)[0]
        assert (np.abs(found) * size).sum() <= 1.0 + 1e-6
        assert reached > 0.0
        assert reached >= value(shares / size, model).max() * (1.0 - 2e-3)


@pytest.fixture(scope="module")
def result(loaded, tmp_path_factory):
    path, found = run_worst_account(
        loaded.study, loaded.resolved, "worst_account", tmp_path_factory.mktemp("worst") / "run"
    )
    return path, found


def test_what_is_found_is_covered_worse_than_others_on_fresh_paths(result):
    _, found = result
    rate = {(r.model, r.parameters["account"]): r.estimate for r in found.rows if r.measure == "initial_margin_breach"}
    for model in ("greeks_grid", "deribit_standard"):
        own = rate[model, f"worst of {model}"]
        for other in ("accounts of the book", "accounts drawn at random"):
            assert own.lower > rate[model, other].upper
    assert rate["greeks_grid", "worst of deribit_standard"].value < rate["greeks_grid", "worst of greeks_grid"].value


def test_the_run_is_the_same_with_other_workers_and_reads_well(loaded, result, tmp_path):
    path, _ = result
    again, _ = run_worst_account(loaded.study, loaded.resolved, "worst_account", tmp_path / "run", workers=1)
    assert (again / "result.json").read_bytes() == (path / "result.json").read_bytes()
    write_reports(path)
    text = (path / "report.md").read_text()
    assert "The account of 100,000 USD covered worst loses more than its initial margin: " in text
    assert "ETH-" in text and "Found against Greeks grid" in text
    assert load_result(path)["worst_accounts"][0]["positions"]


def test_accounts_drawn_at_random_have_the_full_size(study):
    spot = np.asarray(study.world.model.spot)[study.book.asset_index]
    gross = (np.abs(drawn_accounts(study)) * spot).sum(axis=1)
    np.testing.assert_allclose(gross, study.notional_usd, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("level=0.9999", "at least 20 paths beyond the level"),
        ("models=[]", "at least one margin model"),
        ("world=covid_2020", "without a stress"),
        ("models=[{kind: historical_var, levels: [0.99], margin_period_hours: 24}]", "needs history_windows"),
        ("margin_period_hours=200", "expiry of"),
    ],
)
def test_bad_studies_are_named(change, says):
    with pytest.raises(InputError, match=says):
        load_study("worst_account", (*SMALL[:-1], "models=[{kind: greeks_grid}]", change))
