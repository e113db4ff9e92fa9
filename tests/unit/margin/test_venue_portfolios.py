"""Portfolio rules of venues by hand, by brute force, or by an independent formula; published cases: tests/golden."""

import itertools
import math

import numpy as np
import pytest

from riskengine.margin.venues import deribit_portfolio as pme
from riskengine.margin.venues import derive_pmrm_v1 as v1
from riskengine.margin.venues import derive_standard as sm
from riskengine.margin.venues import filtered_historical as fhs
from riskengine.margin.venues import occ_tims as tims
from riskengine.margin.venues import strategy_based as reg
from riskengine.margin.venues.strategy_based import Leg, Rates

# --- Derive StandardManager -------------------------------------------------------------------------------------------


def _options(rng, count=6):
    kind = ("call", "put")
    terms = [(float(rng.integers(50, 150)), kind[rng.integers(2)], float(rng.integers(-3, 4))) for _ in range(count)]
    return tuple(sm.Option(*t, 0.8) for t in terms)


@pytest.mark.parametrize("seed", range(8))
def test_bound_is_the_worst_settlement(seed):
    options = _options(np.random.default_rng(seed))
    bound, calls = sm.max_loss(options)
    # beyond the highest strike a net short of calls is charged apart, a net long only gains
    settle = np.arange(0.0, max(o.strike for o in options) + (1 if calls < 0 else 100))
    payoff = sum(
        o.quantity * np.maximum((settle - o.strike) if o.kind == "call" else (o.strike - settle), 0.0) for o in options
    )
    assert bound == min(payoff.min(), 0.0)
    assert calls == sum(o.quantity for o in options if o.kind == "call")


def test_standard_margin_of_two_markets_adds_up():
    eth = sm.Market(1500.0, 2.0, -1.0, 1505.0, 12.0)
    btc = sm.Market(30_000.0, 0.0, 0.1, 30_100.0, -5.0)
    p = sm.Parameters(base_factor=0.1, base_im_scale=0.5)
    m = sm.margin((eth, btc), 100.0, 0.95, p)
    assert m.mark_to_market == pytest.approx(100 + 3000 + 12 - 5)
    assert m.maintenance == pytest.approx(100 + 12 - 5 + 300 - 0.05 * (1505 + 3010))
    depeg = 0.03 * 1.2 * (1500 + 3000)
    assert m.initial == pytest.approx(100 + 12 - 5 + 150 - 0.065 * (1505 + 3010) - depeg)


def test_standard_put_follows_its_mark_once_deep():
    expiry = sm.Expiry(86_400.0, 100.0, (sm.Option(5_000.0, "put", -1.0, 1.0),))
    m = sm.margin((sm.Market(100.0, expiries=(expiry,)),), 0.0, 1.0, sm.Parameters())
    value = -4_900.0
    # the loss at expiry, 5,000, is less than the isolated 1.075 of the mark
    assert (m.initial, m.maintenance) == (-5_000.0, -5_000.0)
    im, mm = sm.isolated(expiry, np.array([value]), 100.0, sm.OptionRates())
    assert mm == pytest.approx(1.075 * value) and im == pytest.approx(1.05 * mm)


def test_feeds_in_doubt_charge_what_is_held():
    options = (sm.Option(100.0, "call", 2.0, 0.5), sm.Option(110.0, "call", 1.0, 0.5))
    market = sm.Market(100.0, 3.0, 4.0, 100.0, 0.0, (sm.Expiry(1e6, 100.0, options, 0.3),), 0.9, 0.2)
    sure = sm.Market(100.0, 3.0, 4.0, 100.0, 0.0, (sm.Expiry(1e6, 100.0, options),))
    lost = sm.margin((sure,), 0.0, 1.0, sm.Parameters()), sm.margin((market,), 0.0, 1.0, sm.Parameters())
    assert lost[0].initial - lost[1].initial == pytest.approx(100 * 0.4 * (4 * 0.8 + 3 * 0.7))
    assert lost[0].maintenance == lost[1].maintenance


def test_derive_records_refuse_what_makes_no_sense():
    option = sm.Option(100.0, "put", -1.0, 0.5)
    for wrong, why in (
        (lambda: sm.Option(-1.0, "call", 1.0, 0.5), "strike"),
        (lambda: sm.Option(1.0, "calls", 1.0, 0.5), "call or put"),
        (lambda: sm.Market(0.0), "spot"),
        (lambda: sm.Market(1.0, expiries=(sm.Expiry(9.0, 1.0, (option,)),) * 2), "must differ in seconds"),
        (lambda: sm.margin((), 0.0, float("nan"), sm.Parameters()), "stable_price"),
        (lambda: v1.Option(1.0, "call", 1.0, -0.5), "volatility"),
        (lambda: v1.Option(1.0, "", 1.0, 0.5), "call or put"),
        (lambda: v1.Account(100.0, expiries=(v1.Expiry(9.0, 0.0, 1.0, 0.0, ()),) * 2), "must differ in seconds"),
        (lambda: v1.Account(100.0, stable_price=-1.0), "stable_price"),
        (lambda: v1.Parameters(scenarios=()), "at least one"),
        (lambda: v1.Parameters(scenarios=((1.0, "Linear"),)), "direction"),
    ):
        with pytest.raises(ValueError, match=why):
            wrong()


# --- Derive PMRM, first version ---------------------------------------------------------------------------------------


def _pmrm(quantity, strikes=(1_400.0, 1_600.0), **more):
    options = tuple(v1.Option(k, "put", quantity, 0.9) for k in strikes)
    return v1.Account(1_500.0, expiries=(v1.Expiry(2e6, 0.0, 1_505.0, 0.02, options),), **more)


def test_pmrm_v1_coins_and_perpetuals_hedge_to_their_charges():
    account = v1.Account(1_500.0, 50.0, 2.0, -2.0, 1_500.0)
    m = v1.margin(account, v1.Parameters())
    assert m.mark_to_market == 3_050.0
    np.testing.assert_allclose(m.scenario_pnl, 0.0, atol=1e-9)
    assert m.maintenance == pytest.approx(3_050 - 0.02 * 1_500 * 4)
    assert m.initial == pytest.approx(3_050 - 1.3 * 0.02 * 1_500 * 4)


def test_pmrm_v1_grows_with_scenarios_size_and_a_lost_peg():
    p = v1.Parameters()
    one, two = v1.margin(_pmrm(-1.0), p), v1.margin(_pmrm(-2.0), p)
    for name in ("initial", "maintenance", "mark_to_market", "basis_contingency", "static_contingency"):
        assert getattr(two, name) == pytest.approx(2.0 * getattr(one, name))
    fewer = v1.margin(_pmrm(-1.0), v1.Parameters(scenarios=p.scenarios[3:18]))
    assert one.maintenance < fewer.maintenance
    peg = v1.margin(_pmrm(-1.0, stable_price=0.9), p)
    assert peg.maintenance == one.maintenance
    assert peg.initial - one.initial == pytest.approx(0.16 * (one.maintenance - one.mark_to_market))


def test_pmrm_v1_without_positions_needs_nothing():
    m = v1.margin(v1.Account(1_500.0, 70.0), v1.Parameters())
    assert (m.initial, m.maintenance, m.mark_to_market) == (70.0, 70.0, 70.0)


# --- Deribit portfolio margin -----------------------------------------------------------------------------------------


def test_inverse_parity_call_less_put_moves_like_a_future():
    """c - p = (F - K) / S in coin, so its gain on a move m is K/S (1 - 1/(1 + m))."""
    index, strike = 60_000.0, 50_000.0
    legs = [
        pme.Option("28JUN24", sign * 2.0, kind, strike, 61_000.0, 40.0, 0.6)
        for kind, sign in (("call", 1), ("put", -1))
    ]
    pair = pme.margin(legs, index, pme.Parameters())
    future = pme.margin([pme.Future("28JUN24", 2.0 * strike / index)], index, pme.Parameters())
    np.testing.assert_allclose(pair.standard, future.standard, atol=1e-12)
    np.testing.assert_allclose(pair.extended, future.extended, atol=1e-12)
    assert pair.roll_shock == pytest.approx(0.01 * 2.0)


def test_short_call_by_hand():
    index, days, sigma = 60_000.0, 10.0, 0.4
    p = pme.Parameters(extended_dampener=0.0)
    m = pme.margin([pme.Option("X", -1.0, "call", 70_000.0, index, days, sigma)], index, p, 0.002)

    def price(forward, vol):
        v = vol * math.sqrt(days / 365)
        d1 = math.log(forward / 70_000.0) / v + v / 2
        cdf = [0.5 * math.erfc(-x / math.sqrt(2)) for x in (d1, d1 - v)]
        return forward * cdf[0] - 70_000.0 * cdf[1]

    up = sigma * (1 + 0.5 * 3**0.3)
    now = price(index, sigma) / index
    assert m.standard[-1, 0] == pytest.approx(now - price(1.16 * index, up) / (1.16 * index))
    assert m.standard[4, 1] == pytest.approx(0.0, abs=1e-15)
    assert m.standard[4, 2] == pytest.approx(now - price(index, sigma * (1 - 0.25 * 3**0.3)) / index)
    tail = (now - price(6 * index, up) / (6 * index)) * (0.16 / 5) * 6 / 1.16
    assert m.extended[-1] == pytest.approx(tail)
    assert m.worst_case == pytest.approx(-min(m.standard.min(), m.extended.min()))
    assert m.maintenance == pytest.approx(0.8 * m.risk_matrix)
    assert m.initial == pytest.approx(m.risk_matrix + 0.002)


def test_dampener_moves_tails_towards_zero_but_not_past():
    option = pme.Option("X", -1_000.0, "call", 90_000.0, 60_000.0, 10.0, 0.4)
    full, less = (
        pme.margin([option], 60_000.0, pme.Parameters(extended_dampener=d)).extended for d in (0.0, 100_000.0)
    )
    moves = np.array(pme.EXTENDED_MOVES)
    beyond = (np.abs(moves) / 0.16 - 1) * 100_000.0 / ((1 + np.sign(moves) * 0.16) * 60_000.0)
    np.testing.assert_allclose(np.abs(less), np.maximum(np.abs(full) - beyond, 0.0), atol=1e-12)
    assert (np.sign(less) * np.sign(full) >= 0).all() and (less != 0).any()


def test_delta_and_roll_shocks_and_minimum_volatility():
    index = 50_000.0
    m = pme.margin([pme.Future("A", 900.0), pme.Future("B", -100.0)], index, pme.Parameters())
    assert m.roll_shock == pytest.approx(10.0)
    assert m.delta_shock == pytest.approx(800 * 5e-5 * (800 - 400))
    assert pme.margin([pme.Future("A", 1e5)], index, pme.Parameters()).delta_shock == pytest.approx(1e4)
    assert pme.margin([pme.Future("A", 300.0), pme.Future("A", -300.0)], index, pme.Parameters()).initial == 0.0
    calm = pme.margin([pme.Option("X", -1.0, "put", 5e4, 5e4, 60.0, 0.1)], index, pme.Parameters())
    at_floor = pme.margin([pme.Option("X", -1.0, "put", 5e4, 5e4, 60.0, 0.1)], index, pme.Parameters(vol_up=0.0))
    np.testing.assert_array_equal(calm.standard[:, 0], at_floor.standard[:, 0])


def test_gains_count_at_their_share_and_parameters_are_checked():
    gain = np.array([-1.0, 2.0])
    assert pme.counted(gain, pme.Parameters(pnl_offset=0.25)).tolist() == [-1.0, 0.5]
    for wrong in ({"price_steps": 8}, {"price_range": 1.0}, {"pnl_offset": 1.5}, {"vol_up": -1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            pme.Parameters(**wrong)
    with pytest.raises(ValueError, match="index must lie"):
        pme.margin([], 0.0, pme.Parameters())
    with pytest.raises(ValueError, match="call or put"):
        pme.Option("X", 1.0, "future", 1.0, 1.0, 1.0, 1.0)


# --- OCC TIMS ---------------------------------------------------------------------------------------------------------


def test_european_class_group_by_black_scholes():
    group = tims.ClassGroup(1_451.19, 0.0525, 0.0185, 55 / 365, False, points=tims.LARGE_INDEX_POINTS)
    years, strike, sigma = group.years, 1_475.0, 0.11

    def call(spot):
        v = sigma * math.sqrt(years)
        d1 = (math.log(spot / strike) + (0.0525 - 0.0185) * years) / v + v / 2
        cdf = [0.5 * math.erfc(-x / math.sqrt(2)) for x in (d1, d1 - v)]
        return spot * math.exp(-0.0185 * years) * cdf[0] - strike * math.exp(-0.0525 * years) * cdf[1]

    leg = tims.Leg("call", strike, -10.0, call(1_451.19))
    expected = 1_000 * (call(1.06 * 1_451.19) - call(1_451.19))
    assert group.requirement([leg]) == pytest.approx(expected, rel=1e-9)
    # against the index itself a short call loses on the way down, less the premium it keeps
    covered = group.pnl([leg], 1_000.0)
    assert covered[0] == pytest.approx(-0.08 * 1_451.19 * 1_000 + 1_000 * (call(1_451.19) - call(0.92 * 1_451.19)))


def test_hedged_groups_need_their_minimum():
    group = tims.ClassGroup(100.0, 0.0, 0.0, 0.5)
    # without carry a conversion is flat: c - p = S - K, exercised early or not
    legs = [tims.Leg("call", 100.0, -2.0, 6.0), tims.Leg("put", 100.0, 2.0, 6.0)]
    assert group.requirement(legs, 200.0) == pytest.approx(150.0, abs=1e-6)
    assert group.requirement([], 200.0) == pytest.approx(3_000.0)
    assert group.requirement([], 0.0) == 0.0


def test_product_group_offsets_by_hand():
    index, fund = np.array([-500.0, 300.0, 900.0]), np.array([400.0, -100.0, -1_000.0])
    assert tims.product_group_requirement([index, fund], [10.0, 5.0], 1.0) == 100.0
    assert tims.product_group_requirement([index, fund], [10.0, 5.0], 0.9) == pytest.approx(190.0)
    assert tims.product_group_requirement([index, fund], [10.0, 5.0], 0.0) == 1_000.0
    assert tims.product_group_requirement([index, -index], [10.0, 5.0], 1.0) == 15.0
    with pytest.raises(ValueError, match="one figure for each of 2"):
        tims.product_group_requirement([index, fund], [10.0], 1.0)
    with pytest.raises(ValueError, match="offset"):
        tims.product_group_requirement([index], [10.0], 1.1)


def test_class_group_refuses_prices_below_exercise_and_bad_terms():
    group = tims.ClassGroup(100.0, 0.05, 0.0, 0.5)
    with pytest.raises(ValueError, match="price must lie in"):
        group.requirement([tims.Leg("put", 120.0, 1.0, 19.0)])
    for wrong, why in (
        (lambda: tims.Leg("put", 120.0, 1.0, -1.0), "price"),
        (lambda: tims.Leg("puts", 120.0, 1.0, 1.0), "call or put"),
        (lambda: tims.ClassGroup(0.0, 0.0, 0.0, 1.0), "spot"),
        (lambda: tims.ClassGroup(1.0, 0.0, 0.0, 1.0, points=()), "points"),
    ):
        with pytest.raises(ValueError, match=why):
            wrong()


# --- strategy-based ---------------------------------------------------------------------------------------------------

RATES = Rates()


def test_strategies_by_hand():
    def need(shares, *legs):
        return reg.portfolio_requirement([Leg(*leg) for leg in legs], shares, 100.0, RATES)

    # spreads: the debit, or width less credit; the naked requirement where the wings are far apart
    assert need(0, ("put", 100.0, 1, 5.0), ("put", 90.0, -1, 2.0)) == pytest.approx(300)
    assert need(0, ("put", 100.0, -1, 5.0), ("put", 90.0, 1, 2.0)) == pytest.approx(1_000 - 300)
    assert need(0, ("call", 110.0, -1, 2.0), ("call", 200.0, 1, 0.1)) == pytest.approx(1_000 + 10)
    # straddle and strangle: the larger side, both premiums received
    assert need(0, ("call", 100.0, -1, 4.0), ("put", 100.0, -1, 3.0)) == pytest.approx(2_000)
    assert need(0, ("call", 105.0, -1, 2.0), ("put", 95.0, -1, 1.0)) == pytest.approx(1_500)
    # stock covers calls, stock sold short covers puts
    assert need(100, ("call", 105.0, -1, 2.0)) == pytest.approx(5_000 - 200)
    assert need(-100, ("put", 95.0, -1, 1.0)) == pytest.approx(5_000 - 100)
    assert need(50, ("call", 105.0, -1, 2.0)) == pytest.approx(2_500 + 0.5 * 1_500 + 0.5 * 200 - 200)
    # condor: two spreads
    condor = (("put", 80.0, 1, 0.2), ("put", 90.0, -1, 1.0), ("call", 110.0, -1, 1.0), ("call", 120.0, 1, 0.2))
    assert need(0, *condor) <= 2 * 1_000 - 160
    assert need(0) == 0.0


@pytest.mark.parametrize("seed", range(6))
def test_pairing_is_the_least_of_all(seed):
    """Single contracts: every way of matching each short call to a long call, a short put or nothing, and so on."""
    rng = np.random.default_rng(seed)
    kinds = ("call", "call", "put", "put", "call", "put")
    signs = (-1, -1, -1, -1, 1, 1)
    legs = [
        Leg(kind, float(rng.integers(85, 116)), sign, float(rng.integers(1, 8)))
        for kind, sign in zip(kinds, signs, strict=True)
    ]
    calls, puts, long_call, long_put = legs[:2], legs[2:4], legs[4], legs[5]

    def gross(leg):
        return reg.short_option_rule(leg.kind, 100.0, leg.strike, RATES) + leg.price

    def straddle(c, p):
        return gross(c) + p.price if gross(c) >= gross(p) else gross(p) + c.price

    def left(items, spread):
        """Least cost of unmatched shorts when at most one of them uses the long option."""
        plain = [gross(x) for x in items]
        one = [sum(plain) - plain[i] + min(spread(x), plain[i]) for i, x in enumerate(items)]
        return min([sum(plain), *one])

    best = math.inf
    for size in (0, 1, 2):
        for chosen in itertools.combinations(range(2), size):
            for partners in itertools.permutations(range(2), size):
                cost = sum(straddle(calls[i], puts[j]) for i, j in zip(chosen, partners, strict=True))
                cost += left(
                    [c for i, c in enumerate(calls) if i not in chosen], lambda x: max(long_call.strike - x.strike, 0)
                )
                cost += left(
                    [p for j, p in enumerate(puts) if j not in partners], lambda x: max(x.strike - long_put.strike, 0)
                )
                best = min(best, cost)
    premium = sum(leg.price * leg.contracts for leg in legs)
    assert reg.portfolio_requirement(legs, 0.0, 100.0, RATES) == pytest.approx(100 * (best + premium))


def test_single_options_of_the_rule():
    assert reg.option_requirement("call", 100.0, 90.0, 12.0, 2, RATES) == 2_400.0
    assert reg.option_requirement("put", 100.0, 50.0, 0.2, -1, RATES) == 100 * (0.2 + 5.0)
    assert reg.option_requirement("call", 100.0, 300.0, 0.0, -3, Rates(leverage=3.0)) == 9_000.0
    for wrong, why in (
        (lambda: reg.option_requirement("call", 0.0, 90.0, 1.0, -1, RATES), "spot"),
        (lambda: reg.option_requirement("straddle", 1.0, 90.0, 1.0, -1, RATES), "call or put"),
        (lambda: reg.option_requirement("put", 1.0, 90.0, -1.0, -1, RATES), "premium"),
        (lambda: Leg("call", 0.0, 1, 1.0), "strike"),
        (lambda: Rates(leverage=0.0), "leverage"),
        (lambda: reg.portfolio_requirement([], 0.0, -1.0, RATES), "spot"),
    ):
        with pytest.raises(ValueError, match=why):
            wrong()


# --- filtered historical simulation -----------------------------------------------------------------------------------


def _plain(r, p, short):
    """The same margin by loops, as the algorithm is written down."""
    period, b = p.period, p.burn_in // p.period
    x = [sum(r[i + j] for j in range(period)) for i in range(len(r) - period)]
    w = [(1 - p.decay) / (1 - p.decay**b) * p.decay**j for j in range(b)]
    mu = {i: sum(w[j] * x[i + j * period] for j in range(b)) for i in range(len(x) - (b - 1) * period)}
    vol = {
        i: math.sqrt(sum(w[j] * (x[i + j * period] - mu[i + j * period]) ** 2 for j in range(b)))
        for i in range(len(mu) - (b - 1) * period)
    }
    newest = sum(vol[i] for i in range(period)) / period
    found = []
    for k in range(period):
        rows = range(k, p.lookback, period)
        f = max(np.quantile([vol[i] for i in rows], 0.5, method="averaged_inverted_cdf"), newest)
        moves = [(math.exp((x[i] - mu[i + period]) / vol[i + period] * f) - 1) * p.factor for i in rows]
        found.append(np.quantile(moves, p.quantile if short else 1 - p.quantile, method="averaged_inverted_cdf"))
    return abs(sum(found) / period)


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize(
    "period, lookback, burn_in, quantile", [(1, 90, 30, 0.99), (2, 101, 40, 0.97), (5, 80, 25, 0.93)]
)
def test_filtered_margin_against_plain_loops(period, lookback, burn_in, quantile, short):
    p = fhs.Parameters(period, lookback, burn_in, 0.95, 1.2, quantile)
    r = np.random.default_rng(period).standard_t(4, p.least_returns + 7) * 0.01
    assert fhs.margin(r, p, short).margin == pytest.approx(_plain(r.tolist(), p, short), rel=1e-12)
    # exactly as many days as are needed, and one fewer
    assert fhs.margin(r[: p.least_returns], p, short).margin == pytest.approx(fhs.margin(r, p, short).margin, rel=1e-12)
    with pytest.raises(ValueError, match=f"at least {p.least_returns} days"):
        fhs.margin(r[: p.least_returns - 1], p, short)


def test_a_calm_year_after_a_storm_is_floored_by_the_median_volatility():
    r = np.random.default_rng(5).normal(0.0, 0.02, 400)
    p = fhs.Parameters(1, 120, 60, 0.94)
    calm = r.copy()
    calm[:20] *= 0.05
    base, floored = fhs.margin(r, p), fhs.margin(calm, p)
    assert floored.volatility < 0.6 * base.volatility
    assert floored.margin > 0.6 * base.margin


def test_type_2_quantile():
    assert fhs.averaged_quantile([3.0, 1.0, 2.0, 4.0], 0.5) == 2.5
    assert fhs.averaged_quantile(np.arange(20.0), 1 - 0.9) == 1.5
    assert fhs.averaged_quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert (fhs.averaged_quantile([5.0, 7.0], 0.0), fhs.averaged_quantile([5.0, 7.0], 1.0)) == (5.0, 7.0)
    with pytest.raises(ValueError, match="at least one"):
        fhs.averaged_quantile([], 0.5)


def test_filtered_parameters_are_checked():
    for wrong, why in (
        ({"period": 0}, "period"), ({"burn_in": 61}, "multiple of period 3"), ({"lookback": 2}, "lookback"),
        ({"decay": 1.0}, "decay"), ({"quantile": 1.0}, "quantile"), ({"period": 2.0}, "whole number"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=why):
            fhs.Parameters(**({"period": 3, "lookback": 60, "burn_in": 60, "decay": 0.97} | wrong))
    with pytest.raises(ValueError, match="volatility of zero"):
        fhs.margin(np.zeros(200), fhs.Parameters(1, 60, 20, 0.97))
