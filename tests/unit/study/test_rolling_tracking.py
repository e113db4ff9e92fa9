"""Ex ante tracking error: closed forms, a second route, and the rows of a study."""

import numpy as np
import pytest

from riskengine.config.study import load_study
from riskengine.errors import InputError, UsageError
from riskengine.market.record import PriceRecord
from riskengine.report.render import write_reports
from riskengine.stats.tracking import bootstrapped, newey_west_deviation, tracking
from riskengine.study.rolling_tracking import forecasts

STUDY = """
kind: rolling_forecast
title: Portfolios
window: 60
levels: [0.95]
estimators: [historical]
least_days: 100
null_draws: 99
replicates: 199
tracking:
  - {name: half and half, portfolio: {A: 0.5, B: 0.5}, benchmark: {A: 1}}
  - {name: B with memory, portfolio: {B: 1}, benchmark: {A: 1}, window: 80, half_life: 20}
"""
DAYS = 1_500


@pytest.fixture(scope="module")
def returns():
    random = np.random.default_rng(3)
    market = 0.02 * random.standard_normal(DAYS)
    return np.stack([market, 0.9 * market + 0.01 * random.standard_normal(DAYS)], axis=1)


def records(returns, names="AB"):
    seconds = (20_000 + np.arange(len(returns) + 1)) * 86_400
    index = np.vstack([np.ones(returns.shape[1]), np.cumprod(1 + returns, axis=0)])
    made = [PriceRecord(n, n, "", seconds, index[:, i], "f.csv", "0" * 64) for i, n in enumerate(names)]
    made[1] = PriceRecord("B", "B", "", seconds[100:], index[100:, 1], "f.csv", "0" * 64)  # B starts later
    return made


def run(tmp_path, text, found):
    file = tmp_path / "p.yaml"
    file.write_text(text)
    loaded = load_study(file)
    return loaded.study.run(loaded.resolved, "p", out=tmp_path / "o", records=found, command="")


def test_forecast_is_the_deviation_of_the_active_return_of_the_window(returns):
    """w' S w is the variance of w' r: one number a day by both routes, weighted or not."""
    active = np.array([-0.5, 0.5])
    a = returns @ active
    plain = forecasts(returns, active, 60)
    np.testing.assert_allclose(plain, [a[t - 60 : t].std(ddof=1) for t in range(60, DAYS)], rtol=1e-9)
    weight = 0.5 ** (np.arange(60)[::-1] / 20)
    weighted = forecasts(returns, active, 60, 20)
    past = a[40:100]
    mean = past @ weight / weight.sum()
    unbiased = weight.sum() - (weight**2).sum() / weight.sum()
    assert weighted[40] == pytest.approx(np.sqrt(weight @ (past - mean) ** 2 / unbiased), rel=1e-9)


def test_rows_of_a_study(returns, tmp_path):
    folder, result = run(tmp_path, STUDY, records(returns))
    own = [r for r in result.rows if r.section == "rolling_portfolio"]
    first = [r for r in own if r.parameters["portfolio"] == "half and half"]
    found = {(r.measure, r.parameters.get("error") or r.parameters.get("group")): r.estimate for r in first}
    shared = returns[100:]  # the stamps that both have
    a = (shared @ [-0.5, 0.5])[60:]
    ahead = forecasts(shared, np.array([-0.5, 0.5]), 60)
    assert found["ex_ante_tracking_error", None].value == pytest.approx(ahead.mean(), rel=1e-6)
    for way in ("normal", "Newey-West", "block bootstrap"):
        assert found["ex_post_tracking_error", way].value == pytest.approx(a.std(ddof=1), rel=1e-6)
    assert found["tracking_difference", None].value == pytest.approx(a.mean(), rel=1e-6)
    assert found["tracking_exceedance", None].value == pytest.approx((abs(a) > 1.959964 * ahead).mean(), abs=1e-12)
    # independent normal returns: the ratio is sqrt((W - 1) / (W - 3)) but for its error
    for way in ("Newey-West", "block bootstrap"):
        ratio = found["tracking_ratio", way]
        assert abs(ratio.value - np.sqrt(59 / 57)) < 4.5 * ratio.std_error and 0.01 < ratio.std_error < 0.04
        assert ratio.lower < ratio.value < ratio.upper
    groups = [found["tracking_ratio", g] for g in ("low forecasts", "middle forecasts", "high forecasts")]
    # thirds average to the whole, squared
    assert np.mean([g.value**2 for g in groups]) == pytest.approx(ratio.value**2, rel=2e-3)
    write_reports(folder)
    text = (folder / "report.md").read_text()
    assert "Is the ex ante tracking error right?" in text and "half and half" in text


def test_a_market_that_calms_down_is_seen(tmp_path):
    """Active risk falls to a third: forecasts made of the past are too high then, and the ratio says so."""
    random = np.random.default_rng(5)
    width = np.where(np.arange(800) < 130, 0.03, 0.01)
    made = np.stack([0.02 * random.standard_normal(800), np.zeros(800)], axis=1)
    made[:, 1] = made[:, 0] + width * random.standard_normal(800)
    _, result = run(tmp_path, STUDY.replace("  - {name: B w", "  #"), records(made))
    ratio = {r.parameters.get("group"): r.estimate for r in result.rows if r.measure == "tracking_ratio"}
    assert ratio["high forecasts"].upper < 1.0 < ratio["low forecasts"].upper


def test_errors_agree_where_returns_are_independent():
    """Normal formula, Newey and West and the block bootstrap: one truth, sd / sqrt(2 (n - 1))."""
    a = np.random.default_rng(7).standard_normal(4_000)
    truth = 1 / np.sqrt(2 * 3_999)
    hac = newey_west_deviation(a)
    blocks = tracking(a, np.zeros(4_000) + 1e-9 * a, block=16, replicates=2_000).error
    assert hac.std_error == pytest.approx(truth, rel=0.15) and blocks.std_error == pytest.approx(truth, rel=0.15)
    means = bootstrapped(lambda i: a[i].mean(axis=1), 4_000, 1, 4_000)
    assert means.std(ddof=1) == pytest.approx(a.std() / np.sqrt(4_000), rel=0.06)


def test_series_that_are_not_there(returns, tmp_path):
    with pytest.raises(UsageError, match="tracking of half and half must name series that are forecast .*got 'Bee'"):
        run(tmp_path, STUDY.replace("B: 0.5", "Bee: 0.5"), records(returns))
    text = STUDY.replace("{A: 0.5, B: 0.5}, benchmark: {A: 1}", "{X: 0.5, Y: 0.5}, benchmark: {X: 1}")
    file = tmp_path / "q"
    file.mkdir()
    _, result = run(file, text, records(returns))
    assert result.head["left_out"] == ["tracking of half and half: none of its series (X, Y) is among those forecast"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("benchmark: {A: 1}}", "portfolio and benchmark must differ"),
        ("benchmark: {}}", "portfolio and benchmark must hold at least one series each"),
        ("benchmark: {A: 1}, half_life: 0.1}", "half_life must lie in"),
        ("benchmark: {A: 1000}}", "weight of A in benchmark must lie in"),
    ],
)
def test_faults(change, said, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(STUDY[: STUDY.index("  - {name: B")] + "  - {name: n, portfolio: {A: 1}, " + change + "\n")
    with pytest.raises(InputError) as raised:
        load_study(file)
    assert said in str(raised.value)
