"""Book tables against the exact pricer, and the exact pricer against numpy."""

import numpy as np
import pytest

from riskengine.pricing.black import black76
from riskengine.pricing.tables import BookTable, ScenarioBook


def _book(scenarios=31, options=6, seed=1) -> ScenarioBook:
    rng = np.random.default_rng(seed)
    shape = (2, options)
    shift = np.concatenate([[0.0], rng.uniform(-0.35, 0.25, scenarios - 1)])
    factor = np.concatenate([[1.0], rng.choice([0.75, 1.0, 1.25], scenarios - 1)])
    return ScenarioBook(
        np.exp(rng.uniform(-0.4, 0.4, shape)), rng.choice([35, 60, 180], shape) / 365, rng.uniform(0.5, 0.9, shape),
        np.where(rng.random(shape) < 0.5, 1.0, -1.0), rng.normal(-0.6, 1.0, shape), rng.normal(size=2), np.ones(2),
        shift, factor,
    )  # fmt: skip


def _direct(book, time, x):
    values = np.zeros((book.scenarios, x.shape[1]))
    for s in range(book.scenarios):
        for a in range(2):
            spot = np.exp(x[a] + book.shift[s])
            values[s] += book.perpetual[a] * (spot - book.entry[a])
            for o in range(book.strike.shape[1]):
                sigma = book.volatility[a, o] * book.factor[s]
                values[s] += book.quantity[a, o] * black76(
                    spot, book.strike[a, o], book.expiry[a, o] - time, sigma, book.sign[a, o]
                )
    return values[0], values.min(axis=0)


@pytest.mark.parametrize("scenarios, lanes", [(31, 300), (40, 7), (1, 3)])
def test_exact_pricer_and_table(scenarios, lanes):
    book = _book(scenarios)
    x = np.random.default_rng(2).normal(0, 0.25, (2, lanes))
    expected = _direct(book, 20 / 365, x)
    for found, wanted in zip(book.exact(20 / 365, x), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-14)
    table = BookTable.build(book, 20 / 365, -2.2, 1.8)
    for found, wanted in zip(table.scan(x), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-7)
    assert table.error(x) < 2e-7


def test_error_falls_with_the_fourth_power_of_the_spacing():
    book = _book()
    x = np.random.default_rng(3).normal(0, 0.25, (2, 400))
    coarse, fine = (BookTable.build(book, 20 / 365, -2.2, 1.8, n).error(x) for n in (256, 512))
    assert 8.0 < coarse / fine < 32.0


def test_lanes_outside_are_priced_exactly():
    book = _book()
    table = BookTable.build(book, 20 / 365, -1.0, 1.0)
    x = np.array([[0.0, 3.0, -1.0, 0.999999], [0.0, 0.1, 0.0, 0.0]])
    exact = book.exact(20 / 365, x)
    read = table.scan(x)
    assert np.array_equal(read[0][1:], exact[0][1:]) and np.array_equal(read[1][1:], exact[1][1:])
    assert read[0][0] != exact[0][0]


def test_refusals():
    book = _book()
    with pytest.raises(ValueError, match="nodes must be at least"):
        BookTable.build(book, 34.99 / 365, -2.2, 1.8)
    with pytest.raises(ValueError, match="before every expiry"):
        BookTable.build(book, 35 / 365, -2.2, 1.8)
    with pytest.raises(ValueError, match="high > low"):
        BookTable.build(book, 0.0, 1.0, 1.0)
    fields = {f: getattr(book, f) for f in book.__dataclass_fields__}
    for change, name in (
        ({"shift": book.shift + 1.0}, "scenario 0"),
        ({"strike": -book.strike}, "strike"),
        ({"factor": book.factor[:-1]}, "factor"),
    ):
        with pytest.raises(ValueError, match=name):
            ScenarioBook(**(fields | change))
