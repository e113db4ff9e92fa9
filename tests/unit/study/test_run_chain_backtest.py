"""A backtest on option chains from a file to its report, and its figures against direct formulas."""

import json

import numpy as np
import pytest
from option_chains import series
from scipy.stats import binom, binomtest

from riskengine.config.study import load_study
from riskengine.engine.chain_replay import Replay
from riskengine.errors import InputError, UsageError
from riskengine.report.render import write_reports
from riskengine.study.chain_backtest import ChainData
from riskengine.study.chain_figures import ChainFigures

STUDY = """
kind: chain_backtest
title: Two accounts
assets: [BTC]
hour: 9
window: 20
least_window: 10
least_days: 20
replicates: 199
benchmark: historical_var
apart: [aside]
coverage_target: 0.9
accounts:
  - {name: long, kind: outright, legs: [{instrument: perpetual, quantity: 2}]}
  - {name: put, kind: naked_short, legs: [{instrument: put, quantity: -1, days: 30, moneyness: 0.9}]}
  - {name: aside, kind: long_option, legs: [{instrument: call, quantity: 1, days: 30, moneyness: 1.0}]}
models:
  - {kind: deribit_standard}
  - {kind: historical_var, levels: [0.9]}
"""
SPOTS = 50_000 * np.exp(np.cumsum(np.random.default_rng(21).normal(0, 0.03, 72)))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    file = tmp_path_factory.mktemp("chain") / "two.yaml"
    file.write_text(STUDY)
    return load_study(file)


def _run(study, data, out, **options):
    return study.study.run(study.resolved, study.name, out=out, chains=data, command="", **options)


@pytest.fixture(scope="module")
def run(study, tmp_path_factory):
    data = ChainData((series("BTC", SPOTS),))
    out = tmp_path_factory.mktemp("run")
    return _run(study, data, out / "a", progress=None), _run(study, data, out / "b", progress=None)


def test_the_same_run_has_the_same_bytes(run):
    (first, _), (second, _) = run
    for name in ("result.json", "cells.json", "manifest.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_every_figure_has_an_interval_or_says_why_not(run):
    (_, result), _ = run
    assert {r.section for r in result.rows} == {"chain", "chain_accounts", "chain_paired"}
    for r in result.rows:
        e = r.estimate
        bounded = np.isfinite([e.lower, e.upper]).all()
        assert bounded or "refused" in e.method or (np.isnan(e.value) and e.method), r
        if e.confidence == 1.0 and np.isfinite(e.value):
            assert e.method


def test_a_report_with_its_chapters(run):
    (folder, result), _ = run
    write_reports(folder)
    page = (folder / "report.html").read_text()
    for said in ("How often was the requirement exceeded?", "Disclosure table", "Which accounts break?",
                 "What does it cost, and how does it move?", "Which model covers better"):  # fmt: skip
        assert said in page
    text = (folder / "report.md").read_text()
    p = [r for r in result.rows if r.measure == "equal_exception_rate_difference_p"]
    assert ("Told apart from Historical VaR" in text) == any(r.estimate.value <= 0.05 for r in p)
    assert "3 accounts on real option chains of BTC" in text and "Not part" not in text
    assert (folder / "tables" / "cells.csv").read_text().count("\n") == 1 + 2 * 3
    assert result.head["settings"]["windows_read"] == [10, 20]


def test_too_few_days_and_accounts_that_cannot_be_struck(study, tmp_path):
    with pytest.raises(
        UsageError, match=r"at least 20 margin periods of 24 h to judge by, got 4 \(10 more only served"
    ):
        _run(study, ChainData((series("BTC", SPOTS[:15]),)), tmp_path / "x")
    short = ChainData((series("BTC", SPOTS, days=(1, 2, 3)),))
    folder, result = _run(study, short, tmp_path / "y")
    # perpetuals alone can be struck
    assert any("no expiry near enough: 122" in said for said in result.head["left_out"])
    own = [r for r in result.rows if r.parameters["account"] == "put"]
    assert all(np.isnan(r.estimate.value) for r in own) and len(own) == 2
    write_reports(folder)


def test_prices_before_the_chains(study, tmp_path):
    seconds = np.arange(1_767_258_000 - 40 * 86_400, 1_767_258_000 + 5 * 86_400, 86_400)
    prices = np.exp(np.random.default_rng(2).normal(10, 0.01, (seconds.size, 1)))
    data = ChainData((series("BTC", SPOTS),), seconds, prices, "p.csv", "1" * 64)
    _, result = _run(study, data, tmp_path / "p")
    assert result.head["settings"]["windows_read"] == [20, 20] and result.head["settings"]["margin_periods"] == 71
    late = ChainData(data.series, seconds + 60 * 86_400, prices, "p.csv", "1" * 64)
    with pytest.raises(UsageError, match=r"p\.csv: prices must hold at least two margin periods"):
        _run(study, late, tmp_path / "q")


def _made(study, seed=4, scale=1.0):
    """A replay of invented figures: three accounts, two models, some days missing."""
    random = np.random.default_rng(seed)
    n, k = 120, 3
    loss = random.standard_t(3, (n, k))
    loss[5, 1] = np.nan
    required = scale * np.stack([1.5 + 0.2 * random.random((n, k)), 3.0 + 0.5 * random.random((n, k))])
    names = tuple(("BTC", a) for a in ("long", "put", "aside"))
    return ChainFigures(
        study.study,
        Replay(
            np.arange(n) * 86_400,
            names,
            loss,
            np.full((n, k), 50.0),
            np.zeros((n, k)),
            required,
            0.8 * required,
            np.full(n, 20),
            {},
        ),
    )


def test_cells_by_direct_formulas(study):
    figures = _made(study)
    seen = figures.replay
    for c in figures.cells:
        m, k = figures.settings.index((c["model"], c["level"])), [a for _, a in seen.names].index(c["account"])
        days = np.isfinite(seen.loss[:, k])
        hit = seen.loss[days, k] > seen.required[m, days, k]
        assert (c["days"], c["exceptions"]) == (days.sum(), hit.sum())
        assert c["binomial_p"] == pytest.approx(binomtest(int(hit.sum()), int(days.sum()), 0.1).pvalue)
        assert c["too_many_p"] == pytest.approx(binom.sf(hit.sum() - 1, days.sum(), 0.1))
        least = next(x for x in range(200) if binom.sf(x - 1, days.sum(), 0.1) <= 0.05)
        assert c["power"] == pytest.approx(binom.sf(least - 1, days.sum(), 0.3))
        assert c["uncovered_peak"] == pytest.approx(max(0.0, ((seen.loss - seen.required[m])[days, k] / 50.0).max()))


def test_power_is_stated_at_the_p_value_that_the_adjustment_asks_for(study):
    figures = _made(study, scale=0.6)
    rejected = sum(c["too_many_p_bh"] <= 0.05 for c in figures.cells)
    assert 1 < rejected < len(figures.cells)
    for c in figures.cells:
        # a cell counts as rejected exactly where its p-value is at most the size that its power is stated at
        cut = 0.05 * rejected / len(figures.cells)
        assert (c["too_many_p"] <= cut) == (c["too_many_p_bh"] <= 0.05)
        least = next(x for x in range(200) if binom.sf(x - 1, c["days"], 0.1) <= cut)
        assert c["power_adjusted"] == pytest.approx(binom.sf(least - 1, c["days"], 0.3))
    assert all(c["too_many_p_holm"] >= c["too_many_p_bh"] >= c["too_many_p"] for c in figures.cells)


def test_at_equal_cost_means_are_equal_and_what_stands_apart_does_not_count(study):
    figures = _made(study)
    seen = figures.replay
    pooled = np.isfinite(seen.loss[:, :2])
    mean = [float(seen.required[m][:, :2][pooled].sum()) for m in (0, 1)]
    # the benchmark is the second model
    assert figures.multiplier == pytest.approx([mean[1] / mean[0], 1.0])
    rows = {(r.model, r.measure): r.estimate for r in figures.rows() if r.section == "chain"}
    scaled = seen.loss[:, :2][pooled] > mean[1] / mean[0] * seen.required[0][:, :2][pooled]
    assert rows["deribit_standard", "equal_exception_rate"].value == pytest.approx(scaled.mean())
    assert rows["deribit_standard", "observations"].value == pooled.sum() == 239
    deep = (seen.loss > 0.8 * seen.required[0])[:, :2][pooled]
    assert rows["deribit_standard", "maintenance_exception_rate"].value == pytest.approx(deep.mean())
    paired = {r.measure: r.estimate for r in figures.rows() if r.section == "chain_paired"}
    hit = [(seen.loss[:, :2] > seen.required[m][:, :2])[pooled].sum() for m in (0, 1)]
    assert paired["exception_rate_difference"].value == pytest.approx((hit[0] - hit[1]) / 239)
    low, high = (paired["exception_rate_difference"].lower, paired["exception_rate_difference"].upper)
    assert 0 < low < paired["exception_rate_difference"].value < high
    assert 0 < paired["exception_rate_difference_p"].value < 1e-3


def test_resampled_exceptions_are_those_of_the_resampled_days(study):
    """The sorted look-up of `_rescaled` against drawing the days one by one."""
    figures = _made(study)
    seen, got = figures.replay, figures._rescaled(0)
    for r in (0, 7, 42):
        at = np.repeat(np.arange(120), figures.drawn[r].astype(int))
        loss, need = seen.loss[at][:, :2], seen.required[:, at][:, :, :2]
        known = np.isfinite(loss)
        multiplier = need[1][known].sum() / need[0][known].sum()
        assert got[r] == (loss[known] > multiplier * need[0][known]).sum()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: naked_short", "kind: naked_shirt", "did you mean 'naked_short'"),
        ("instrument: put", "instrument: putt", "must be one of call, put, perpetual, coin"),
        ("days: 30, moneyness: 0.9", "days: 30", "one of delta and moneyness, got neither"),
        ("quantity: 2", "quantity: 2, days: 3", "days must not be given for a perpetual"),
        ("name: put,", "name: long,", "accounts must all differ, got long twice"),
        ("apart: [aside]", "apart: [asid]", "did you mean 'aside'"),
        ("apart: [aside]", "apart: [aside, long, put]", "must leave at least one account to pool"),
        ("benchmark: historical_var", "benchmark: historic", "benchmark must be one of"),
        ("window: 20", "rate_multiple: 10", "rate_multiple must be below 10, as a rate of 0.1 is promised, got 10"),
        ("levels: [0.9]", "levels: [0.9], margin_period_hours: 48", "must be that of the study, 24, got 48"),
        ("levels: [0.9]", "levels: [0.9], window: 15", "must not exceed least_window of the study, 10, got 15"),
        ("window: 20", "margin_period_hours: 30", "margin_period_hours must be whole days, got 30 h"),
    ],
)
def test_faults_are_named(tmp_path, old, new, said):
    assert old in STUDY
    (tmp_path / "s.yaml").write_text(STUDY.replace(old, new, 1))
    with pytest.raises(InputError) as error:
        load_study(tmp_path / "s.yaml")
    assert said in str(error.value)


def test_the_shipped_study_covers_every_margin_model_and_keeps_to_its_own_words():
    from riskengine.registry import kinds

    shipped = load_study("margin_chain_backtest").study
    known = {m.kind for m in shipped.models}
    # accounts are struck afresh each period, so a limit on speed has no work; the others would make the committed
    # result larger than a file may be
    assert (
        known == set(kinds("margin")) - {"speed_limited", "governed", "liquidity_addon", "collateral_haircut"}
        and len(shipped.accounts) == 19
    )
    assert json.dumps(load_study("margin_chain_backtest").resolved)
