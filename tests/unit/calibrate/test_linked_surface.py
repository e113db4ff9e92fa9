"""Level of the surface from the world, and absence of static arbitrage on the shipped shapes."""

import numpy as np
import pytest

from riskengine.calibrate.arbitrage import butterfly, calendar
from riskengine.calibrate.linked_surface import VARIANCE_PREMIUM, linked_surface
from riskengine.market.surface import FactorSurface
from riskengine.scenario.bates import Bates
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.jumps import CommonJumps, OwnJumps
from riskengine.scenario.merton import Merton

ONES = ((1.0, 1.0), (1.0, 1.0))
MIX = ((1.0, 0.8), (0.8, 1.0))
COMMON, OWN = CommonJumps(40.0, (0.0, -0.01), (0.036, 0.045), 0.9), OwnJumps((25.0, 43.0), (0.0, 0.02), (0.02, 0.013))
BATES = Bates(
    ("BTC", "ETH"), (1.0, 1.0), (0.0, 0.0), (20.0, 20.0), (0.29, 0.51), (4.5, 5.9), (-0.4, 0.1), "stationary", MIX,
    ONES, COMMON, OWN,
)  # fmt: skip
SIX_DIGITS = 2.5e-6  # variances are kept to six digits, 5e-6 of them: half of that in volatility
JUMPS = (40 * 0.036**2 + 25 * 0.02**2, 40 * (0.01**2 + 0.045**2) + 43 * (0.02**2 + 0.013**2))


def test_at_the_money_variance_is_the_premium_times_the_expected_variance():
    surface = linked_surface(BATES)
    for a, theta in enumerate((0.29, 0.51)):
        expected = np.sqrt(VARIANCE_PREMIUM * (theta + JUMPS[a]))
        assert [float(surface.atm(a, t, np.array([theta]))[0]) for t in (0.003, 0.1, 1.0)] == pytest.approx(
            [expected] * 3, rel=SIX_DIGITS
        )
        # without a state only jumps are left, and what the variance reverts within the tenor
        x = surface.reversion[a] * 1e-6
        calm = JUMPS[a] + theta * (1 + np.expm1(-x) / x)
        assert float(surface.atm(a, 1e-6, np.array([0.0]))[0]) ** 2 == pytest.approx(
            VARIANCE_PREMIUM * calm, rel=2 * SIX_DIGITS
        )


def test_worlds_without_a_variance_state_get_a_surface_that_does_not_move():
    merton = linked_surface(Merton(("BTC", "X"), (1.0, 1.0), (0.0, 0.0), (0.5, 0.6), MIX, COMMON, OWN))
    assert merton.static and merton.wing[0] == merton.wing[1]  # an unknown asset has the shape of BTC
    assert float(merton.atm(0, 0.1, np.zeros(1))[0]) == pytest.approx(
        np.sqrt(VARIANCE_PREMIUM * (0.25 + JUMPS[0])), rel=SIX_DIGITS
    )
    gbm = linked_surface(Gbm(("BTC", "ETH"), (1.0, 1.0), (0.0, 0.0), (0.5, 0.6), MIX))
    assert gbm == FactorSurface.flat((0.5, 0.6))


def test_no_butterfly_or_calendar_arbitrage_on_the_grid():
    surface = linked_surface(BATES)
    for a in range(2):
        for v in (0.0, 0.01, 0.15, 0.8, 2.0, 5.0):
            for days in (1, 3, 7, 30, 90, 180, 365):
                assert butterfly(surface, a, days / 365, v, np.linspace(-6, 6, 121)).min() > 0
            taus = np.geomspace(1 / 365, 1, 25)
            total = float(surface.atm(a, taus[0], np.array([v]))[0]) * np.sqrt(taus[0])
            assert calendar(surface, a, taus, v, np.linspace(-4, 4, 41) * total).min() > 0


def test_butterfly_sees_an_arbitrage():
    steep = FactorSurface(
        (1.0,), (0.25,), (0.0,), (0.25,), (0.0,), (0.0,), (0.9,), (0.9,), (0.0,), (1.0,), (2.0,)
    )  # fmt: skip
    assert butterfly(steep, 0, 0.1, 0.25, np.linspace(-5, 5, 201)).min() < 0


def test_butterfly_of_a_flat_smile_is_one():
    assert butterfly(FactorSurface.flat((0.5,)), 0, 0.1, 0.0, np.linspace(-3, 3, 13)) == pytest.approx(1.0, abs=1e-6)


def test_premium_must_be_positive():
    with pytest.raises(ValueError, match="premium must be positive"):
        linked_surface(BATES, premium=0.0)
