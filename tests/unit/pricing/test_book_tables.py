"""Book tables against the exact pricer, the error they state, and the exact pricer against closed forms."""

from dataclasses import replace

import numpy as np
import pytest

from riskengine.market.surface import FactorSurface
from riskengine.pricing.black import black76
from riskengine.pricing.scenario_book import ScenarioBook
from riskengine.pricing.tables import BookTable, reach

SURFACE = FactorSurface(
    reversion=(5.0, 22.0), long_variance=(0.40, 0.65), premium=(1.05, 1.05), add=(0.07, 0.12),
    skew_short=(-0.06, -0.07), skew_long=(-0.08, -0.05), curvature_short=(0.06, 0.07), curvature_long=(0.06, 0.05),
    skew_state=(-0.05, -0.03), smile_tenor=(0.05, 0.16), wing=(5.4, 4.6),
)  # fmt: skip
# the second asset's variance moves nothing
HALF_STATIC = replace(SURFACE, premium=(1.05, 0.0))
TIME = 20 / 365
RANGE = (-2.2, 1.8)
STATES = (0.0, 3.0)


def _book(scenarios=31, options=6, seed=1, surface=None, expiries=(35, 60, 180)) -> ScenarioBook:
    rng = np.random.default_rng(seed)
    shape = (2, options)
    shift = np.concatenate([[0.0], rng.uniform(-0.35, 0.25, scenarios - 1)])
    factor = np.concatenate([[1.0], rng.choice([0.75, 1.0, 1.25], scenarios - 1)])
    return ScenarioBook(
        np.exp(rng.uniform(-0.4, 0.4, shape)), rng.choice(expiries, shape) / 365,
        rng.uniform(0.5, 0.9, shape) if surface is None else rng.uniform(0.9, 1.1, shape),
        np.where(rng.random(shape) < 0.5, 1.0, -1.0), rng.normal(-0.6, 1.0, shape), rng.normal(size=2), np.ones(2),
        shift, factor, surface,
    )  # fmt: skip


def _lanes(count, seed=2):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.25, (2, count)), rng.gamma(2.0, 0.2, (2, count))


def _direct(book, time, x, variance):
    values = np.zeros((book.scenarios, x.shape[1]))
    for s in range(book.scenarios):
        for a in range(2):
            spot = np.exp(x[a] + book.shift[s])
            values[s] += book.perpetual[a] * (spot - book.entry[a])
            for o in range(book.strike.shape[1]):
                sigma, tau = book.volatility[a, o] * book.factor[s], book.expiry[a, o] - time
                if book.surface is not None:
                    sigma = (
                        sigma
                        * book.surface.volatility(
                            np.array([a]),
                            np.log(book.strike[a, o : o + 1]),
                            np.array([tau]),
                            np.log(spot)[None],
                            variance,
                        )[0]
                    )
                values[s] += book.quantity[a, o] * black76(spot, book.strike[a, o], tau, sigma, book.sign[a, o])
    return values[0], values.min(axis=0)


@pytest.mark.parametrize("surface", [None, SURFACE, HALF_STATIC], ids=["static", "moving", "half static"])
@pytest.mark.parametrize("scenarios, lanes", [(31, 300), (40, 7), (1, 3)])
def test_exact_pricer_and_table(scenarios, lanes, surface):
    book = _book(scenarios, surface=surface)
    x, variance = _lanes(lanes)
    expected = _direct(book, TIME, x, variance)
    for found, wanted in zip(book.exact(TIME, x, variance), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=3e-14)
    table = BookTable.build(book, TIME, RANGE, STATES)
    assert table.near is None and 0.0 < table.error <= 1e-7 * book.notional
    read = table.scan(x, variance)
    assert read.outside == 0
    for found, wanted in zip(read[:2], expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=table.error)


@pytest.mark.parametrize("surface", [None, SURFACE], ids=["static", "moving"])
@pytest.mark.parametrize("tolerance", [1e-5, 1e-6, 1e-7, 1e-8])
def test_the_stated_error_holds_everywhere_and_is_not_idle(surface, tolerance):
    """Lanes even over the whole table; the statement may be a few times the truth, never below it."""
    book = _book(seed=4, surface=surface)
    rng = np.random.default_rng(5)
    x, variance = rng.uniform(*RANGE, (2, 4000)), rng.uniform(*STATES, (2, 4000))
    table = BookTable.build(book, TIME, RANGE, STATES, tolerance)
    assert table.error <= tolerance * book.notional
    found = np.abs(table.scan(x, variance).value - book.exact(TIME, x, variance)[0]).max()
    assert found <= table.difference(x, variance) <= table.error < 20.0 * found


def test_decisions_are_those_of_the_exact_pricer():
    for surface in (None, SURFACE):
        book = _book(surface=surface)
        x, variance = _lanes(20_000, seed=7)
        table = BookTable.build(book, TIME, RANGE, STATES)
        _, exact = book.exact(TIME, x, variance)
        worst = table.scan(x, variance).worst
        # a threshold amid the lanes: only those within the stated error of it may be decided otherwise
        level = float(np.quantile(exact, 0.03))
        differ = (worst < level) != (exact < level)
        assert (np.abs(exact - level)[differ] <= table.error).all()
        clear = np.abs(exact - level) > table.error
        assert clear.mean() > 0.999 and np.array_equal((worst < level)[clear], (exact < level)[clear])


@pytest.mark.parametrize("surface", [None, SURFACE], ids=["static", "moving"])
def test_options_near_expiry_are_priced_exactly(surface):
    """Minutes before the first expiry no table is fine enough: those options leave it, the others stay."""
    book = _book(seed=3, options=9, surface=surface)
    x, variance = _lanes(400)
    time = 35 / 365 - 1e-6
    table = BookTable.build(book, time, RANGE, STATES)
    soon = (book.expiry - time < 1e-5) & (book.quantity != 0.0)
    assert np.array_equal(table.near.quantity, np.where(soon, book.quantity, 0.0)) and not table.near.perpetual.any()
    assert table.error <= 1e-7 * book.notional
    assert table.difference(x, variance) <= table.error
    alone = replace(book, quantity=np.where(soon, book.quantity, 0.0), perpetual=np.zeros(2), entry=np.ones(2))
    assert BookTable.build(alone, time, RANGE, STATES).difference(x, variance) < 1e-13
    empty = replace(alone, quantity=np.zeros_like(book.quantity))
    read = BookTable.build(empty, time, RANGE, STATES).scan(x, variance)
    assert not read.value.any() and not read.worst.any() and read.outside == 0


def test_lanes_outside_are_priced_exactly_and_counted():
    book = _book()
    table = BookTable.build(book, TIME, (-1.0, 1.0))
    x = np.array([[0.0, 3.0, -1.1, 0.999999, np.nan], [0.0, 0.1, 0.0, 0.0, 0.0]])
    exact, read = book.exact(TIME, x), table.scan(x)
    assert read.outside == 3
    for found, wanted in zip(read[:2], exact, strict=True):
        assert np.array_equal(found[[1, 2, 4]], wanted[[1, 2, 4]], equal_nan=True) and np.isnan(found[4])
        assert found[0] != wanted[0]
        np.testing.assert_allclose(found[:4], wanted[:4], rtol=0, atol=table.error)


def test_states_outside_are_priced_exactly_and_counted():
    book = _book(surface=SURFACE)
    table = BookTable.build(book, TIME, (-1.0, 1.0), (0.1, 1.0))
    variance = np.array([[0.3, 0.05, 0.3, 1.0, np.nan], [0.3, 0.3, 1.4, 0.1, 0.3]])
    x = np.zeros((2, 5))
    exact, read = book.exact(TIME, x, variance), table.scan(x, variance)
    assert read.outside == 3
    assert np.array_equal(read.worst[[1, 2, 4]], exact[1][[1, 2, 4]], equal_nan=True) and read.value[0] != exact[0][0]
    np.testing.assert_allclose(read.worst[:4], exact[1][:4], rtol=0, atol=table.error)


def test_long_options_alone():
    """Far from expiry the level is nearly straight in variance, but the skew is not."""
    book = _book(surface=SURFACE, expiries=(700, 1400))
    x, variance = _lanes(500)
    table = BookTable.build(book, TIME, RANGE, STATES)
    assert table.near is None and table.values.shape[2] < 40
    assert table.difference(x, np.where(variance < 0.2, 0.0, variance)) <= table.error


def test_any_split_into_blocks_reads_the_same_bits():
    book = _book(40, surface=SURFACE)
    x, variance = _lanes(500)
    table = BookTable.build(book, 35 / 365 - 1e-6, RANGE, STATES)
    whole = table.scan(x, variance)
    parts = [table.scan(x[:, i : i + 37], variance[:, i : i + 37]) for i in range(0, 500, 37)]
    for k in (0, 1):
        assert np.array_equal(whole[k], np.concatenate([p[k] for p in parts]))


def test_reach():
    lanes = np.array([[[0.0, 1.0, 2.0]], [[4.0, 4.0, 8.0]]])
    assert np.array_equal(reach(lanes), [[[-0.5], [3.0]], [[2.5], [9.0]]])


def test_refusals():
    book, moving = _book(), _book(surface=SURFACE)
    x = np.zeros((2, 3))
    for call, message in (
        (lambda: BookTable.build(book, 35 / 365, RANGE), "before every expiry"),
        (lambda: BookTable.build(book, 0.0, (1.0, 1.0)), "log_spot must give a range"),
        (lambda: BookTable.build(book, 0.0, (-np.inf, 1.0)), "log_spot must give a range"),
        (lambda: BookTable.build(book, 0.0, RANGE, tolerance=0.0), "tolerance must be positive"),
        (lambda: BookTable.build(book, 0.0, RANGE, tolerance=1e-18), "tolerance must be larger"),
        (lambda: BookTable.build(moving, 0.0, RANGE), "variance must give a range"),
        (lambda: BookTable.build(moving, 0.0, RANGE, (-0.1, 1.0)), "variance must give a range"),
        (lambda: BookTable.build(moving, 0.0, RANGE, STATES).scan(x), "variance must be given"),
        (lambda: moving.exact(0.0, x, x[:1]), "variance must have shape"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    fields = {f: getattr(book, f) for f in book.__dataclass_fields__}
    for change, name in (
        ({"shift": book.shift + 1.0}, "scenario 0"),
        ({"strike": -book.strike}, "strike"),
        ({"factor": book.factor[:-1]}, "factor"),
        ({"surface": FactorSurface.flat((0.5,))}, "surface must have one number per asset"),
    ):
        with pytest.raises(ValueError, match=name):
            ScenarioBook(**(fields | change))
