"""What moved a requirement: contributions add up, and one or two causes are those of plain differences."""

from dataclasses import replace

import numpy as np
import pytest

from riskengine.config.book import load_book
from riskengine.config.locate import find
from riskengine.config.models import margin_model
from riskengine.config.study import load_world
from riskengine.engine.today import Today
from riskengine.margin.greeks_grid import GreeksGrid
from riskengine.tune.margin_change import CAUSES, Day, margin_change, shifted

ONES = np.ones(2)
FALL, CALM = np.array([0.93, 0.9]), np.array([1.2, 1.3])


@pytest.fixture(scope="module")
def world():
    return load_world("btc_eth")


@pytest.fixture(scope="module")
def book(world):
    return load_book(find("books", "long_dated_book"), world)


@pytest.mark.parametrize("kind", ["derive_pmrm_v2", "deribit_portfolio", "greeks_grid", "ewma_var"])
def test_five_causes_add_up_to_the_change(world, book, kind):
    model = margin_model(kind)
    other = replace(book, quantity=1.3 * book.quantity, names=("new_one", *book.names[1:]))
    changed = GreeksGrid(price_range=0.2) if kind == "greeks_grid" else model
    found = margin_change(world, Day(book, model, ONES, ONES), Day(other, changed, FALL, CALM), 24.0, windows=60)
    assert found.accounts == (*book.names, "new_one")
    np.testing.assert_allclose(found.contributions.sum(axis=1), found.after - found.before, rtol=1e-12, atol=1e-8)
    np.testing.assert_allclose(found.before[:-1], Today(model, world, windows=60).initial(book), rtol=1e-12)
    assert found.before[-1] == 0.0 and found.after[0] == 0.0  # closed, and opened since
    assert np.abs(found.contributions[:, CAUSES.index("positions")]).max() > 1.0
    assert (found.contributions[:, CAUSES.index("parameters")] != 0.0).any() == (kind == "greeks_grid")


def test_one_cause_alone_is_the_whole_change(world, book):
    model = margin_model("derive_pmrm_v2")
    found = margin_change(world, Day(book, model, ONES, ONES), Day(shifted(book, -24.0), model, FALL, ONES), 24.0)
    still = margin_change(world, Day(book, model, ONES, ONES), Day(shifted(book, -24.0), model, ONES, ONES), 24.0)
    assert (found.contributions[:, [2, 3, 4]] == 0.0).all()
    np.testing.assert_allclose(still.contributions[:, 0], still.after - still.before, rtol=1e-12, atol=1e-9)
    # time and market by hand: the mean of both orders, from a world whose prices are the moved ones
    moved = replace(world, model=replace(world.model, spot=tuple(FALL * np.array(world.model.spot))))
    first, last = Today(model, world).initial(book), Today(model, moved).initial(shifted(book, -24.0))
    market, time = Today(model, moved).initial(book), Today(model, world).initial(shifted(book, -24.0))
    np.testing.assert_allclose(found.after, last, rtol=1e-9)
    np.testing.assert_allclose(found.contributions[:, 1], 0.5 * (market - first + last - time), rtol=1e-7, atol=1e-5)
    np.testing.assert_allclose(found.contributions[:, 0], 0.5 * (time - first + last - market), rtol=1e-7, atol=1e-5)


def test_what_cannot_be_told_is_refused(world, book):
    model = margin_model("greeks_grid")
    day = Day(book, model, ONES, ONES)
    with pytest.raises(ValueError, match="must outlive 100000 h"):
        margin_change(world, day, day, 100_000.0)
    flat = replace(world, surface=replace(world.surface, premium=(0.0, 0.0)))
    with pytest.raises(ValueError, match="surface is static"):
        margin_change(flat, day, Day(book, model, ONES, CALM), 24.0)
