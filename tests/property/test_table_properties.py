"""Properties of book tables over random books, scenarios, times and ranges."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.market.surface import FactorSurface
from riskengine.pricing.scenario_book import ScenarioBook
from riskengine.pricing.tables import BookTable

SURFACE = FactorSurface(
    reversion=(5.0, 22.0), long_variance=(0.40, 0.65), premium=(1.05, 0.6), add=(0.07, 0.0), skew_short=(-0.06, -0.07),
    skew_long=(-0.08, -0.05), curvature_short=(0.06, 0.07), curvature_long=(0.06, 0.05), skew_state=(-0.05, -0.03),
    smile_tenor=(0.05, 0.16), wing=(5.4, 4.6),
)  # fmt: skip


def _case(seed: int, moving: bool, options: int, scenarios: int, width: float, low: float, top: float):
    """(book, range of log-spot, range of variance, log-spot, variance), a twentieth of the lanes' range outside."""
    rng = np.random.default_rng(seed)
    shape = (2, options)
    # from minutes to a year: the nearest are too near for any table
    expiry = np.exp(rng.uniform(np.log(1e-5), 0.0, shape))
    book = ScenarioBook(
        np.exp(rng.uniform(-0.5, 0.5, shape)), expiry, rng.uniform(0.3, 1.5, shape),
        np.where(rng.random(shape) < 0.5, 1.0, -1.0), rng.normal(size=shape) * (rng.random(shape) < 0.8),
        rng.normal(size=2), np.ones(2), np.concatenate([[0.0], rng.uniform(-0.4, 0.4, scenarios - 1)]),
        np.concatenate([[1.0], rng.choice([0.6, 1.0, 1.5], scenarios - 1)]), SURFACE if moving else None,
    )  # fmt: skip
    x = rng.uniform(low - 0.05 * width, low + 1.05 * width, (2, 200))
    return book, (low, low + width), (0.0, top), x, rng.uniform(0.0, 1.05 * top, (2, 200))


CASES = {
    "seed": st.integers(0, 2**32 - 1),
    "moving": st.booleans(),
    "options": st.integers(1, 8),
    "scenarios": st.sampled_from([1, 5, 31, 33]),
    "width": st.floats(0.05, 1.0),
    "low": st.floats(-0.5, 0.2),
    "top": st.floats(0.01, 3.0),
}


@settings(max_examples=16, deadline=None, derandomize=True)
@given(**CASES, tolerance=st.sampled_from([1e-3, 1e-5, 1e-7]))
def test_a_table_keeps_its_word(tolerance, **case):
    book, prices, states, x, variance = _case(**case)
    table = BookTable.build(book, 0.0, prices, states, tolerance)
    assert table.error <= tolerance * book.notional
    assert table.difference(x, variance) <= table.error + 1e-13 * book.notional
    # a range of variance too narrow for a cell is widened a little
    beyond = ((x < prices[0]) | (x > prices[1])).any(axis=0)
    outside, far_outside = (
        beyond | (variance > states[1] + more).any(axis=0) & (book.surface is not None) for more in (0.0, 0.05)
    )
    assert far_outside.sum() <= table.scan(x, variance).outside <= outside.sum()


@settings(max_examples=8, deadline=None, derandomize=True)
@given(**CASES)
def test_twice_the_book_is_twice_the_table(**case):
    book, prices, states, x, variance = _case(**case)
    twice = replace(book, quantity=2.0 * book.quantity, perpetual=2.0 * book.perpetual)
    one, two = (BookTable.build(b, 0.0, prices, states) for b in (book, twice))
    assert np.array_equal(2.0 * one.values, two.values) and two.error == 2.0 * one.error
    for found, wanted in zip(two.scan(x, variance)[:2], one.scan(x, variance)[:2], strict=True):
        assert np.array_equal(found, 2.0 * wanted)
