"""Ways to close accounts in one study: the same bits on any threads, proofs on every route, faults, words."""

import numpy as np
import pytest

from riskengine.config.dump import dump, to_yaml
from riskengine.config.study import load_study, study_of
from riskengine.errors import InputError
from riskengine.report.render import write_reports
from riskengine.study.account_life import run_account_life

BOOK = "book: {depth_usd: {BTC: 3000000, ETH: 3000000}}"
OPTIONS = "options: {depth_usd: {BTC: 2000000, ETH: 1000000}, half_spread: 0.001}"
MAKER = "maker: {vega_limit_usd: {BTC: 5000, ETH: 5000}, delta_limit_usd: {BTC: 3000000, ETH: 3000000}}"
ASKED = f"""\
kind: account_life
title: Ways to close
world: btc_eth_market
book: option_accounts
seed: 11
paths: 1100
horizon_hours: 12
step_hours: 1
venue:
  maintenance: {{BTC: 0.02, ETH: 0.02}}
  liquidation_fee: 0.002
  execution: {{{BOOK}, {OPTIONS}}}
routes:
  with_maker: {{execution: {{{BOOK}, {OPTIONS}, {MAKER}}}}}
  auction: {{auction: {{bidders: {{capital_usd: 1000000, arrival_seconds: 600}}}}}}
insurance_fund_usd: 50000
targets: [0.05]
feedback: {{depth_usd: {{BTC: 5000000, ETH: 5000000}}, half_life_hours: 4}}
volatility_feedback: {{elasticity: 0.5, depth_usd: {{BTC: 5000000, ETH: 5000000}}, half_life_hours: 4}}
"""


def load(folder, text, *changes):
    file = folder / "asked.yaml"
    file.write_text(text)
    return load_study(file, changes)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("routes")
    loaded = load(out, ASKED)
    made = [run_account_life(loaded.study, loaded.resolved, "asked", out / f"run{w}", w) for w in (1, 2)]
    (made[0][0] / "study.yaml").write_text(to_yaml(loaded.resolved))
    return loaded, made


def rows(result, section, name, model, **where):
    return [
        r.estimate
        for r in result.rows
        if (r.section, r.measure, r.model) == (section, name, model) and where.items() <= r.parameters.items()
    ]


def test_the_same_bits_on_any_number_of_threads_and_from_the_resolved_file(runs):
    loaded, ((one, _), (two, _)) = runs
    assert (one / "result.json").read_bytes() == (two / "result.json").read_bytes()
    assert dump(study_of(loaded.resolved)) == loaded.resolved


def test_every_route_balances_and_is_exhausted_where_it_needs_more(runs):
    result = runs[1][0][1]
    assert rows(result, "account_life", "conservation_error", "")[0].value < 1e-14
    for name in ("no_feedback", "price_feedback", "price_and_volatility_feedback", "with_maker", "auction"):
        assert rows(result, "account_life", "need_mismatch", name)[0].value == 0


def test_differences_are_those_of_the_means_on_the_same_paths(runs):
    result = runs[1][0][1]
    mean = {m: rows(result, "execution_routes", "closing_cost", m)[0].value for m in ("book", "with_maker", "auction")}
    for name in ("with_maker", "auction"):
        found = rows(result, "route_effect", "paired_difference", name, measure="closing_cost")[0]
        assert found.value == pytest.approx(mean[name] - mean["book"], rel=1e-9)
    size = {m: rows(result, "execution_routes", "fund_size", m)[0] for m in ("book", "auction")}
    found = rows(result, "route_effect", "paired_difference", "auction", measure="fund_size", target=0.05)[0]
    assert found.value == size["auction"].value - size["book"].value
    # as sure as both together: wider than either
    assert found.lower <= size["auction"].lower - size["book"].upper
    assert found.upper >= size["auction"].upper - size["book"].lower
    # what leaves accounts and fund: the fee stays with them, so it is no cost whoever pays it
    fees = {m: rows(result, "execution_routes", "liquidation_fees", m)[0].value for m in ("book", "auction")}
    given = rows(result, "execution_routes", "auction_discount", "auction")[0].value
    assert given == pytest.approx(mean["auction"] + fees["auction"], rel=1e-9) and min(fees.values()) > 0
    last = "price_and_volatility_feedback"
    assert rows(result, "account_life", "execution_cost", last)[0].value == mean["book"]
    # the venue's own way is its last mode
    own = rows(result, "account_life", "account_shortfall_mean", "price_and_volatility_feedback", account_kind="all")
    assert rows(result, "execution_routes", "account_shortfall", "book")[0].value == own[0].value
    assert rows(result, "execution_routes", "maker_charge", "with_maker")[0].value > 0
    assert not rows(result, "execution_routes", "maker_charge", "book")
    added = [
        r.estimate.value
        for r in result.rows
        if r.section == "feedback_effect" and r.parameters["measure"] == "account_shortfall"
    ]
    assert len(added) == 2 and min(added) > 0


def test_what_closing_did_to_volatility_and_left_open_is_told(runs):
    result = runs[1][0][1]
    for section, model in (("account_life", "price_and_volatility_feedback"), ("execution_routes", "auction")):
        most = rows(result, section, "volatility_rise_largest", model)[0]
        often = rows(result, section, "volatility_rise_p99", model)[0]
        # the bound of log-variance is 1.4, before it cools for an hour
        assert 0 < often.lower <= often.value <= often.upper <= most.value <= np.expm1(0.7 * 0.5**0.25)
        assert most.confidence == 1.0
    assert not rows(result, "account_life", "volatility_rise_largest", "price_feedback")
    left = {m: rows(result, "execution_routes", "open_notional", m)[0] for m in ("book", "with_maker", "auction")}
    assert all(x.lower <= x.value <= x.upper for x in left.values()) and left["auction"].lower > 0
    assert rows(result, "account_life", "open_notional", "price_and_volatility_feedback")[0] == left["book"]
    some = rows(result, "execution_routes", "open_probability", "auction")[0]
    assert 0 < some.lower <= some.value <= some.upper < 1
    paid = rows(result, "execution_routes", "bidder_payment", "auction")[0]
    assert 0 < paid.lower


def test_the_report_compares_them_in_words(runs):
    folder = runs[1][0][0]
    write_reports(folder, ("md",))
    text = (folder / "report.md").read_text()
    for part in (
        "Which way of closing accounts?",
        "closed in 3 ways, of which book is the venue's own",
        "| Way of closing | Target | Fund size |",
        "By way of closing: Book: fund for 5 % ",
        "], mean cost of closing ",
        "Auction leaves ",
        "closing it is not in fund and cost",
        "Difference from the venue's own way, on the same paths",
        "With volatility feedback minus without",
        "quantile over all paths of the loss of the maker of options",
        "Volatility feedback adds, on the same paths, to shortfall",
        "Profit of the maker",
    ):
        assert part in text, part
    for part in ("on less off", "of the what", "Less the venue"):
        assert part not in text, part


def test_an_auction_may_be_the_venue_s_own_way(tmp_path):
    text = ASKED[: ASKED.index("routes:")] + "insurance_fund_usd: 50000\ntargets: []\n"
    text = text.replace("  liquidation_fee", "  auction: {bidders: {capital_usd: 1000000}}\n  liquidation_fee")
    asked = load(tmp_path, text, "paths=64")
    assert dump(study_of(asked.resolved)) == asked.resolved and asked.study.own_route == "auction_into_book"
    _, result = run_account_life(asked.study, asked.resolved, "auction", tmp_path / "run", 2)
    assert rows(result, "account_life", "auctions", "no_feedback")[0].value > 0
    assert any("is auctioned: bidders pay a falling share" in said for said in result.head["assumptions"])


def test_every_fault_is_told(tmp_path):
    for old, new, part in (
        ("with_maker:", "book:", "names other than book"),
        ("with_maker:", "price_feedback:", "names other than book and the modes"),
        ("capital_usd: 1000000, ", "", "capital_usd must be given"),
        ("{BTC: 5000, ETH: 5000}", "{BTC: 5000}", "vega_limit_usd of the maker must be given for ETH"),
        ("elasticity: 0.5", "elasticity: -0.5", "elasticity must lie in"),
        ("book: option_accounts", "book: perpetual_accounts", "a study without options"),
        (
            "auction: {auction:",
            f"both: {{execution: {{{BOOK}, {MAKER}}}, auction:",
            "both: execution must have no maker",
        ),
        ("arrival_seconds: 600", "arrival_seconds: 600, start: 2", "start"),
    ):
        assert old in ASKED
        with pytest.raises(InputError, match=part):
            load(tmp_path, ASKED.replace(old, new))
