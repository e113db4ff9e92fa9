"""Accounts on recorded chains: what is struck, what is lost, what is required, and that nothing looks ahead."""

from collections import Counter
from dataclasses import replace
from math import exp, log

import numpy as np
import pytest
from option_chains import DAY, START, series, snapshot

from riskengine.book.templates import AccountTemplate, Leg
from riskengine.config.models import margin_model
from riskengine.engine.chain_accounts import (
    NotStruck,
    Position,
    book_and_market,
    coins_of,
    later_coins,
    profit,
    strike_account,
)
from riskengine.engine.chain_replay import Before, before, periods, replay
from riskengine.engine.chain_rules import Rules
from riskengine.engine.chain_smile import MONTH, Smile, long_variance, state
from riskengine.margin.venues import deribit_portfolio as calculator
from riskengine.pricing.valuation import account_values

STRANGLE = AccountTemplate("strangle", "strangle", (Leg("call", -1, 30, delta=0.25), Leg("put", -1, 30, delta=0.25)))
STRADDLE = AccountTemplate(
    "straddle", "delta_hedged", (Leg("call", -2, 30, moneyness=1.0), Leg("put", -2, 30, moneyness=1.0)), True
)
LONG = AccountTemplate("long", "outright", (Leg("perpetual", 1.0),))
COVERED = AccountTemplate("covered", "covered", (Leg("coin", 1.0), Leg("call", -1, 30, delta=0.25)))
ALL = (STRANGLE, STRADDLE, LONG, COVERED)
MODELS = tuple(
    margin_model(kind, levels=[0.9])
    for kind in (
        "deribit_portfolio", "derive_pmrm_v2", "deribit_standard", "greeks_grid", "historical_var",
        "filtered_historical_var", "ewma_var",
    )
)  # fmt: skip
SPOTS = 50_000 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.03, 12)))
STRIKES = np.arange(30_000, 80_001, 2_500).astype(float)
RULES = Rules(hour=9.0, least_window=5)


def market(spots=SPOTS, volatility=0.6, **settings):
    expiries = [START // DAY * DAY + d * DAY + 8 * 3600 for d in (8, 20, 35, 60, 120, 250)]
    return series("BTC", spots, volatility, carry=0.05, strikes=STRIKES, expiries=expiries, **settings)


def never(expiry):
    raise AssertionError("nothing expires here")


def test_marks_give_back_the_volatility_and_the_term_structure():
    smile = Smile(snapshot("BTC", START, 50_000.0, 0.55, 0.04))
    known = np.isfinite(smile.volatility)
    assert known.all()
    np.testing.assert_allclose(smile.volatility, 0.55, rtol=1e-7)
    assert smile.variance(MONTH) == pytest.approx(0.55**2, rel=1e-9)
    assert long_variance(smile, 10.0) == pytest.approx(0.55**2, rel=1e-6)
    assert np.abs(smile.shape()).max() < 1e-6
    value, low = state(np.array([0.5**2, 1e-9]), 0.3, 10.0)
    reach = -np.expm1(-10 * MONTH) / (10 * MONTH)
    assert 0.3 + (value[0] - 0.3) * reach == pytest.approx(0.25) and low.tolist() == [False, True]


def test_days_take_the_nearest_snapshot_and_periods_never_overlap():
    hours = [0, 9, 15, 33, 57, 57 + 40, 57 + 64]
    pairs, skipped = periods(START - 9 * 3600 + 3600 * np.array(hours), Rules(hour=9.0))
    # day 0: 09:00 of three; then 33, 57; then a gap of 40 hours starts nothing; then 97 -> 121
    assert pairs == [(1, 3), (3, 4), (5, 6)] and skipped == 1


def test_legs_take_the_nearest_expiry_and_strike():
    smile = Smile(snapshot("BTC", START, 50_000.0, 0.6, days=(7, 26, 45)))
    call, put = strike_account(STRANGLE, smile)
    assert {call.expiry, put.expiry} == {START // DAY * DAY + 26 * DAY + 8 * 3600}
    delta = {k: abs(smile.delta[smile.chain.row(*p.option)]) for k, p in (("call", call), ("put", put))}
    own = (smile.chain.expiry == call.expiry) & (smile.chain.sign > 0)
    assert abs(delta["call"] - 0.25) == pytest.approx(np.abs(smile.delta[own] - 0.25).min())
    assert call.strike > 50_000 > put.strike
    *options, hedge = strike_account(STRADDLE, smile)
    held = sum(p.quantity * smile.delta[smile.chain.row(*p.option)] for p in options)
    assert hedge.option is None and hedge.quantity == pytest.approx(-held)


@pytest.mark.parametrize(
    ("legs", "said"),
    [
        ((Leg("call", 1, 300, moneyness=1.0),), "no expiry near enough"),
        ((Leg("call", 1, 30, moneyness=1.6),), "no strike near enough"),
        ((Leg("call", 1, 30, moneyness=1.0), Leg("call", -1, 31, moneyness=1.001)), "two legs fall on one option"),
    ],
)
def test_what_is_not_listed_is_not_struck(legs, said):
    smile = Smile(snapshot("BTC", START, 50_000.0, days=(7, 30, 90)))
    with pytest.raises(NotStruck, match=said):
        strike_account(AccountTemplate("x", "spread", legs), smile)


def test_the_book_is_worth_its_marks_in_usd():
    smile = Smile(snapshot("BTC", START, 50_000.0, 0.6, 0.08))
    positions = strike_account(STRANGLE, smile)
    book, now = book_and_market([(0, positions)], (smile,), ("BTC",))
    marks = sum(p.quantity * smile.chain.mark[smile.chain.row(*p.option)] for p in positions)
    assert account_values(book, now)[0, 0] == pytest.approx(marks * 50_000.0, rel=1e-10)


@pytest.mark.parametrize("numeraire", ["usd", "coin"])
def test_profit_is_the_sum_of_its_legs_in_any_order(numeraire):
    found = market()
    now, then = (Smile(found.snapshots[i]) for i in (3, 4))
    rules = replace(RULES, numeraire=numeraire)
    for template in ALL:
        positions = strike_account(template, now)
        whole = profit(positions, now, then, never, rules, Counter())
        assert whole == pytest.approx(sum(profit([p], now, then, never, rules, Counter()) for p in positions))
        assert whole == pytest.approx(profit(positions[::-1], now, then, never, rules, Counter()))


def test_profit_by_hand_in_both_numeraires():
    found = market()
    now, then = (Smile(found.snapshots[i]) for i in (3, 4))
    a, b = found.snapshots[3].index, found.snapshots[4].index
    option = strike_account(STRANGLE, now)[0]
    first, last = (c.mark[c.row(*option.option)] for c in (now.chain, then.chain))
    assert profit([option], now, then, never, RULES, Counter()) == pytest.approx(-(last * b - first * a))
    coin = replace(RULES, numeraire="coin")
    assert profit([option], now, then, never, coin, Counter()) == pytest.approx(-(last - first) * a)
    perpetual, held = Position(2.0), Position(1.0, coin=True)
    assert profit([perpetual], now, then, never, RULES, Counter()) == pytest.approx(2 * (b - a))
    assert profit([perpetual], now, then, never, coin, Counter()) == pytest.approx(2 * a * (1 - a / b))
    assert profit([held], now, then, never, coin, Counter()) == 0.0
    # the two differ by what the coins received for the option, less what it is worth, move
    usd = profit([option], now, then, never, RULES, Counter())
    assert usd * a / b - profit([option], now, then, never, coin, Counter()) == pytest.approx(-first * a * (1 - a / b))


def test_an_option_settles_at_the_index_and_a_lost_mark_is_priced_from_the_smile():
    later = snapshot("BTC", START + DAY, 52_000.0, 0.6, 0.05, strikes=STRIKES, days=(7, 30, 90))
    counts = Counter()
    gone = Position(1.0, START + 3600, 50_000.0, 1.0)
    assert later_coins(gone, Smile(later), lambda e: 52_500.0, "mark", counts) == pytest.approx(2_500 / 52_500)
    assert counts == {"settled at expiry": 1}
    expiry = int(later.expiry[0])
    listed = Position(1.0, expiry, 55_000.0, 1.0)
    row = later.row(*listed.option)
    keep = np.arange(later.strike.size) != row
    columns = ("expiry", "strike", "forward", "sign", "mark", "bid", "ask")
    without = replace(later, **{c: getattr(later, c)[keep] for c in columns})
    assert later_coins(listed, Smile(without), never, "mark", counts) == pytest.approx(later.mark[row], rel=1e-6)
    assert counts["priced from the smile, as the mark was gone"] == 1
    other = replace(later, **{c: getattr(later, c)[later.expiry != expiry] for c in columns})
    with pytest.raises(NotStruck, match="no longer quoted"):
        later_coins(listed, Smile(other), never, "mark", counts)


@pytest.mark.parametrize("gone", ["bid", "ask"])
def test_half_a_quote_is_no_mid(gone):
    whole = snapshot("BTC", START, 50_000.0)
    expiry, strike = int(whole.expiry[0]), float(whole.strike[0])
    row = whole.row(expiry, strike, 1.0)
    prices = getattr(whole, gone).copy()
    prices[row] = 0.0
    option, counts = Position(-1.0, expiry, strike, 1.0), Counter()
    assert coins_of(option, Smile(whole), "mid") == pytest.approx(whole.mark[row])
    smile = Smile(replace(whole, **{gone: prices}))
    assert np.isnan(coins_of(option, smile, "mid"))
    assert later_coins(option, smile, never, "mid", counts) == whole.mark[row]
    assert counts == {"marked, as bid or ask was gone": 1}


def test_the_requirement_of_one_account_by_the_calculator_of_the_venue():
    """Another route: the venue's one-account calculator, fed from the chain row by row."""
    found = market()
    seen = replay((found,), ALL, MODELS[:1], RULES)
    start = found.snapshots[5]  # five periods are history
    assert seen.seconds[0] == start.seconds
    smile = Smile(start)
    for k, template in enumerate(ALL):
        account = []
        for p in strike_account(template, smile):
            if p.option is None:
                account += [] if p.coin else [calculator.Future("perpetual", p.quantity)]
                continue
            row, days = start.row(*p.option), (p.expiry - start.seconds) / DAY
            kind = "call" if p.sign > 0 else "put"
            account.append(calculator.Option(str(p.expiry), p.quantity, kind, p.strike, start.forward[row], days, 0.6))
        parameters = MODELS[0].parameters.underlyings["BTC"]
        expected = calculator.margin(account, start.index, parameters).initial * start.index
        assert seen.required[0, 0, k] == pytest.approx(expected, rel=1e-6)


def test_historical_requirement_by_hand():
    """The worst of the past days for a long perpetual: the order statistic of the simple returns."""
    found = market()
    seen = replay((found,), (LONG,), MODELS[4:5], RULES)
    for n, at in enumerate(range(5, 11)):
        past = np.sort(1 - SPOTS[1 : at + 1] / SPOTS[:at])
        worst = past[int(np.ceil(0.9 * at - 1e-9)) - 1]
        assert seen.required[0, n, 0] == pytest.approx(max(worst, 0.0) * SPOTS[at], rel=1e-9)
        assert seen.loss[n, 0] == pytest.approx(SPOTS[at] - SPOTS[at + 1])
    assert seen.windows.tolist() == [5, 6, 7, 8, 9, 10]


def test_moves_of_implied_volatility_are_scenarios():
    """A hedged straddle's historical margin is that of the day on which volatility jumped, revalued by hand."""
    vols = np.full(12, 0.6)
    vols[3:] = 0.9  # one jump in the history
    spots = np.full(12, 50_000.0)
    seen = replay((market(spots, vols),), (STRADDLE,), (replace(MODELS[4], levels=(0.99,)),), RULES)
    calm = replay((market(spots, np.full(12, 0.9)),), (STRADDLE,), (replace(MODELS[4], levels=(0.99,)),), RULES)
    # with no move at all only time passes, which a short straddle gains from
    assert (calm.required == 0).all() and (seen.required > 0.02 * 50_000).all()


def test_nothing_looks_ahead():
    base = replay((market(),), ALL, MODELS, RULES)
    changed = SPOTS.copy()
    changed[8:] *= 1.3
    vols = np.full(12, 0.6)
    vols[8:] = 1.2
    other = replay((market(changed, vols),), ALL, MODELS, RULES)
    # periods that start before day 8 are judged from day 5 on; what they require is the same to the bit
    np.testing.assert_array_equal(base.required[:, :3], other.required[:, :3])
    np.testing.assert_array_equal(base.loss[:2], other.loss[:2])
    assert (base.loss[2] != other.loss[2]).any() and (base.required[:, 3] != other.required[:, 3]).any()


def test_accounts_do_not_depend_on_their_neighbours_or_order():
    base = replay((market(),), ALL, MODELS, RULES)
    turned = replay((market(),), ALL[::-1], MODELS, RULES)
    np.testing.assert_allclose(base.required, turned.required[:, :, ::-1], rtol=1e-12)
    np.testing.assert_array_equal(base.loss, turned.loss[:, ::-1])
    alone = replay((market(),), ALL[:1], MODELS, RULES)
    np.testing.assert_allclose(base.required[:, :, :1], alone.required, rtol=1e-12)
    # a second asset beside it changes nothing either
    eth = series("ETH", SPOTS / 20, 0.7, strikes=STRIKES / 20, expiries=sorted(market().snapshots[0].forwards))
    both = replay((market(), eth), ALL, MODELS, RULES)
    np.testing.assert_allclose(both.required[:, :, : len(ALL)], base.required, rtol=1e-12)
    assert both.names[len(ALL)] == ("ETH", "strangle")


def test_prices_before_the_chains_are_history_and_gaps_are_left_out():
    seconds = np.concatenate([np.arange(10), np.arange(12, 20)]) * DAY
    prices = np.exp(np.linspace(0.0, 0.17, 18))[:, None]
    found = before(seconds, prices, 19 * DAY, 24.0)
    assert len(found.returns) == 9 + 6
    np.testing.assert_allclose(found.returns, 0.01, rtol=1e-9)
    with pytest.raises(ValueError, match="at least two margin periods of 24 h before the first chain, got 0"):
        before(seconds, prices, 0, 24.0)
    history = Before(np.full((30, 1), log(1.01)), np.ones((30, 1)))
    seen = replay((market(),), (LONG,), MODELS[4:5], replace(RULES, window=8), history)
    # eight falling windows of the history, at first all of them rises: nothing is required of a long
    assert seen.required[0, 0, 0] == 0.0 and seen.counts["periods that only served as history"] == 0
    assert seen.windows.max() == 8 and exp(history.returns[0, 0]) == pytest.approx(1.01)


def test_one_day_of_real_chains_by_another_pricer(shared):
    """Marks by QuantLib's Black formula, the loss by hand, the requirement by the venue's one-account calculator."""
    ql = pytest.importorskip("QuantLib")
    from riskengine.data.chains import load_chain_series

    file = shared / "data" / "options_deribit_2026.parquet"
    (found,) = load_chain_series(file, ("ETH",), start="2026-02-05T09:30", end="2026-02-06T10:00")
    chains = [c for c in found.snapshots if c.seconds in (found.snapshots[0].seconds, found.snapshots[-1].seconds)]
    now, then = (Smile(c) for c in chains)
    positions = strike_account(STRANGLE, now)
    loss, account = 0.0, []
    for p in positions:
        row, later = now.chain.row(*p.option), then.chain.row(*p.option)
        f, tau = now.chain.forwards[p.expiry], now.tau[row]
        kind = ql.Option.Call if p.sign > 0 else ql.Option.Put
        price = ql.blackFormula(kind, p.strike, f, now.volatility[row] * tau**0.5) / f
        assert price == pytest.approx(now.chain.mark[row], abs=1e-9)
        loss -= p.quantity * (then.chain.mark[later] * then.chain.index - now.chain.mark[row] * now.chain.index)
        side, days = "call" if p.sign > 0 else "put", 365.0 * tau
        own = calculator.Option(str(p.expiry), p.quantity, side, p.strike, f, days, now.volatility[row])
        account.append(own)
    seen = -profit(positions, now, then, never, RULES, Counter())
    assert seen == pytest.approx(loss, rel=1e-12) and 23.5 < (then.chain.seconds - now.chain.seconds) / 3600 < 24.5
    rules, history = Rules(least_window=2, window=2), Before(np.full((2, 1), 0.01), np.ones((2, 1)))
    two = replace(found, snapshots=tuple(chains))
    replayed = replay((two,), (STRANGLE,), MODELS[:1], rules, history)
    expected = calculator.margin(account, now.chain.index, MODELS[0].parameters.underlyings["ETH"]).initial
    assert replayed.required[0, 0, 0] == pytest.approx(expected * now.chain.index, rel=1e-9)
    assert replayed.loss[0, 0] == pytest.approx(loss, rel=1e-12)
