"""VaR, ES and breach probability of unit exposures."""

import numpy as np
import pytest

from riskengine.law.bates import BatesLaw
from riskengine.law.exposure import UnitExposure
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw

MERTON = MertonLaw(0.0, 0.6, (NormalJump(30.0, -0.02, 0.06),), 1.0 / 365.0)
BATES = BatesLaw(0.0, 4.0, 0.45, 2.2, -0.3, (NormalJump(20.0, -0.01, 0.05),), 1.0 / 365.0, 0.4)
NODE, WEIGHT = np.polynomial.legendre.leggauss(16)
ALL = [UnitExposure(side, contract) for side in ("long", "short") for contract in ("linear", "inverse")]


@pytest.mark.parametrize("law", [MERTON, BATES], ids=["merton", "bates"])
@pytest.mark.parametrize("exposure", ALL, ids=lambda e: f"{e.side}-{e.contract}")
def test_var_is_breached_with_its_probability_and_es_is_the_tail_mean(law, exposure):
    level = np.array([0.95, 0.99])
    var, es = exposure.var(law, level), exposure.expected_shortfall(law, level)
    np.testing.assert_allclose(exposure.breach_probability(law, var), 1 - level, rtol=1e-9)
    # ES = VaR + E[(L - VaR)+] / p, with the excess by quadrature of the breach probability
    for v, e, tail in zip(var, es, 1 - level, strict=True):
        edge = np.linspace(0.0, 1.2, 61) ** 2
        loss = v + 0.5 * (edge[1:] + edge[:-1])[:, None] + 0.5 * np.diff(edge)[:, None] * NODE
        breach = exposure.breach_probability(law, loss.ravel()).reshape(loss.shape)
        excess = 0.5 * np.diff(edge) @ (breach @ WEIGHT)
        assert e == pytest.approx(v + excess / tail, rel=1e-9)


def test_inverse_long_loses_more_than_linear_long():
    level = np.array([0.95, 0.99, 0.999])
    assert (UnitExposure("long", "inverse").var(MERTON, level) > UnitExposure().var(MERTON, level)).all()


@pytest.mark.parametrize("exposure", ALL, ids=lambda e: f"{e.side}-{e.contract}")
def test_return_at_inverts_the_loss(exposure):
    x = np.array([-0.5, -0.01, 0.0, 0.2])
    np.testing.assert_allclose(exposure.return_at(exposure.loss(x)), x, atol=1e-14)


def test_losses_beyond_what_a_side_can_lose():
    # a linear long cannot lose more than everything; it always loses more than minus infinity
    assert UnitExposure("long", "linear").breach_probability(MERTON, 1.5) == 0.0
    assert UnitExposure("short", "inverse").breach_probability(MERTON, 1.5) == 0.0
    assert UnitExposure("short", "linear").breach_probability(MERTON, -2.0) == pytest.approx(1.0)
    assert UnitExposure("long", "inverse").breach_probability(MERTON, -2.0) == pytest.approx(1.0)


def test_bad_terms_and_levels_are_refused():
    with pytest.raises(ValueError, match="side must be long or short"):
        UnitExposure("flat")
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\)"):
        UnitExposure().var(MERTON, 1.0)
