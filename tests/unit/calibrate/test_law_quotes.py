"""Which quotes are used, and the answers to chains that are not one."""

import numpy as np
import pytest
from synthetic_chains import BATES, START, WIDE, chain, quotes

from riskengine.calibrate.pricing_law.arbitrage import violations
from riskengine.calibrate.pricing_law.quotes import OptionQuotes, QuoteRules, part, select


def changed(q, **columns):
    names = ("expiry_seconds", "strike", "forward", "sign", "bid", "ask", "open_interest", "mark")
    return OptionQuotes(q.asset, q.seconds, *(columns.get(n, getattr(q, n)) for n in names))


def test_every_reason_is_counted_once():
    q = quotes(BATES)
    bid, ask, interest = q.bid.copy(), q.ask.copy(), q.open_interest.copy()
    near = np.flatnonzero(np.abs(np.log(q.strike / q.forward)) < 0.05)
    bid[near[0]], bid[near[1]], interest[near[2]] = 0.0, np.nan, 0.0
    ask[near[3]] = bid[near[3]]
    ask[near[4]] = 0.5 * bid[near[4]]
    got = select(
        changed(q, bid=bid, ask=ask, open_interest=interest), QuoteRules(min_days=3.0, max_relative_spread=0.2)
    )
    assert got.refused["expiry nearer than 3 days"] >= 20
    assert got.refused["ask below bid"] == 1
    assert got.count + sum(got.refused.values()) == q.strike.size
    assert (got.quotes.tau >= 3 / 365).all()
    only = select(q, QuoteRules(out_of_the_money=True))
    assert (only.quotes.sign * (only.quotes.strike - only.quotes.forward) >= 0).all()
    unknown = select(changed(q, open_interest=np.full(q.strike.size, np.nan)), WIDE)
    assert unknown.count == select(q, WIDE).count


def test_forward_of_the_expiry_and_implied_volatility():
    c = chain(BATES)
    assert c.tau == pytest.approx(np.array([2, 5, 12, 26, 54, 117, 236]) / 365)
    assert np.abs(c.at_the_money - 0.44).max() < 0.08
    assert np.abs(c.mid - BATES.prices(c)).max() < 1e-12


def test_quotes_beyond_their_bounds_are_refused():
    q = quotes(BATES, per_expiry=12)
    deep = int(np.flatnonzero((q.sign > 0) & (q.strike < 0.9 * q.forward))[0])
    bid, ask = q.bid.copy(), q.ask.copy()
    intrinsic = 1.0 - q.strike[deep] / q.forward[deep]
    bid[deep], ask[deep] = intrinsic - 0.02, intrinsic - 0.01
    assert select(changed(q, bid=bid, ask=ask), WIDE).refused["ask below intrinsic value"] >= 1


@pytest.mark.parametrize("kind", ["monotone", "slope", "convex", "parity"])
def test_violations_are_found_and_named(kind):
    """Each kind on three calls and a put that are otherwise fair."""
    strike = np.array([90_000.0, 100_000.0, 110_000.0, 100_000.0])
    sign, forward = np.array([1.0, 1.0, 1.0, -1.0]), np.full(4, 100_000.0)
    middle = np.array([0.13, 0.06, 0.02, 0.06])
    expiry = np.full(4, START + 86400 * 30)
    assert violations(expiry, strike, forward, sign, middle - 0.001, middle + 0.001) == ()
    middle[{"monotone": 2, "slope": 0, "convex": 1, "parity": 3}[kind]] = {
        "monotone": 0.07,
        "slope": 0.2,
        "convex": 0.09,
        "parity": 0.09,
    }[kind]
    found = [v for v in violations(expiry, strike, forward, sign, middle - 0.001, middle + 0.001) if v.kind == kind]
    assert len(found) == 1
    assert "2026-01-31" in found[0].text
    assert found[0].excess > 0.005


def test_a_chain_with_arbitrage_names_the_pair():
    q = quotes(BATES)
    bid, ask = q.bid.copy(), q.ask.copy()
    # calls listed against their strikes: dearer the further out of the money
    for expiry in np.unique(q.expiry_seconds):
        order = np.flatnonzero((q.expiry_seconds == expiry) & (q.sign > 0))
        bid[order], ask[order] = bid[order][::-1].copy(), ask[order][::-1].copy()
    with pytest.raises(ValueError, match=r"free of arbitrage between quotes, got \d+ violations.* call is bid"):
        select(changed(q, bid=bid, ask=ask), WIDE)
    # one stale quote is told and kept
    bid, ask = q.bid.copy(), q.ask.copy()
    stale = order[10]
    bid[stale], ask[stale] = bid[stale] + 0.06, ask[stale] + 0.06
    c = select(changed(q, bid=bid, ask=ask), WIDE)
    assert {v.kind for v in c.violations} >= {"convex"}


def test_an_option_given_twice():
    q = quotes(BATES, per_expiry=8)
    twice = {n: getattr(q, n).copy() for n in ("strike", "bid", "ask")}
    for column in twice.values():
        column[2] = column[4]
    with pytest.raises(ValueError, match=r"every option once, got 2 times the .* call of 2026-01-03"):
        select(changed(q, **twice), QuoteRules(max_relative_spread=99.0, moneyness=(0.01, 9.0)))


def test_nothing_left_says_why():
    with pytest.raises(ValueError, match=r"got none \(.*moneyness out of range: \d+\)"):
        select(quotes(BATES), QuoteRules(moneyness=(8.0, 9.0), max_relative_spread=10.0))


def test_prices_in_dollars_are_noticed():
    q = quotes(BATES)
    with pytest.raises(ValueError, match="got none"):
        select(changed(q, bid=q.bid * q.forward + 1e5, ask=q.ask * q.forward + 1e5), WIDE)


def test_part_keeps_the_order():
    c = chain(BATES)
    rows = np.arange(0, c.count, 3)
    assert part(c, rows[::-1]).mid.tolist() == c.mid[rows].tolist()


def test_records_refuse():
    q = quotes(BATES)
    with pytest.raises(ValueError, match=r"sign must hold \+1"):
        changed(q, sign=np.zeros(q.strike.size))
    with pytest.raises(ValueError, match="strike and forward must hold positive"):
        changed(q, forward=-q.forward)
    with pytest.raises(ValueError, match="two increasing positive numbers"):
        QuoteRules(moneyness=(1.4, 0.6))
