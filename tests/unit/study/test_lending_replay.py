"""Replay of a lending market over real prices: against a book worked by hand, and October 2025 on a real book."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from riskengine.config.study import load_study
from riskengine.data.liquidations import load_liquidations
from riskengine.data.prices import load_prices
from riskengine.errors import InputError
from riskengine.study.lending_replay import _ranks
from riskengine.study.lending_replay_spec import LiquidationColumns
from riskengine.study.replay_recommended import adjusted_signs, sign_test

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
from cli_files import call  # noqa: E402

STUDY = """
kind: lending_replay
title: One fall
assets: [ETH]
spot: [2000]
book:
  reserves: [WETH, USDC]
  borrowers:
    - {name: near, collateral: {WETH: 10}, debt: {USDC: 16000}}
    - {name: safe, collateral: {WETH: 10}, debt: {USDC: 2000}}
market:
  kind: aave_v3
  rules:
    name: made here
    as_of: "2025-01-01"
    source: made here
    reserves:
      - {symbol: WETH, asset: ETH, decimals: 18, ltv: 0.8, liquidation_threshold: 0.83, liquidation_bonus: 0.05,
         liquidation_protocol_fee: 0.1, rates: {optimal_usage: 0.9, base: 0, slope1: 0, slope2: 0, reserve_factor: 0.1}}
      - {symbol: USDC, asset: null, decimals: 6, ltv: 0.0, liquidation_threshold: 0.0, liquidation_bonus: 0.0,
         liquidation_protocol_fee: 0.0, rates: {optimal_usage: 0.9, base: 0, slope1: 0, slope2: 0, reserve_factor: 0.1}}
    oracle: {deviation: 0.0, heartbeat_hours: 1}
  keeper: {delay_hours: 0, gas_usd: 0, calls_per_step: 1}
  liquidity: {depth_usd: {ETH: 1000000000000}, refill_half_life_hours: 1}
events:
  - {name: fall, start: "2025-01-01T02:00", hours: 4}
threshold_shifts: [0, -0.04]
starts: 3
"""
# 4,000 at the start, then 4 % down: health of `near` is 0.83 x 19,200 / 16,000 = 0.996, so half its debt is repaid
CLOSES = (4400, 4000, 4000, 3840, 3840, 3900, 4000, 4000)


def prices(folder: Path, closes=CLOSES) -> Path:
    rows = [f"2025-01-01T{h:02d}:00,ETH,{p}" for h, p in enumerate(closes)]
    file = folder / "prices.csv"
    file.write_text("timestamp,symbol,close\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return file


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "s.yaml").write_text(STUDY, encoding="utf-8")
    (tmp_path / "real.csv").write_text(
        "timestamp,account_id,collateral_usd,ok\n2024-12-31T00:00,a,1,y\n2025-01-01T03:30,a,100,y\n"
        "2025-01-01T04:30,a,50,y\n2025-01-01T04:40,b,7,n\n2025-01-01T06:00,c,9,y\n2025-01-02T00:00,d,1,y\n",
        encoding="utf-8",
    )
    return tmp_path


def figures(capsys, folder, *more):
    study = folder / "s.yaml"
    code, out, err = call(capsys, "run", study, "--data", prices(folder), *more, "--out", folder / "run", "--json")
    assert code == 0, err
    rows = json.loads(out)["result"]["rows"]
    return {(r["measure"], r["parameters"].get("threshold_shift", 0.0)): r["estimate"] for r in rows}


def test_a_fall_worked_by_hand(capsys, folder):
    found = figures(capsys, folder, "--data", folder / "real.csv", "--set", "happened={where: {ok: [y]}}")
    value = {key: e["value"] for key, e in found.items()}
    assert value["deepest_fall", 0.0] == pytest.approx(-0.04)
    assert value["replayed_borrowers", 0.0] == 1.0
    # half of 16,000 repaid, 5 % on top
    assert value["replayed_seized", 0.0] == pytest.approx(8_400.0)
    assert value["replayed_penalty", 0.0] == pytest.approx(400.0)
    assert value["replayed_bad_debt", 0.0] == 0.0
    # a cut by four points: 0.79 x 20,000 is below 16,000 before any price moves
    assert value["liquidatable_at_start", 0.0] == 0.0 and value["liquidatable_at_start", -0.04] == 1.0
    # from two hours earlier the fall starts at 4,400: health 0.83 x 18,182 / 16,000, then half more, deeper
    assert value["replayed_seized_most", 0.0] >= value["replayed_seized", 0.0] >= value["replayed_seized_least", 0.0]
    assert value["replayed_seized_most", 0.0] > 8_400.0 + 1.0
    # from 02:00 on and before 06:00, of rows that are ok
    assert value["happened_seized", 0.0] == 150.0 and value["happened_borrowers", 0.0] == 1.0
    assert all(e["lower"] == e["value"] == e["upper"] for e in found.values())
    report = (folder / "run" / "report.md").read_text(encoding="utf-8")
    assert "really 150 USD" in report and "A counterfactual" in report


RECOMMENDED = (
    "recommended=[{name: higher, tokens: {WETH: {ltv: 0.8, liquidation_threshold: 0.85}}},"
    " {name: wide, tokens: {WETH: {ltv: 0.7, liquidation_threshold: 0.77, liquidation_bonus: 0.1}}}]"
)


def recommended(capsys, folder, *more, out="run"):
    code, text, err = call(
        capsys, "run", folder / "s.yaml", "--data", prices(folder), *more, "--out", folder / out, "--json"
    )
    assert code == 0, err
    rows = json.loads(text)["result"]["rows"]
    own = [r for r in rows if r["section"] == "recommended"]
    names = ("parameter_set", "capacity", "measure")
    found = {}
    for r in own:
        of = tuple(r["parameters"].get(n) for n in names)
        found[(*of[:2], r["measure"], r["parameters"]["event"], of[2])] = r["estimate"]["value"]
    return found


def test_recommended_sets_at_their_own_and_at_equal_capacity_by_hand(capsys, folder):
    # `near` owes 16,000 on 20,000, 19,200 at the bottom.  Live: 0.83 x 19,200 < 16,000, so 8,000 are repaid at 5 %.
    found = recommended(capsys, folder, "--set", RECOMMENDED, "--set", "starts=1")

    def value(name, capacity, measure, event="fall", of=None):
        return found[name, capacity, measure, event, of]

    # 0.85 x 19,200 = 16,320 is healthy; equal capacity leaves 0.85, since the LTV is that in force
    for capacity in ("own", "equal"):
        assert value("higher", capacity, "replayed_seized") == 0.0
        assert value("higher", capacity, "seized_difference") == pytest.approx(-8_400.0)
        assert value("higher", capacity, "borrow_capacity") == pytest.approx(32_000.0)
        assert value("higher", capacity, "events_lower", "all", "replayed_seized") == 1.0
        assert value("higher", capacity, "events_dominant", "all") == 1.0
        assert value("higher", capacity, "events_dominated", "all") == 0.0
        # one event that differs splits as unevenly either way round
        assert value("higher", capacity, "sign_p_value", "all", "replayed_seized") == 1.0
    # 0.7 and 0.77 as they stand: liquidatable at once, at a bonus of 10 %, and 14 % less to borrow
    assert value("wide", "own", "liquidatable_at_start") == 1.0
    assert value("wide", "own", "borrow_capacity") == pytest.approx(28_000.0)
    # at equal capacity both times 8 / 7: 0.8 and 0.88, healthy throughout
    assert value("wide", "equal", "borrow_capacity") == pytest.approx(32_000.0)
    assert value("wide", "equal", "replayed_seized") == 0.0
    # nothing to test where nothing differs
    assert value("wide", "equal", "sign_p_value", "all", "replayed_bad_debt") is None
    report = (folder / "run" / "report.md").read_text(encoding="utf-8")
    assert (
        "over 1 event of one history each: higher seizes less collateral in 1 and more in 0 (p = 1), leaves less "
        "bad debt in 0 and more in 0, and liquidates fewer borrowers in 1 and more in 0 (p = 1)"
    ) in report
    assert "12 are made" in report and "Holm, the least at equal capacity is p = 1" in report


def test_a_set_without_an_equal_capacity_keeps_its_own_replay(capsys, folder):
    """0.40 / 0.83 against 0.80 / 0.83 in force would be 0.80 / 1.66: no market, and no reason to refuse the study."""
    safe = "{name: safe, tokens: {WETH: {ltv: 0.4, liquidation_threshold: 0.83}}}"
    with_safe = RECOMMENDED.replace("=[", f"=[{safe}, ")
    alone = recommended(capsys, folder, "--set", RECOMMENDED, out="alone")
    found = recommended(capsys, folder, "--set", with_safe)
    # its own replay: the threshold is that in force, and half may be borrowed
    assert found["safe", "own", "replayed_seized", "fall", None] == pytest.approx(8_400.0)
    assert found["safe", "own", "borrow_capacity", "fall", None] == pytest.approx(16_000.0)
    for measure in ("replayed_seized", "borrow_capacity", "seized_difference", "seized_difference_most"):
        assert found["safe", "equal", measure, "fall", None] is None
    for of in ("replayed_seized", "replayed_bad_debt", "replayed_borrowers"):
        assert found["safe", "equal", "events_lower", "all", of] is None
        assert found["safe", "equal", "sign_p_value_holm", "all", of] is None
    assert found["safe", "equal", "events_dominant", "all", None] is None
    # the others stand as without it, but for the number of tests
    others = {key: v for key, v in found.items() if key[0] != "safe" and "holm" not in key[2]}
    assert others == {key: v for key, v in alone.items() if "holm" not in key[2]}
    rows = json.loads((folder / "run" / "result.json").read_text(encoding="utf-8"))["rows"]
    (why,) = {
        r["estimate"]["method"] for r in rows
        if r["parameters"].get("parameter_set") == "safe" and r["parameters"].get("capacity") == "equal"
        and r["measure"] == "replayed_seized"
    }  # fmt: skip
    assert "WETH liquidation_threshold must be in [0, 1], got 1.66" in why
    report = (folder / "run" / "report.md").read_text(encoding="utf-8")
    assert "safe has none in any event" in report


def test_all_tests_are_adjusted_together(capsys, folder):
    """Two sets, two capacities, three measures: Holm over the twelve, those without a difference among them."""
    found = recommended(capsys, folder, "--set", RECOMMENDED)
    keys = [key for key in found if key[2] == "sign_p_value"]
    assert len(keys) == 12
    plain = [1.0 if found[k] is None else found[k] for k in keys]
    adjusted = [found[(*k[:2], "sign_p_value_holm", *k[3:])] for k in keys]
    for k, p, q in zip(keys, plain, adjusted, strict=True):
        assert q is None if found[k] is None else q == min(1.0, 12 * p)


def test_holm_of_the_shipped_example_by_hand():
    """Five p of 2 / 64 in twelve: all adjusted to 12 / 32; the next, 14 / 64, to one."""
    spread = [sign_test(6, 0)] * 5 + [sign_test(1, 5)] * 3 + [sign_test(1, 0)] * 3 + [sign_test(0, 0)]
    found = [e.value for e in adjusted_signs(spread)]
    assert found[:5] == pytest.approx([0.375] * 5) and found[5:11] == [1.0] * 6 and np.isnan(found[11])


def test_a_recommended_set_may_be_a_file(capsys, folder):
    text = "name: higher\ntokens: {WETH: {ltv: 0.8, liquidation_threshold: 0.85}}\n"
    (folder / "set.yaml").write_text(text, encoding="utf-8")
    (folder / "s.yaml").write_text(STUDY + "recommended: [set.yaml]\n", encoding="utf-8")
    found = recommended(capsys, folder)
    assert found["higher", "own", "replayed_seized", "fall", None] == 0.0
    code, _, err = call(
        capsys, "run", folder / "s.yaml", "--data", prices(folder), "--set", "recommended=[no.yaml]", "--dry-run"
    )
    assert code == 2 and "no.yaml" in err


def test_a_liquidation_reads_no_ltv(capsys, folder):
    sets = "recommended=[{name: a, tokens: {WETH: {ltv: 0.8, liquidation_threshold: 0.82}}}, "
    sets += "{name: b, tokens: {WETH: {ltv: 0.76, liquidation_threshold: 0.82}}}]"
    found = recommended(capsys, folder, "--set", sets)
    own = {n: {k[2]: v for k, v in found.items() if k[:2] == (n, "own") and k[3] == "fall"} for n in ("a", "b")}
    assert own["a"].pop("borrow_capacity") > own["b"].pop("borrow_capacity")
    assert own["a"] == own["b"] and own["a"]["replayed_seized"] > 0.0


OTHER = """
compared_with:
- kind: aave_v2
  rules:
    name: made here too
    as_of: "2025-01-01"
    source: made here
    reserves:
      - {symbol: WETH, asset: ETH, decimals: 18, ltv: 0.8, liquidation_threshold: 0.81, liquidation_bonus: 0.08,
         liquidation_protocol_fee: 0, rates: {optimal_usage: 0.9, base: 0, slope1: 0, slope2: 0, reserve_factor: 0.1}}
      - {symbol: USDC, asset: null, decimals: 6, ltv: 0.0, liquidation_threshold: 0.0, liquidation_bonus: 0.0,
         liquidation_protocol_fee: 0, rates: {optimal_usage: 0.9, base: 0, slope1: 0, slope2: 0, reserve_factor: 0.1}}
    oracle: {deviation: 0.0, heartbeat_hours: 1}
  keeper: {delay_hours: 0, gas_usd: 0, calls_per_step: 1}
  liquidity: {depth_usd: {ETH: 1000000000000}, refill_half_life_hours: 1}
"""


def test_the_same_book_under_another_protocol_by_hand(capsys, folder):
    (folder / "s.yaml").write_text(STUDY + OTHER, encoding="utf-8")
    study = folder / "s.yaml"
    code, out, err = call(capsys, "run", study, "--data", prices(folder), "--out", folder / "run", "--json")
    assert code == 0, err
    rows = json.loads(out)["result"]["rows"]
    own = {r["measure"]: r["estimate"]["value"] for r in rows if r["section"] == "compared"}
    assert {r["model"] for r in rows if r["section"] == "compared"} == {"aave_v2"}
    # 0.81 x 19,200 is below 16,000: half of it at 8 %, where v3 takes half at 5 %
    assert own["replayed_seized"] == pytest.approx(8_640.0) and own["replayed_penalty"] == pytest.approx(640.0)
    assert own["seized_difference"] == pytest.approx(240.0) and own["borrowers_difference"] == 0.0
    report = (folder / "run" / "report.md").read_text(encoding="utf-8")
    assert "What would other protocols have done?" in report and "| Aave v2 | fall |" in report
    for change, said in (
        (
            "compared_with.0.kind=aave_v3",
            "compared_with must hold markets of other kinds or names, each once, got aave_v3, aave_v3",
        ),
        ("compared_with.0.rules.reserves.1.symbol=DAI", "reserve must be one of"),
        (
            "market.utilisation={borrower_elasticity: 0, shocks: [{hours: 5, withdrawn: 0.1}]}",
            "hours must lie within the shortest event of 4 h, got 5 h",
        ),
    ):
        code, _, err = call(capsys, "run", study, "--data", prices(folder), "--set", change, "--dry-run")
        assert code == 2 and said in err, err


def test_the_sign_test_is_exact():
    scipy_stats = pytest.importorskip("scipy.stats")
    for lower, higher in ((6, 0), (1, 5), (3, 3), (0, 1), (2, 4)):
        p = scipy_stats.binomtest(lower, lower + higher).pvalue
        assert sign_test(lower, higher).value == pytest.approx(p, rel=1e-12)
    assert np.isnan(sign_test(0, 0).value)


def test_without_real_liquidations_and_beyond_their_file(capsys, folder):
    assert ("happened_seized", 0.0) not in figures(capsys, folder)
    late = folder / "late.csv"
    late.write_text("timestamp,account_id,collateral_usd\n2025-01-01T04:30,a,50\n", encoding="utf-8")
    other = folder / "other"
    other.mkdir()
    (other / "s.yaml").write_text(STUDY, encoding="utf-8")
    found = figures(capsys, other, "--data", late)
    assert found["happened_seized", 0.0]["value"] is None


def test_faults_of_prices_and_liquidations(capsys, folder):
    code, _, err = call(capsys, "run", folder / "s.yaml", "--data", prices(folder, CLOSES[:5]), "--out", folder / "x")
    assert code == 2 and "prices of event fall must hold every bar of 3600 s" in err and "missing, the first at" in err
    code, _, err = call(capsys, "run", folder / "s.yaml")
    assert code == 2 and "a replay of a lending market needs prices" in err
    for where, said in (
        (LiquidationColumns(usd="usd"), "column 'usd' must be"),
        (LiquidationColumns(where={"ok": ["z"]}), "got 'z'"),
    ):
        with pytest.raises(InputError, match=said):
            load_liquidations(folder / "real.csv", where)
    for change, said in (
        ("spot=[1, 2]", "spot must hold one price for each of ETH"),
        ("events=[]", "events must be at least one"),
        ("events.0.start=soon", "start must be an ISO time"),
        ("threshold_shifts=[0.01]", "threshold_shifts must hold 0"),
        ("threshold_shifts=[0, 0.2]", "liquidation threshold of WETH must lie"),
        ("recommended=[{name: a, tokens: {WBTC: {ltv: 0.7}}}]", "tokens must be collateral of the market (WETH)"),
        ("recommended=[{name: a, tokens: {WETH: {ltv: 0.9}}}]", "WETH liquidation_threshold must be at least ltv 0.9"),
        ("recommended=[{name: a, caps: 2}]", "recommended must leave caps at 1"),
        ("recommended=[{name: a}, {name: a}]", "recommended must name every set once"),
        ("market.keeper.extra_delay={kind: exponential, mean_hours: 1}", "market must draw nothing"),
        ("market.oracle={kind: stale, missed_share: 0.1}", "market must draw nothing"),
    ):
        code, _, err = call(capsys, "run", folder / "s.yaml", "--data", prices(folder), "--set", change, "--dry-run")
        assert code == 2 and said in err, err


def test_ranks_share_ties():
    assert _ranks(np.array([5.0, 1.0, 5.0, 9.0])).tolist() == [1.5, 0.0, 1.5, 3.0]


def test_october_2025_on_the_btc_borrowers(shared, tmp_path):
    pytest.importorskip("pyarrow")
    data = shared / "data"
    study = load_study(
        "lending_october_2025",
        ("threshold_shifts=[0]", "starts=1"),
        data / "lending_aave_btc_open_positions_20260224.csv.gz",
    )
    history = load_prices(
        data / "prices_spot_5m_events.parquet", ("BTC", "ETH"), start="2025-10-09", max_missing_share=1.0
    )
    happened = load_liquidations(data / "lending_aave_btc_liquidations.csv.gz", study.study.happened)
    _, result = study.study.run(study.resolved, "oct", history=history, happened=happened, out=tmp_path / "run")
    value = {r.measure: r.estimate.value for r in result.rows if r.parameters.get("asset") != "ETH"}
    # who is below the threshold already holds what the table does not know of, and is not in the book
    assert value["liquidatable_at_start"] == 0.0
    # counted from the file: 83 liquidations of 72 accounts
    assert value["happened_borrowers"] == 72.0 and value["happened_seized"] == pytest.approx(43.105e6, rel=1e-3)
    assert value["deepest_fall"] == pytest.approx(-0.1456, abs=1e-4)
    assert value["replayed_borrowers"] == 105.0 and value["replayed_seized"] == pytest.approx(45.1e6, rel=2e-3)
    assert value["replayed_penalty"] == pytest.approx(value["replayed_seized"] * 0.05 / 1.05, rel=1e-9)
