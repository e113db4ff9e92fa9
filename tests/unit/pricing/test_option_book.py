"""Exact tails of books whose loss goes up and down: against unit exposures, closed forms and simulation."""

import numpy as np
import pytest
from scipy.special import ndtri

from riskengine.errors import RunError
from riskengine.law.bates import BatesLaw
from riskengine.law.exposure import UnitExposure
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw
from riskengine.pricing.option_book import BookOption, OptionBook

DAY, WEEK = 1.0 / 365.0, 7.0 / 365.0
LAW = MertonLaw(0.0, 0.6, (NormalJump(30.0, -0.02, 0.06),), DAY)
SPOT = 60_000.0
# 6 figures against simulation, family-wise 1e-4
Z = float(ndtri(1 - 1e-4 / 6 / 2))


def smile(x):
    return 0.6 - 0.4 * np.tanh(x) + 0.8 * np.tanh(x) ** 2


BOOKS = {
    "short strangle": (
        BookOption(56_000.0, WEEK, -1, -1.0, 0.6),
        BookOption(64_000.0, WEEK, 1, -1.0, 0.6),
    ),
    # butterfly that expires at the horizon and a ratio: kinks, a flat stretch and several humps
    "ratio and butterfly": (
        BookOption(58_000.0, DAY, 1, 1.0, 0.6),
        BookOption(60_000.0, DAY, 1, -2.0, 0.6),
        BookOption(62_000.0, DAY, 1, 1.0, 0.6),
        BookOption(66_000.0, WEEK, 1, -3.0, smile),
        BookOption(54_000.0, WEEK, -1, 2.0, smile),
    ),
}


def draws(n, seed):
    generator, jump = np.random.default_rng(seed), LAW.jumps[0]
    count = generator.poisson(jump.intensity * DAY, n)
    trend = (-0.5 * LAW.sigma**2 - jump.intensity * jump.relative_mean) * DAY
    sd = np.sqrt(LAW.sigma**2 * DAY + count * jump.sd**2)
    return trend + count * jump.mean + sd * generator.standard_normal(n)


@pytest.mark.parametrize(
    "law", [LAW, BatesLaw(0.0, 4.0, 0.45, 2.2, -0.3, LAW.jumps, DAY, 0.4)], ids=["merton", "bates"]
)
@pytest.mark.parametrize("contract", ["linear", "inverse"])
@pytest.mark.parametrize("side", ["long", "short"])
def test_monotone_case_is_the_unit_exposure(law, side, contract):
    size = (1 if side == "long" else -1) * (1 / SPOT if contract == "linear" else SPOT)
    tail, unit = OptionBook((), SPOT, DAY, size, contract).under(law), UnitExposure(side, contract)
    for level in (0.9, 0.99, 0.999):
        var = float(unit.var(law, level))
        assert tail.var(level) == pytest.approx(var, rel=1e-9)
        assert tail.expected_shortfall(level) == pytest.approx(float(unit.expected_shortfall(law, level)), rel=1e-9)
        assert tail.breach_probability(var) == pytest.approx(1 - level, rel=1e-9)


@pytest.mark.parametrize("contract", ["linear", "inverse"])
@pytest.mark.parametrize("name", BOOKS)
def test_books_against_simulation(name, contract):
    book = OptionBook(BOOKS[name], SPOT, DAY, contract=contract)
    tail, n = book.under(LAW), 400_000
    loss = book.loss(draws(n, 20260911))
    var = tail.var(0.99)
    assert tail.breach_probability(var) == pytest.approx(0.01, rel=1e-7)
    assert abs((loss > var).mean() - 0.01) < Z * np.sqrt(0.01 * 0.99 / n)
    excess = np.maximum(loss - var, 0.0)
    allowed = Z * excess.std() / np.sqrt(n) / 0.01
    assert abs(tail.expected_shortfall(0.99) - (var + excess.mean() / 0.01)) < allowed


def test_every_region_is_found():
    book = OptionBook(BOOKS["ratio and butterfly"], SPOT, DAY)
    tail, x = book.under(LAW), np.linspace(-0.6, 0.6, 120_001)
    loss = book.loss(x)
    for c in np.quantile(loss[np.abs(x) < 0.2], [0.05, 0.3, 0.5, 0.7, 0.95]):
        crossings = np.flatnonzero(np.diff(loss > c))
        found = tail.roots(float(c))
        found = found[np.abs(found) < 0.6]
        assert found.size == crossings.size
        assert np.abs(found - x[crossings]).max() <= x[1] - x[0]
        np.testing.assert_allclose(book.loss(found), c, atol=1e-7)
    assert tail.roots(float(np.quantile(loss[np.abs(x) < 0.2], 0.5))).size >= 3


def test_flat_loss_is_an_atom():
    # a call sold, far out of the money, that expires at the horizon: the premium is kept with most of the probability
    book = OptionBook((BookOption(63_000.0, DAY, 1, -1.0, 0.6),), SPOT, DAY)
    tail = book.under(LAW)
    premium = -float(book.loss(0.0))
    kept = float(LAW.cdf(np.log(63_000 / SPOT)))
    assert 0.5 < kept < 0.99
    assert tail.var(0.5) == pytest.approx(-premium, abs=1e-6)
    assert tail.breach_probability(-premium + 1e-6) == pytest.approx(1 - kept, rel=1e-6)
    # ES at a level inside the atom: (1 - level) of tail, of which 1 - kept lies beyond
    call = SPOT * float(LAW.upper_excess(np.log(63_000 / SPOT)))
    assert tail.expected_shortfall(0.5) == pytest.approx(-premium + call / 0.5, rel=1e-8)


def test_rate_moves_forward_and_discount():
    calls = BookOption(60_000.0, WEEK, 1, 1.0, 0.6), BookOption(60_000.0, WEEK, -1, -1.0, 0.6)
    book = OptionBook(calls, SPOT, DAY, rate=0.1)
    x = np.array([-0.2, 0.0, 0.3])
    # a synthetic forward: F e^{-r tau} - K e^{-r tau} with the spot for the first
    worth = SPOT * np.exp(x) - 60_000.0 * np.exp(-0.1 * (WEEK - DAY))
    now = SPOT - 60_000.0 * np.exp(-0.1 * WEEK)
    np.testing.assert_allclose(book.loss(x), now - worth, atol=1e-8)


def test_what_cannot_be_a_book_is_named():
    with pytest.raises(ValueError, match="must not expire before the horizon"):
        OptionBook((BookOption(1.0, DAY / 2, 1, 1.0, 0.6),), 1.0, DAY)
    with pytest.raises(ValueError, match="must hold an option or a futures position"):
        OptionBook((), 1.0, DAY)
    with pytest.raises(ValueError, match="sign must be 1"):
        BookOption(1.0, DAY, 0, 1.0, 0.6)
    with pytest.raises(ValueError, match="contract must be linear or inverse"):
        OptionBook((), 1.0, DAY, 1.0, "quanto")
    jagged = BookOption(1.0, WEEK, 1, 1.0, lambda x: 0.6 + 0.1 * (np.sin(4e5 * x) > 0))
    with pytest.raises(RunError, match="the loss must be smooth between strikes"):
        OptionBook((jagged,), 1.0, DAY).under(LAW).var(0.99)
