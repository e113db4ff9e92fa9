"""Backtests: known counts on made-up prices, and the real ones where they are."""

import numpy as np
import pytest

from riskengine.config.study import load_study
from riskengine.data.prices import load_prices
from riskengine.study.backtest import PriceHistory, run_backtest

HOUR = 3600


def backtest(small_study, tmp_path, prices, seconds, models, windows=40):
    text = f"""
kind: backtest
title: small backtest
world: {small_study.parent / "world.yaml"}
book: {small_study.parent / "book.yaml"}
margin_period_hours: 4
history_windows: {windows}
models: [{models}]
"""
    file = tmp_path / "backtest.yaml"
    file.write_text(text.strip() + "\n")
    loaded = load_study(file)
    history = PriceHistory(("BTC", "ETH"), seconds, prices, "made-up", "0" * 64)
    return run_backtest(loaded.study, loaded.resolved, "b", history, tmp_path / "run")


def figures(result, model, account):
    rows = [r for r in result.rows if r.model == model and r.parameters["account"] == account]
    return {r.measure: r.estimate.value for r in rows}


QUANTILE = "{kind: historical_var, levels: [0.95], margin_period_hours: 4, maintenance_ratio: 0.8}"


def test_a_crash_in_every_tenth_window_is_counted(small_study, tmp_path):
    """Rising prices with a fall in each tenth window, each a little smaller than the last.

    The 95 % requirement is the third largest loss of 40 windows, so it learns from the third fall on: 3 breaches."""
    moves = np.full((4 * 140, 2), 1e-5)  # rising a little, so that no quiet window loses anything
    crash = 4 * np.arange(45, 140, 10) + 1
    size = np.linspace(0.3, 0.2, crash.size)[:, None]
    moves[crash] = np.log(1 - size)
    moves[crash + 3] = -np.log(1 - size)  # back up in the next window, which only a short would mind
    prices = np.array([[34500.0, 1810.0]]) * np.exp(np.vstack([np.zeros((1, 2)), np.cumsum(moves, axis=0)]))
    seconds = 1_700_000_000 // HOUR * HOUR + np.arange(len(prices)) * HOUR
    _, result = backtest(small_study, tmp_path, prices, seconds, QUANTILE)
    found = figures(result, "historical_var", "long_future")
    assert found["breaches"] == 3
    assert found["expected_breaches"] == pytest.approx(0.05 * 100)
    assert found["breach_rate"] == 0.03


def test_a_grid_is_counted_but_not_tested_against_a_rate(small_study, tmp_path):
    rng = np.random.default_rng(9)
    prices = np.array([[34500.0, 1810.0]]) * np.exp(np.cumsum(rng.normal(0, 0.004, (500, 2)), axis=0))
    seconds = np.arange(500) * HOUR
    _, result = backtest(small_study, tmp_path, prices, seconds, "{kind: derive_pmrm_v2, parameters: derive_pmrm_v2}")
    assert set(figures(result, "derive_pmrm_v2", "straddle")) == {"breaches", "breach_rate"}


def test_real_hourly_prices(shared, small_study, tmp_path):
    found = load_prices(
        shared / "data/prices_spot_1h.parquet",
        ("BTC", "ETH"),
        start="2024-01-01",
        end="2024-08-30",
        max_missing_share=0.01,
    )
    _, result = backtest(small_study, tmp_path, found.prices, found.seconds, QUANTILE, windows=250)
    rows = figures(result, "historical_var", "long_future")
    n = result.head["settings"]["windows"]
    assert n > 1000
    # the same count by hand: a long future of 2 coins, the 238th of 250 losses of the windows before
    step = found.seconds[1] - found.seconds[0]
    stamp = (found.seconds - found.seconds[0]) // step
    price = np.full(stamp[-1] + 1, np.nan)
    price[stamp] = found.prices[:, 0]
    whole = ~np.isnan(price)
    last = np.maximum.accumulate(np.where(whole, np.arange(price.size), 0))
    move = price[last][4::4] / price[last][:-4:4] - 1.0
    loss = -2.0 * 34500.0 * move
    known = [whole[4 * i : 4 * i + 5].all() for i in range(loss.size)]
    breach = [loss[i] > np.sort(loss[i - 250 : i])[237] for i in range(250, loss.size) if known[i]]
    assert len(breach) == n
    assert rows["breaches"] == sum(breach)
