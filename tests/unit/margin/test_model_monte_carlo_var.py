"""Margin under a model's law: exact laws where the book is linear, brute force on the draws where it is not."""

from dataclasses import replace

import numpy as np
import pytest
from test_revaluation import SURFACE, _book

from riskengine.book.portfolio import Portfolio
from riskengine.config.models import margin_model
from riskengine.config.study import load_world
from riskengine.instrument.terms import Perpetual
from riskengine.margin.model_monte_carlo_var import ModelMonteCarloVar
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.pricing.valuation import account_values, snapshot
from riskengine.random import DrawKeys

WORLD = load_world("btc_eth")
LEVELS = (0.95, 0.99)


def _linear(*rows: tuple[float, float]) -> Portfolio:
    quantity = np.array(rows)
    names = tuple(map(str, range(len(rows))))
    nothing = np.zeros_like(quantity)
    cash = np.zeros((len(rows), 3))
    return Portfolio(("BTC", "ETH"), (Perpetual("BTC"), Perpetual("ETH")), quantity, nothing, cash, names, names)


def _market(book, variance=((0.1, 0.3, 0.9), (0.2, 0.4, 1.2))):
    variance = np.array([variance, variance])
    spot = np.full((2, 2, 3), 100.0) * np.array([1.0, 0.1])[:, None]
    paths = MarketPaths(TimeGrid(86_400, 1), ("BTC", "ETH"), 0, spot, variance)
    return paths, snapshot(book, SURFACE, spot[0], variance[0], 0.0)


def _ask(model, book, paths, now):
    return model.requirement(model.step(model.init(book, SURFACE), paths, 0), now)


@pytest.mark.parametrize("shortfall", [False, True])
def test_a_linear_book_equals_the_exact_law_within_its_error(shortfall):
    """Long and short, three variances, two levels: 24 figures, so 4.6 standard errors are one in 10^4 overall."""
    book = _linear((1.0, 0.0), (-1.0, 0.0), (0.0, 2.0), (0.0, -2.0))
    market = _market(book)
    model = ModelMonteCarloVar(WORLD, LEVELS, shortfall=shortfall, draws=20_000, exact=False)
    for level, drawn, known in zip(
        LEVELS, _ask(model, book, *market), _ask(replace(model, exact=True), book, *market), strict=True
    ):
        assert (drawn.std_error > 0.0).all() and (known.std_error == 0.0).all()
        assert (np.abs(drawn.initial - known.initial) < 4.6 * drawn.std_error).all()
        # and the exact figures are those of the law of one state
        for k, (asset, size) in enumerate([("BTC", 100.0), ("BTC", -100.0), ("ETH", 20.0), ("ETH", -20.0)]):
            for p in range(3):
                law = WORLD.model.law(asset, 1.0 / 365.0, market[0].variance_lanes[0, book.assets.index(asset), p])
                q = 1.0 - level if size > 0 else level
                x = float(law.quantile(q))
                if not shortfall:
                    loss = size * (1.0 - np.exp(x))
                elif size > 0:
                    loss = size * (1.0 - float(law.lower_expectation(x)) / q)
                else:
                    loss = -size * ((law.expectation() - float(law.lower_expectation(x))) / (1.0 - q) - 1.0)
                np.testing.assert_allclose(known.initial[k, p], loss, rtol=1e-7)


def test_an_option_book_is_worth_what_the_surface_says_at_the_end_of_each_draw():
    """Value now less value at the drawn state, its surface moved with variance, by the valuation itself."""
    book = _book()
    paths, _ = _market(book)
    now = snapshot(book, SURFACE, paths.spot_lanes[0], paths.variance_lanes[0], 0.0)
    model = ModelMonteCarloVar(WORLD, LEVELS, draws=1000, exact=False)
    found = model.requirement(model.step(model.init(book, SURFACE), paths, 0), now)
    for p in range(3):
        own = replace(WORLD.model, initial_variance=tuple(paths.variance_lanes[0, :, p]))
        drawn = own.sample(TimeGrid(21_600, 4), 0, 1000, DrawKeys(1, 64))
        spot = now.spot[:, [p]] * drawn.spot_lanes[-1] / drawn.spot_lanes[0]
        end = snapshot(book, SURFACE, spot, drawn.variance_lanes[-1], 24.0)
        loss = account_values(book, now)[:, [p]] - account_values(book, end)
        for level, need in zip(LEVELS, found, strict=True):
            expected = np.maximum(np.quantile(loss, level, axis=1, method="inverted_cdf"), 0.0)
            np.testing.assert_allclose(need.initial[:, p], expected, rtol=1e-9, atol=1e-9)


def test_the_standard_error_is_that_of_repeated_seeds():
    book = _book()
    market = _market(book)
    model = ModelMonteCarloVar(WORLD, (0.95,), draws=1000)
    runs = [_ask(replace(model, seed=s), book, *market)[0] for s in range(60)]
    spread = np.std([r.initial[:2] for r in runs], axis=0, ddof=1)
    stated = np.sqrt(np.mean([r.std_error[:2] ** 2 for r in runs], axis=0))
    # a standard deviation of 60 is good to 9 %, the stated one is itself an estimate: within a third of each other
    np.testing.assert_allclose(stated, spread, rtol=0.35)


def test_margin_follows_the_state_and_draws_are_shared():
    book = _linear((1.0, 1.0))
    paths, now = _market(book)
    found = _ask(ModelMonteCarloVar(WORLD, LEVELS), book, paths, now)
    assert (np.diff(found[0].initial) > 0.0).all()  # variance rises from lane to lane
    assert (found[1].initial > found[0].initial).all()
    alone = _market(book, ((0.3,) * 3, (0.4,) * 3))
    same = _ask(ModelMonteCarloVar(WORLD, LEVELS), book, *alone)
    np.testing.assert_array_equal(same[0].initial, np.full((1, 3), found[0].initial[0, 1]))


def test_a_world_without_state_has_one_law():
    book = _linear((1.0, 1.0))
    paths, now = _market(book)
    (found,) = _ask(ModelMonteCarloVar(load_world("btc_eth_merton"), (0.99,)), book, paths, now)
    assert np.ptp(found.initial) == 0.0 and found.initial[0, 0] > 0.0


def test_draws_are_not_those_of_the_paths():
    """A margin with the seed of the study must not see the future of its paths."""
    grid = TimeGrid(21_600, 4)
    own = WORLD.model.sample(grid, 0, 4, DrawKeys(1))
    nested = WORLD.model.sample(grid, 0, 4, DrawKeys(1, 64))
    assert (own.spot_lanes[1:] != nested.spot_lanes[1:]).all()


def test_what_it_cannot_take_is_said():
    with pytest.raises(ValueError, match="draws must be at least 10000 at level 0.999"):
        ModelMonteCarloVar(WORLD, (0.999,))
    with pytest.raises(ValueError, match="world must be one without a stress"):
        ModelMonteCarloVar(load_world("covid_2020"))
    with pytest.raises(ValueError, match="steps must divide"):
        ModelMonteCarloVar(WORLD, steps=7)
    with pytest.raises(ValueError, match="world must have the assets of the book"):
        ModelMonteCarloVar(load_world("btc")).init(_linear((1.0, 1.0)), SURFACE)
    assert margin_model("model_monte_carlo_var", world="btc_eth").world.name == "btc_eth"
