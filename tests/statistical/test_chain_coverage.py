"""Exception rates on chains of a known law against the exact probability; tolerance: 1e-4 for all tests together."""

import numpy as np
from option_chains import series
from scipy.special import ndtr
from scipy.stats import binomtest

from riskengine.book.templates import AccountTemplate, Leg
from riskengine.config.models import margin_model
from riskengine.engine.chain_replay import Before, replay
from riskengine.engine.chain_rules import Rules
from riskengine.pricing.black import black76

LONG = AccountTemplate("long", "outright", (Leg("perpetual", 1.0),))
SHORT = AccountTemplate("short", "naked_short", (Leg("put", -1.0, 30, moneyness=0.9),))
DAILY = 0.6 / np.sqrt(365.0)
_EACH = 2.5e-5


def _held_to(hits, n, p):
    assert binomtest(int(hits), int(n), p).pvalue > _EACH, (hits, n, p)


def test_a_long_perpetual_under_a_fixed_share_of_notional():
    """Requirement (2 % + 5e-5) of spot, returns normal: P(S' / S < 1 - share) in closed form."""
    spots = 50_000 * np.exp(np.cumsum(np.random.default_rng(11).normal(0, DAILY, 601)))
    rules = Rules(hour=9.0, least_window=2, window=2)
    seen = replay((series("BTC", spots, days=(30, 90)),), (LONG,), (margin_model("deribit_standard"),), rules)
    # two periods are history
    exact = float(ndtr(np.log(1 - 0.02005) / DAILY))
    _held_to((seen.loss > seen.required[0]).sum(), seen.loss.size, exact)
    assert seen.loss.size == 598 and 0.2 < exact < 0.3


def test_a_short_put_breaches_beyond_the_spot_at_which_its_loss_is_the_requirement():
    """One account struck alike every day at a constant surface: breach below one known ratio of spot."""
    random = np.random.default_rng(5)
    model = margin_model("ewma_var", levels=[0.95])
    hits = 0
    history = Before(np.tile([[0.02], [-0.02]], (20, 1)), np.ones((40, 1)))
    ratios = np.exp(random.normal(0, DAILY, 300))
    rules = Rules(hour=9.0, least_window=40, window=40)
    bounds = []
    for r in ratios:
        strikes = [40_000.0, 42_500.0, 45_000.0, 47_500.0, 50_000.0, 52_500.0, 55_000.0]
        chain = series("BTC", [50_000.0, 50_000.0 * r], strikes=strikes, expiries=[1_769_846_400, 1_775_030_400])
        seen = replay((chain,), (SHORT,), (model,), rules, history)
        hits += int(seen.loss[0, 0] > seen.required[0, 0, 0])
        bounds.append(seen.required[0, 0, 0])
    assert np.ptp(bounds) < 1e-6 * bounds[0]
    start, after = (1_769_846_400 - 1_767_258_000) / 31_536_000, (1_769_846_400 - 1_767_258_000 - 86_400) / 31_536_000
    value = float(black76(50_000.0, 45_000.0, start, 0.6, -1.0))
    grid = np.linspace(0.7, 1.0, 300_001)
    # the mark in coin times the index: a forward without carry is the index
    loss = black76(50_000.0 * grid, 45_000.0, after, 0.6, -1.0) - value
    edge = grid[np.searchsorted(-loss, -bounds[0])]
    _held_to(hits, len(ratios), float(ndtr(np.log(edge) / DAILY)))


def test_an_order_statistic_is_exceeded_as_often_as_exchangeability_says():
    """Historical margin from W independent days: P(breach) = (W - rank + 1) / (W + 1), whatever the law."""
    random = np.random.default_rng(8)
    model = margin_model("historical_var", levels=[0.9])
    window, n, hits = 20, 300, 0
    rules = Rules(hour=9.0, least_window=window, window=window)
    for _ in range(n):
        x = random.standard_t(3, window + 1) * 0.02
        history = Before(x[:window, None], np.ones((window, 1)))
        chain = series("BTC", [50_000.0, 50_000.0 * np.exp(x[window])], days=(30, 90))
        seen = replay((chain,), (LONG,), (model,), rules, history)
        hits += int(seen.loss[0, 0] > seen.required[0, 0, 0])
    _held_to(hits, n, (window - 18 + 1) / (window + 1))


def test_joint_scenarios_of_spot_and_volatility_are_those_of_the_market():
    """A hedged short straddle where returns and moves of volatility are independent between days.

    Given today, yesterday's scenarios and tomorrow's loss are exchangeable, so the count of breaches of a sliding order
    statistic has a law that no distribution enters; it is simulated.
    """
    random = np.random.default_rng(13)
    days, window, rank = 260, 20, 18
    spots = 50_000 * np.exp(np.cumsum(0.02 * random.standard_t(4, days)))
    vols = 0.6 * np.exp(np.cumsum(0.03 * random.standard_t(4, days)))
    legs = tuple(Leg(kind, -1.0, 30, moneyness=1.0) for kind in ("call", "put"))
    straddle = AccountTemplate("straddle", "delta_hedged", legs, delta_hedged=True)
    model = margin_model("historical_var", levels=[0.9])
    rules = Rules(hour=9.0, least_window=window, window=window)
    strikes = 50_000 * np.exp(0.04 * np.arange(-30, 31))  # the same every day, as are expiries of 29 and 30 days
    chain = series("BTC", spots, vols, days=(7, 29, 30, 180), strikes=strikes)
    seen = replay((chain,), (straddle,), (model,), rules)
    assert np.isfinite(seen.loss).all()
    hits, judged = int((seen.loss > seen.required[0]).sum()), seen.loss.size
    assert judged == days - 1 - window
    drawn = random.random((4_000, judged + window))
    views = np.lib.stride_tricks.sliding_window_view(drawn, window + 1, axis=1)
    counts = (views[:, :, -1] > np.sort(views[:, :, :-1], axis=2)[:, :, rank - 1]).sum(axis=1)
    mean, sd = judged * 3 / 21, counts.std()
    # sums of weakly dependent indicators: normal, 4.3 standard deviations are 2e-5
    assert abs(counts.mean() - mean) < 4.3 * sd / np.sqrt(len(counts)) and abs(hits - mean) < 4.3 * sd, (hits, mean, sd)
    assert sd < 4.0  # with implied volatility frozen in the scenarios the count is 74, thirteen of them away
