"""Quantile models against a brute-force revaluation in numpy, path by path and scenario by scenario."""

import numpy as np
import pytest

from riskengine.book.portfolio import Portfolio
from riskengine.instrument.terms import EuropeanOption, Perpetual
from riskengine.margin import revaluation
from riskengine.margin.ewma_var import EwmaVar
from riskengine.margin.historical_var import HistoricalVar
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.pricing.black import black76
from riskengine.pricing.valuation import snapshot

SURFACE = FactorSurface(
    (3.0, 4.0), (0.4, 0.5), (1.1, 1.2), (0.02, 0.0), (-0.1, -0.05), (-0.05, 0.0), (0.05, 0.1), (0.03, 0.02),
    (0.03, 0.0), (0.3, 0.2), (4.0, 3.0),
)  # fmt: skip
WINDOW = 40


def _book() -> Portfolio:
    instruments = (
        EuropeanOption("BTC", 110.0, 500.0, "call"),
        Perpetual("BTC"),
        EuropeanOption("ETH", 9.0, 30.0, "put"),
        EuropeanOption("BTC", 95.0, 20.0, "put"),  # expires inside the margin period
        Perpetual("ETH", "inverse"),
    )
    quantity = np.array(
        [
            [-1.0, 0.0, 0.0, 0.0, 0.0],
            [2.0, -0.7, 5.0, -1.0, 3.0],
            [0.0, 1.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0, 0.0],
        ]
    )
    entry = np.where([False, True, False, False, True], quantity * 0 + 50.0, 0.0)
    cash = np.array([[100.0, 0, 0], [5.0, 0.25, -1.0], [0.0, 0, 0], [1.0, 0, 0]])
    return Portfolio(("BTC", "ETH"), instruments, quantity, entry, cash, tuple("abcd"), ("x",) * 4)


def _paths(lanes=3, steps=4, seed=0) -> MarketPaths:
    rng = np.random.default_rng(seed)
    size = (WINDOW + steps + 1, 2, lanes)
    spot = np.array([100.0, 10.0])[:, None] * np.exp(np.cumsum(rng.normal(0, 0.04, size), axis=0))
    variance = 0.4 * np.exp(0.2 * np.cumsum(rng.normal(0, 0.3, size), axis=0))
    grid = TimeGrid(86_400, steps, 86_400, WINDOW)
    cut = [
        np.ascontiguousarray(x) for x in (spot[WINDOW:], variance[WINDOW:], spot[: WINDOW + 1], variance[: WINDOW + 1])
    ]
    return MarketPaths(grid, ("BTC", "ETH"), 0, *cut)


def _brute_force(book, paths, market, step) -> np.ndarray:
    """Profit and loss of every account, scenario and path, shape (K, W, P), from the definition."""
    spot = np.concatenate([paths.history_spot_lanes, paths.spot_lanes[1 : step + 1]])[-WINDOW - 1 :]
    state = np.concatenate([paths.history_variance_lanes, paths.variance_lanes[1 : step + 1]])[-WINDOW - 1 :]
    returns = np.diff(np.log(spot), axis=0)
    out = np.zeros((book.accounts, WINDOW, paths.count))
    for p in range(paths.count):
        now = paths.variance_lanes[step, :, p]
        for w in range(WINDOW):
            unit = np.zeros(len(book.instruments))
            for o, m in enumerate(book.options):
                x = book.instruments[m]
                a, e = book.assets.index(x.asset), book.option_expiry[o]
                tau, f, sigma = market.tau[e], market.forward[e, p], market.volatility[o, p]
                later = max(market.seconds[e] - 86_400.0, 0.0) / 31_536_000.0
                moved = f * np.exp(returns[w, a, p])

                def smile(k, t, a=a, now=now):
                    v = np.array([[now[0]], [now[1]]])
                    one = SURFACE.volatility(np.array([a]), np.array([k]), np.array([t]), np.zeros((1, 1)), v)
                    return float(one[0, 0])

                level = [float(SURFACE.atm(a, later, np.array([state[w + i, a, p]]))[0]) for i in (0, 1)]
                vol = sigma * smile(np.log(x.strike / moved), later) / smile(np.log(x.strike / f), tau)
                sign = 1.0 if x.kind == "call" else -1.0
                unit[m] = black76(moved, x.strike, later, vol * level[1] / level[0], sign) - black76(
                    f, x.strike, tau, sigma, sign
                )
            for m in book.perpetuals:
                a = book.asset_index[m]
                unit[m] = market.perpetual[a, p] * np.expm1(returns[w, a, p])
            coins = market.spot[:, p] * np.expm1(returns[w, :, p])
            out[:, w, p] = book.quantity @ unit + book.cash[:, 1:] @ coins
    return out


@pytest.mark.parametrize("step", [0, 2])
def test_losses_equal_brute_force(step):
    book, paths = _book(), _paths()
    market = snapshot(book, SURFACE, paths.spot_lanes[step], paths.variance_lanes[step], 0.0)
    levels = (0.9, 0.975, 0.999)
    pnl = _brute_force(book, paths, market, step)
    model = HistoricalVar(levels, 24.0, 0.7)
    state = model.step(model.init(book, SURFACE), paths, step)
    for level, need in zip(levels, model.requirement(state, market), strict=True):
        expected = np.maximum(np.quantile(-pnl, level, axis=1, method="inverted_cdf"), 0.0)
        np.testing.assert_allclose(need.initial, expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(need.maintenance, 0.7 * expected, rtol=1e-9, atol=1e-9)
    ewma = EwmaVar((0.99,), 24.0, 0.8, 0.9)
    weights = 0.9 ** np.arange(WINDOW - 1, -1, -1)
    expected = 2.3263478740408408 * np.sqrt(np.tensordot(weights / weights.sum(), pnl**2, axes=(0, 1)))
    (need,) = ewma.requirement(ewma.step(ewma.init(book, SURFACE), paths, step), market)
    np.testing.assert_allclose(need.initial, expected, rtol=1e-9, atol=1e-9)


def test_a_flat_surface_needs_no_variance():
    book, paths = _book(), _paths()
    bare = MarketPaths(paths.grid, paths.assets, 0, paths.spot_lanes, None, paths.history_spot_lanes, None)
    flat = FactorSurface.flat((0.5, 0.6))
    model = HistoricalVar((0.99,))
    state = model.step(model.init(book, flat), bare, 0)
    (need,) = model.requirement(state, snapshot(book, flat, bare.spot_lanes[0], None, 0.0))
    assert np.isfinite(need.initial).all() and (need.initial[:3] > 0.0).all()
    assert (need.initial[3] == 0.0).all()


def test_lanes_do_not_see_each_other():
    book, paths = _book(), _paths(lanes=4)
    model = HistoricalVar()
    market = snapshot(book, SURFACE, paths.spot_lanes[0], paths.variance_lanes[0], 0.0)
    together = model.requirement(model.step(model.init(book, SURFACE), paths, 0), market)
    cut = [np.ascontiguousarray(x[..., 2:3]) for x in (
        paths.spot_lanes, paths.variance_lanes, paths.history_spot_lanes, paths.history_variance_lanes)]  # fmt: skip
    alone = MarketPaths(paths.grid, paths.assets, 2, *cut)
    one = snapshot(book, SURFACE, alone.spot_lanes[0], alone.variance_lanes[0], 0.0)
    for a, b in zip(together, model.requirement(model.step(model.init(book, SURFACE), alone, 0), one), strict=True):
        assert np.array_equal(a.initial[:, 2:3], b.initial)


def test_the_window_takes_completed_margin_periods_only():
    paths = _paths()
    longer = MarketPaths(
        TimeGrid(43_200, 8, 86_400, WINDOW), paths.assets, 0, np.repeat(paths.spot_lanes, 2, axis=0)[:-1],
        np.repeat(paths.variance_lanes, 2, axis=0)[:-1], paths.history_spot_lanes, paths.history_variance_lanes,
    )  # fmt: skip
    state = revaluation.init(_book(), SURFACE)
    at = [revaluation.step(state, longer, t, 24.0) for t in (0, 1, 2, 3, 8)]
    assert [s.first for s in at] == [0, 0, 1, 1, 4]
    assert all(s.length == WINDOW for s in at)
    # a later price never enters an earlier window
    moved = longer.spot_lanes.copy()
    moved[5:] *= 2.0
    other = MarketPaths(
        longer.grid, longer.assets, 0, moved, longer.variance_lanes, longer.history_spot_lanes,
        longer.history_variance_lanes,
    )  # fmt: skip
    model = HistoricalVar((0.99,))
    market = snapshot(_book(), SURFACE, longer.spot_lanes[4], longer.variance_lanes[4], 48.0)
    found = [model.requirement(model.step(state, x, 4), market)[0].initial for x in (longer, other)]
    assert np.array_equal(*found)


def test_a_failed_path_is_marked_not_floored():
    book, paths = _book(), _paths()
    spot = paths.spot_lanes.copy()
    spot[0, 0, 1] = np.nan
    history = paths.history_spot_lanes.copy()
    history[-1] = spot[0]
    broken = MarketPaths(paths.grid, paths.assets, 0, spot, paths.variance_lanes, history, paths.history_variance_lanes)
    model = HistoricalVar((0.99,))
    market = snapshot(book, SURFACE, spot[0], paths.variance_lanes[0], 0.0)
    (need,) = model.requirement(model.step(model.init(book, SURFACE), broken, 0), market)
    assert np.isnan(need.initial[:3, 1]).all()
    assert np.isfinite(need.initial[:, [0, 2]]).all()


def test_ranks_are_those_of_numpy():
    rng = np.random.default_rng(1)
    for n in (10, 250, 499, 500, 1000):
        x = rng.normal(size=n)
        for p in (0.9, 0.95, 0.99, 0.995, 0.999):
            (rank,) = revaluation.tail_ranks(n, (p,))
            assert np.sort(x)[::-1][rank - 1] == np.quantile(x, p, method="inverted_cdf")


def test_refusals():
    book, paths = _book(), _paths()
    for bad, name in (
        ({"levels": ()}, "levels"),
        ({"levels": (1.0,)}, "levels"),
        ({"levels": (0.99, 0.99)}, "distinct"),
        ({"margin_period_hours": 0.0}, "margin_period_hours"),
        ({"maintenance_ratio": 1.5}, "ratio"),
    ):
        with pytest.raises(ValueError, match=name):
            HistoricalVar(**bad)
    with pytest.raises(ValueError, match="decay"):
        EwmaVar(decay=1.0)
    model = HistoricalVar((0.99,), margin_period_hours=48.0)
    with pytest.raises(ValueError, match="history step must equal margin_period_hours = 48 h, got 24 h"):
        model.step(model.init(book, SURFACE), paths, 0)
    with pytest.raises(ValueError, match="time grid"):
        HistoricalVar((0.99,), margin_period_hours=25.0).step(model.init(book, SURFACE), paths, 0)
    bare = MarketPaths(TimeGrid(86_400, 4), paths.assets, 0, paths.spot_lanes, paths.variance_lanes)
    with pytest.raises(ValueError, match="history"):
        HistoricalVar().step(model.init(book, SURFACE), bare, 0)
    market = snapshot(book, SURFACE, paths.spot_lanes[0], paths.variance_lanes[0], 0.0)
    with pytest.raises(ValueError, match="stepped"):
        model.requirement(model.init(book, SURFACE), market)
    one = MarketSnapshot(market.spot[:, :1], market.forward[:, :1], market.seconds, market.rate, market.expiry_asset,
                         market.volatility[:, :1], market.perpetual[:, :1])  # fmt: skip
    with pytest.raises(ValueError, match="lanes"):
        HistoricalVar().requirement(HistoricalVar().step(model.init(book, SURFACE), paths, 0), one)


def test_an_order_statistic_promises_a_probability_of_its_own():
    """Of n exchangeable losses and the next, each is the largest with probability 1 / (n + 1)."""
    assert HistoricalVar((0.99, 0.995, 0.999)).exceeded(365) == (4 / 366, 2 / 366, 1 / 366)
    assert HistoricalVar((0.9,), window=10).exceeded(365) == (2 / 11,)
    assert HistoricalVar((0.99,), shortfall=True).exceeded(365) == ()
    rng = np.random.default_rng(5)
    losses = rng.standard_t(3, (40_000, 51))
    over = (losses[:, 50] > np.quantile(losses[:, :50], 0.95, axis=1, method="inverted_cdf")).mean()
    promised = HistoricalVar((0.95,)).exceeded(50)[0]
    assert over == pytest.approx(promised, abs=4.5 * np.sqrt(promised * (1 - promised) / 40_000))
