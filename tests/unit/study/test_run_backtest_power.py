"""A study of backtests: figures against closed forms, sizes kept, the same bits, faults, report, command line."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import bdtr, bdtrc

from riskengine.backtest.battery import WAYS
from riskengine.backtest.power import count_power
from riskengine.config.dump import to_yaml
from riskengine.config.study import load_study, study_of
from riskengine.engine.power_bench import HeldForecast
from riskengine.engine.questions import Exposure
from riskengine.errors import InputError
from riskengine.estimate import LaneFigure, LaneTails
from riskengine.report.render import write_reports
from riskengine.stats.proportion import clopper_pearson
from riskengine.study.account_tests import account_figures, book_figures
from riskengine.study.backtest_power import run_backtest_power
from riskengine.study.power_figures import detection, exact_months, exact_multiple, exact_rejection, some_rejection
from riskengine.study.power_spec import RollingForecast

STUDY = """\
kind: backtest_power
title: A small study of backtests
world: merton_day
exposure: {asset: BTC, side: long, contract: linear}
horizon_hours: 24
levels: [0.99]
sample_sizes: [120, 250]
replications: 1100
null_replications: 1999
seed: 5
rate_multiples: [0.5, 1.5, 2, 4]
excess_multiples: [3]
clustered_worlds: [btc]
rolling:
  - {estimator: historical, window: 100}
overlaps: [5]
bootstrap_draws: 99
criteria:
  - {measure: test_size, limit: 0.05, where: {section: test_size, model: kupiec, p_value: exact}}
"""
KUPIEC = ("kupiec", "asymptotic")


def written(folder, text=STUDY):
    (folder / "power.yaml").write_text(text)
    return folder / "power.yaml"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """(folder, rows) of one run on two threads, and the bytes of the same run on one."""
    folder = tmp_path_factory.mktemp("power")
    loaded = load_study(written(folder))
    assert study_of(loaded.resolved) == loaded.study
    seen, paths = [], []
    for workers in (2, 1):
        out = folder / f"run{workers}"
        run_backtest_power(loaded.study, loaded.resolved, "power", out, workers, lambda p: seen.append(p), "riskengine")
        paths.append(out)
    assert seen[-1].done == seen[-1].total == 2 * 1999 + 3 * 1100
    (paths[0] / "study.yaml").write_text(to_yaml(loaded.resolved))
    return paths[0], json.loads((paths[0] / "result.json").read_text())["rows"], paths


def figures(rows, section, measure, model=None, **parameters):
    return [
        r["estimate"]
        for r in rows
        if (r["section"], r["measure"]) == (section, measure)
        and (model is None or r["model"] == model)
        and all(r["parameters"].get(k) == v for k, v in parameters.items())
    ]


def one(rows, *args, **parameters):
    found = figures(rows, *args, **parameters)
    assert len(found) == 1, (args, parameters, len(found))
    return found[0]


def test_any_number_of_threads_writes_the_same_bits(ran):
    assert (ran[2][0] / "result.json").read_bytes() == (ran[2][1] / "result.json").read_bytes()


def test_kupiec_at_250_days_and_one_percent_is_a_test_of_9_5_percent(ran):
    size = one(ran[1], "test_size", "test_size", "kupiec", sample_size=250, p_value="asymptotic")
    assert size["value"] == pytest.approx(0.095, abs=5e-4) and size["confidence"] == 1.0
    power = one(ran[1], "test_power", "test_power", "kupiec", alternative="rate", multiple=2.0, sample_size=250,
                p_value="asymptotic")  # fmt: skip
    assert power["value"] == pytest.approx(0.24, abs=5e-3)
    assert power["value"] == pytest.approx(count_power("kupiec", 250, 0.01, 0.02).power, rel=1e-12)


def test_every_way_has_its_size_and_simulated_ones_keep_it(ran):
    """Given the table of 1,999 the size of a simulated test itself scatters by 0.5 points."""
    sizes = [r for r in ran[1] if r["measure"] == "test_size" and r["section"] == "test_size"]
    assert {(r["model"], r["parameters"]["p_value"]) for r in sizes} == set(WAYS)
    error = math.sqrt(0.05 * 0.95 * (1 / 1100 + 1 / 1999))
    simulated = [r for r in sizes if r["parameters"]["p_value"] == "simulated"]
    lost = {(r["model"], r["parameters"]["sample_size"]): r["estimate"]["value"] for r in ran[1]
            if r["measure"] == "untestable"}  # fmt: skip
    for r in simulated:
        formed = 1.0 - lost.get((r["model"], r["parameters"]["sample_size"]), 0.0)
        assert abs(r["estimate"]["value"] - 0.05 * formed) < 4.6 * error, r
    any_time = [r["estimate"]["lower"] for r in sizes if r["parameters"]["p_value"] == "any-time"]
    assert len(any_time) == 6 and max(any_time) < 0.05


def test_what_cannot_be_formed_is_what_counts_say(ran):
    for test, least in (("weibull_duration", 2), ("mcneil_frey", 3), ("z1", 1)):
        for n in (120, 250):
            found = one(ran[1], "test_size", "untestable", test, sample_size=n)
            value = bdtr(least - 1, n, 0.01)
            assert abs(found["value"] - value) < 4.5 * math.sqrt(value * (1 - value) / 1100)


def test_simulated_counts_agree_with_enumerated_ones(tmp_path):
    """The route that serves clustered breaches, on the truths where the answer is a sum."""
    from riskengine.engine.blocks import Block
    from riskengine.engine.power_lab import PowerLab

    study = replace(load_study(written(tmp_path)).study, overlaps=(), excess_multiples=(), sample_sizes=(120, 250),
                    clustered_worlds=(), rolling=(), replications=1024)  # fmt: skip
    lab = PowerLab(study)
    lab.prepare()
    lab.main(Block(0, 0, 1024))
    for case in lab.cases:
        for j, n in enumerate(study.sample_sizes):
            for way in (KUPIEC, ("binomial", "exact"), ("traffic_light", "exact"), ("time_until_failure", "exact")):
                p = lab.p_value(case, way, (0, j))
                wanted = exact_rejection(way, n, 0.01, 0.01 * case.multiple, 0.05)
                held = clopper_pearson(int((p <= 0.05).sum()), 1024, 1.0 - 1e-4 / 40)
                assert held.lower <= wanted <= held.upper, (case, way, n)


def test_alternatives_are_what_they_say(ran):
    forecast = HeldForecast(load_study("calibration_power").study.world, Exposure("BTC", "long", "linear"), 24.0)
    for multiple in (0.5, 2.0, 4.0):
        c = forecast.stretch(multiple, 0.01)
        at = forecast.point(0.01)
        assert float(forecast.law.cdf(at / c)) == pytest.approx(0.01 * multiple, rel=1e-9)
    assert forecast.es_ratio(1.0, 0.01) == pytest.approx(1.0, abs=1e-8)
    x = np.linspace(-0.5, 0.2, 1001)
    moved = forecast.beyond(x, 3.0, 0.01)
    assert ((moved < forecast.point(0.01)) == (x < forecast.point(0.01))).all() and (moved <= x).all()
    # by another route: the mean loss over a fine grid of tail probabilities
    u = 0.01 * (np.arange(20_000) + 0.5) / 20_000
    deep = forecast.exposure.unit.loss(forecast.beyond(forecast.law.quantile(u), 3.0, 0.01)).mean()
    said = one(ran[1], "test_power", "es_ratio", multiple=3.0)
    assert said["value"] == pytest.approx(deep / forecast.es(0.01), rel=2e-4)
    short = HeldForecast(forecast.world, Exposure("BTC", "short", "inverse"), 24.0)
    c = short.stretch(2.0, 0.01)
    assert 1.0 - float(short.law.cdf(short.point(0.01) / c)) == pytest.approx(0.02, rel=1e-8)


def test_estimation_alone_breaches_more_often_than_promised(ran):
    """The 99th of 100 losses: P(breach) = 2 / 101 exactly, whatever the law."""
    rate = one(ran[1], "test_power", "mean_breach_probability", alternative="rolling")
    assert abs(rate["value"] - 2 / 101) < 4 * rate["std_error"]
    assert not [r for r in ran[1] if r["parameters"].get("alternative") == "rolling" and r["model"].startswith("z")]


def test_bunches_come_at_the_right_rate_and_are_seen(ran):
    rate = one(ran[1], "test_power", "mean_breach_probability", alternative="clusters")
    assert abs(rate["value"] - 0.01) < 4 * rate["std_error"] + 3e-4  # and the scheme's own step
    again = one(ran[1], "test_power", "breach_after_breach", alternative="clusters")
    assert again["lower"] > 3.0
    seen = one(ran[1], "test_power", "test_power", "dynamic_quantile", alternative="clusters", sample_size=250)
    assert seen["lower"] > 0.08


def test_overlapping_losses_are_no_binomial_count_and_simulated_bounds_hold(ran):
    naive = one(ran[1], "overlap", "test_size", "kupiec", losses="overlapping, as if apart", p_value="asymptotic",
                sample_size=250)  # fmt: skip
    assert naive["lower"] > 0.25
    error = math.sqrt(0.05 * 0.95 * (1 / 1100 + 1 / 1999))
    for test in ("kupiec", "traffic_light"):
        for found in figures(ran[1], "overlap", "test_size", test, losses="overlapping, simulated bounds"):
            assert abs(found["value"] - 0.05) < 4.2 * error
    apart = one(ran[1], "overlap", "test_size", "kupiec", losses="apart", sample_size=250)
    assert apart["value"] == pytest.approx(count_power("kupiec_exact", 50, 0.01, 0.02).size, rel=1e-9)


def test_adjusted_families_keep_their_level_and_plain_ones_do_not(ran):
    found = {
        p: one(ran[1], "multiplicity", "false_alarm", family="battery", procedure=p, p_value="best", sample_size=250)
        for p in ("none", "holm", "hommel", "benjamini_hochberg")
    }
    assert found["none"]["lower"] > 0.25
    assert found["holm"]["value"] <= found["hommel"]["value"] <= found["benjamini_hochberg"]["value"]
    assert all(found[p]["lower"] <= 0.05 for p in ("holm", "hommel", "benjamini_hochberg"))
    size = exact_rejection(KUPIEC, 250, 0.01, 0.01, 0.05)
    many = one(ran[1], "multiplicity", "false_alarm", "kupiec", accounts=10, p_value="asymptotic", procedure="none",
               sample_size=250)  # fmt: skip
    assert many["value"] == pytest.approx(1 - (1 - size) ** 10, rel=1e-9)
    assert some_rejection(0.05, 1).value == pytest.approx(0.05)


def test_the_smallest_rate_found_is_a_root():
    for way in (("binomial", "exact"), KUPIEC, ("traffic_light", "exact")):
        least = exact_multiple(way, 500, 0.01, 0.05, 0.8)
        assert exact_rejection(way, 500, 0.01, 0.01 * least.value, 0.05) == pytest.approx(0.8, abs=1e-8)
        assert exact_rejection(way, 500, 0.01, 0.0099 * least.value, 0.05) < 0.8
    # one-sided, by hand: yellow from 9 breaches
    light = exact_multiple(("traffic_light", "exact"), 500, 0.01, 0.05, 0.8).value
    assert bdtrc(8, 500, 0.01 * light) == pytest.approx(0.8, abs=1e-8)
    assert math.isnan(exact_multiple(("binomial", "exact"), 1, 0.4, 0.05, 0.8).value)


def test_months_are_the_first_after_which_the_power_stays():
    found = exact_months(("binomial", "exact"), 0.01, 2.0, 0.05, 0.8, 30.0).value
    power = [exact_rejection(("binomial", "exact"), 30 * m, 0.01, 0.02, 0.05) for m in range(1, 241)]
    assert min(power[int(found) - 1 :]) >= 0.8 > power[int(found) - 2]
    assert min(power[: int(found)]) < 0.8 <= max(power[: int(found) - 1])  # the saw: an earlier month is not enough
    assert "more than 240 months" in exact_months(("binomial", "exact"), 0.01, 1.05, 0.05, 0.8, 30.0).method


def test_interpolation_finds_the_root_that_enumeration_does():
    multiples = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
    for n in (250, 500, 1000):
        powers = [exact_rejection(KUPIEC, n, 0.01, 0.01 * m, 0.05) for m in multiples]
        made = [clopper_pearson(round(4096 * p), 4096) for p in powers]
        found = detection([math.log(m) for m in multiples], made, 0.8, math.exp, "times the rate")
        wanted = exact_multiple(KUPIEC, n, 0.01, 0.05, 0.8).value
        assert found.value == pytest.approx(wanted, rel=0.02)
        assert found.lower < found.value < found.upper
    none = detection([0.0, 1.0], made[:2], 0.8, math.exp, "times the rate")
    assert math.isnan(none.value) and none.method == "more than 2.72 times the rate"
    all_of = detection([4.0, 5.0], made[-2:], 0.8, lambda x: x, "months")
    assert all_of.method == "less than 4 months"


def test_the_report_says_what_a_pass_is_worth(ran):
    write_reports(ran[0])
    page = (ran[0] / "report.html").read_text()
    for said in (
        "Kupiec&#39;s chi-squared test, 5 % by name, rejects a right 99 % VaR on",
        "True size of a 5 % test at 99 %",
        "Power at 99 % against a breach rate that is wrong",
        "Power at 99 % against an ES too small at the right VaR",
        "How often forecasts are rejected: BTC",
        "How often forecasts are rejected: Historical (100 losses)",
        "Smallest rate found with 80 % power, at 99 %",
        "Months until found with 80 % power, at 99 %",
        "Chance of at least one false alarm among tests of one history, 99 %",
        "True size of tests of overlapping losses at 99 %",
        "Nolde–Ziegel one-sided",
    ):
        assert said in page, said
    names = {"test_size", "test_power", "detection", "multiplicity", "overlap"}
    assert {f.stem for f in (ran[0] / "tables").iterdir()} == names


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("levels: [0.99]", "levels: [0.99, 0.95]", "levels must increase"),
        ("[120, 250]", "[5, 250]", "size of sample_sizes must lie in [20,"),
        ("[0.5, 1.5, 2, 4]", "[1, 2]", "rate_multiples must leave out 1"),
        ("[0.5, 1.5, 2, 4]", "[2, 50]", "rate_multiples must keep the breach rate at 40 % at most"),
        ("excess_multiples: [3]", "excess_multiples: [1]", "multiple of excess_multiples must lie in"),
        ("contract: linear", "contract: log", "exposure must be linear or inverse"),
        ("asset: BTC", "asset: SOL", "exposure must be of an asset of the world (BTC)"),
        ("[btc]", "[october_2025]", "clustered_worlds must be without a stress"),
        ("[btc]", "[btc, btc]", "clustered_worlds must all differ"),
        ("window: 100", "window: 3", "window must lie in [10,"),
        ("overlaps: [5]", "overlaps: [100]", "overlap of overlaps must lie in [2, 24]"),
        ("replications: 1100", "replications: 5", "replications must lie in [100,"),
    ],
)
def test_faults_name_what_is_legal(tmp_path, old, new, said):
    assert old in STUDY
    with pytest.raises(InputError) as caught:
        load_study(written(tmp_path, STUDY.replace(old, new, 1)))
    assert said in str(caught.value)


def test_a_declared_limit_is_judged(ran):
    judged = {(r["model"], r["parameters"]["p_value"], r["verdict"]) for r in ran[1] if r.get("verdict")}
    assert judged == {("kupiec", "exact", "PASS")}


class Picky:
    """Refuses to forecast after a large loss, or always."""

    kind = "picky"

    def __init__(self, bound):
        self.bound = bound

    def fit_lanes(self, losses, level, confidence):
        value = np.repeat(
            np.where(losses.max(axis=0) < self.bound, losses.max(axis=0), np.nan)[None], np.size(level), 0
        )
        return LaneTails(LaneFigure(value, value, value), LaneFigure(value, value, value))


def test_histories_with_a_refused_forecast_are_left_out(tmp_path):
    small = STUDY.replace("replications: 1100", "replications: 100").replace("[120, 250]", "[30]")
    loaded = load_study(written(tmp_path, small.replace("overlaps: [5]", "overlaps: []")))
    for name, bound, most in (("some", 0.11, 99), ("all", -9.0, 0)):
        cases = (RollingForecast(Picky(bound), 20),)
        study = replace(loaded.study, rolling=cases, clustered_worlds=(), excess_multiples=(), criteria=())
        _, result = run_backtest_power(study, loaded.resolved, "power", tmp_path / name, 1)
        found = {r.estimate.n for r in result.rows if r.parameters.get("alternative") == "rolling" and r.model}
        assert len(found) == 1 and max(found) <= most
        why = {r.estimate.method for r in result.rows if r.parameters.get("alternative") == "rolling" and r.model}
        assert ("the estimator refuses a forecast in every history" in why) == (most == 0)


def test_a_rate_beyond_the_middle_of_the_law_is_refused():
    forecast = HeldForecast(load_study("calibration_power").study.world, Exposure("BTC", "long", "linear"), 24.0)
    with pytest.raises(ValueError, match="rate_multiples must keep the breached quantile on its side of zero, got 1.9"):
        forecast.stretch(1.9, 0.3)


def test_overlaps_need_independent_returns(tmp_path):
    with pytest.raises(InputError, match="overlaps need a world whose returns are independent, got 'btc'"):
        load_study(written(tmp_path, STUDY.replace("world: merton_day", "world: btc")))


def test_accounts_are_tested_one_by_one_and_together():
    random = np.random.default_rng(12)
    breach = random.random((6, 400)) < np.array([0.01, 0.01, 0.01, 0.05, 0.1, 0.0])[:, None]
    follows = np.ones(399, dtype=bool)
    accounts = list(account_figures(0.99, breach, follows, 0.95))
    values = [{m: e for m, _, e, _ in figures} for figures in accounts]
    assert [v["traffic_light"].method.split()[0] for v in values][3:] == ["red", "red", "green"]
    assert all(v["holm_p"].value >= v["binomial_p"].value for v in values)
    from riskengine.backtest.e_process import e_process

    for v, b in zip(values, breach, strict=True):
        assert v["e_process_p"].value == pytest.approx(e_process(b / 0.01).p_value, rel=1e-9)
    whole = {m: e for m, _, e, _ in book_figures(0.99, 400, accounts)}
    assert whole["accounts_rejected"].value == sum(v["binomial_p"].value <= 0.05 for v in values)
    assert whole["accounts_red"].value == 2
    assert whole["power_at_twice"].value == pytest.approx(count_power("binomial", 400, 0.01, 0.02).power, rel=1e-9)
    assert exact_rejection(("binomial", "exact"), 400, 0.01, whole["detectable_rate"].value, 0.05) == pytest.approx(0.8)
    grid = list(account_figures(None, breach, follows, 0.95))
    assert {m for figures in grid for m, _, _, _ in figures} == {"breaches", "breach_rate"}
