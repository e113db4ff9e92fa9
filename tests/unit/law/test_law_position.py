"""The tail of any position: against exact routes for unit exposures and option books, and quadrature."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
from scipy.integrate import quad

from riskengine.law.bates import BatesLaw
from riskengine.law.exposure import LogExposure, UnitExposure
from riskengine.law.jump import NormalJump
from riskengine.law.lanes import StatelessLanes
from riskengine.law.merton import MertonLaw
from riskengine.law.position import PartialMean, PositionTail
from riskengine.pricing.branches import Branches
from riskengine.pricing.option_book import BookOption, OptionBook, loss_window

MERTON = MertonLaw(0.1, 0.6, (NormalJump(30.0, -0.02, 0.06),), 1 / 365)
BATES = BatesLaw(0.0, 5.0, 0.4, 1.5, -0.4, (NormalJump(10.0, -0.03, 0.05),), 1 / 365)
LEVELS = np.array([0.9, 0.99, 0.999])
DAY = 1 / 365


@dataclass(frozen=True)
class BookPosition:
    """An option book of known tail as a position."""

    book: OptionBook
    law: MertonLaw
    side: None = None

    @property
    def kinks(self):
        return tuple(np.log(o.strike / self.book.spot) for o in self.book.options if o.expiry == self.book.horizon)

    @cached_property
    def branches(self):
        return Branches(self.book.loss, *loss_window(self.law, (0.0, 1.0)), self.kinks)

    def loss(self, x):
        return self.book.loss(x)

    def worse(self, c):
        return self.branches.worse(c)


@pytest.mark.parametrize("law", [MERTON, BATES], ids=["merton", "bates"])
@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize("contract", ["linear", "inverse"])
def test_unit_exposures_have_the_shortfall_of_their_own_route(law, side, contract):
    unit = UnitExposure(side, contract)
    tail = PositionTail(unit, law)
    np.testing.assert_array_equal(tail.var(LEVELS), unit.var(law, LEVELS))
    np.testing.assert_allclose(tail.breach(tail.var(LEVELS)), 1 - LEVELS, rtol=1e-8)
    np.testing.assert_allclose(tail.expected_shortfall(LEVELS), unit.expected_shortfall(law, LEVELS), rtol=1e-9)


@pytest.mark.parametrize("side", ["long", "short"])
def test_the_shortfall_of_a_log_return_is_its_tail_mean(side):
    tail = PositionTail(LogExposure(side), MERTON)
    sign = -1.0 if side == "long" else 1.0
    for level, es in zip(LEVELS, tail.expected_shortfall(LEVELS), strict=True):
        q = float(tail.var(level))
        mean = quad(lambda y: y * float(MERTON.pdf(sign * y)), q, 0.9, epsabs=1e-14, limit=400, points=[0.2, 0.4])[0]
        assert es == pytest.approx(mean / (1 - level), rel=1e-8)


def option(strike, sign, quantity, days, volatility=0.7):
    return BookOption(strike, days * DAY, sign, quantity, volatility)


BOOKS = {
    "short straddle": (option(1e4, 1, -1, 30), option(1e4, -1, -1, 30)),
    "straddle that expires": (option(1e4, 1, -1, 1), option(1e4, -1, -1, 1)),
    "condor": (option(9e3, -1, 1, 7), option(9.5e3, -1, -2, 7), option(1.05e4, 1, -2, 7), option(1.2e4, 1, 1, 7)),
    "calendar": (option(1e4, 1, -1, 3), option(1e4, 1, 1, 30)),
}


@pytest.mark.parametrize("name", BOOKS)
def test_books_have_the_tail_that_all_roots_give(name):
    book = OptionBook(BOOKS[name], 1e4, DAY, futures=0.1)
    exact, tail = book.under(MERTON), PositionTail(BookPosition(book, MERTON), MERTON)
    var = tail.var(LEVELS)
    for i, level in enumerate(LEVELS):
        assert var[i] == pytest.approx(exact.var(level), rel=1e-9)
        assert tail.expected_shortfall(level) == pytest.approx(exact.expected_shortfall(level), rel=1e-8)
    for c in (-50.0, 0.0, 0.5 * var[0], 2.0 * var[-1]):
        assert tail.breach(c) == pytest.approx(exact.breach_probability(c), rel=1e-8, abs=1e-13)


def test_a_spread_loses_its_premium_with_an_atom():
    """Beyond both strikes the loss is flat: rounding must not decide whether it is greater than the premium."""
    book = OptionBook((option(1.02e4, 1, 1, 1), option(1.1e4, 1, -1, 1)), 1e4, DAY)
    tail = PositionTail(BookPosition(book, MERTON), MERTON)
    premium = float(book.loss(np.array([-0.5]))[0])
    below = float(MERTON.cdf(np.log(1.02)))
    assert tail.breach(premium) == 0.0
    assert tail.breach(premium * (1 - 1e-6)) == pytest.approx(below, abs=1e-5)
    np.testing.assert_allclose(tail.var(np.array([0.5, 0.99])), premium, rtol=1e-9)
    assert tail.expected_shortfall(0.99) == pytest.approx(premium, rel=1e-9)


def test_branches_turn_where_the_loss_does():
    legs = (option(9e3, -1, 2, 3), option(9.5e3, -1, -2, 3), option(1.05e4, 1, -2, 3), option(1.2e4, 1, 4, 3))
    book = OptionBook(legs, 1e4, DAY)
    branches = BookPosition(book, MERTON).branches
    assert branches.count == 3
    c = np.linspace(-100.0, 900.0, 41)
    lower, upper = branches.worse(c)
    for end in (lower, upper):
        inside = np.isfinite(end) & (lower < upper)
        at = book.loss(np.where(inside, end, 0.0)) - c
        # a finite end is a root, or the turning point between two branches that are worse throughout
        assert ((np.abs(at[inside]) < 1e-6) | (at[inside] > 0)).all()
    x = np.linspace(-0.3, 0.3, 2001)
    worse = ((lower[..., None] < x) & (x < upper[..., None])).any(axis=0)
    clear = np.abs(book.loss(x) - c[:, None]) > 1e-6
    np.testing.assert_array_equal(worse[clear], (book.loss(x) > c[:, None])[clear])


def test_a_partial_mean_between_its_nodes():
    table = StatelessLanes(MERTON).table
    mean = PartialMean(UnitExposure("short", "linear"), table)
    for x in (-0.11, -0.0123, 0.05):
        whole = MERTON.lower_expectation(np.array([x]))[0] - MERTON.cdf(np.array([x]))[0]
        assert mean(x) == pytest.approx(float(whole), rel=1e-9)
