"""The contour integral against the Poisson mixture, and what has no moments to integrate along."""

import numpy as np
import pytest
from kou_stub import KouStub

from riskengine.errors import RunError
from riskengine.law import contour
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw

LAWS = {
    "one day": MertonLaw(0.0, 0.6, (NormalJump(30.0, -0.02, 0.06),), 1.0 / 365.0),
    "rare wide jumps in one hour": MertonLaw(0.0, 0.02, (NormalJump(0.5, -0.1, 0.2),), 1.0 / 8760.0),
    "normal over ten years": MertonLaw(0.0, 0.6, (), 10.0),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
@pytest.mark.parametrize("p", [1e-12, 1e-6, 1e-4, 0.3, 0.99])
def test_tails_and_excesses_are_relatively_accurate_however_small(law, p):
    x = law.quantile(p)
    assert contour.lower_tail(law, x) == pytest.approx(law.cdf(x), rel=1e-11)
    assert contour.upper_tail(law, x) == pytest.approx(law.survival(x), rel=1e-11)
    for power in (1.0, -1.0):
        # the mixture's own differences cancel on short horizons: 1e-15 of e^{px} p against an excess of p times the sd
        assert contour.lower_excess(law, x, power) == pytest.approx(law.lower_excess(x, power), rel=2e-11)
        assert contour.upper_excess(law, x, power) == pytest.approx(law.upper_excess(x, power), rel=2e-11)


def test_excess_obeys_parity():
    law, x = LAWS["one day"], np.array([-0.1, 0.0, 0.1])
    for power in (1.0, -1.0):
        difference = contour.upper_excess(law, x, power) - contour.lower_excess(law, x, power)
        np.testing.assert_allclose(difference, law.expectation(power) - np.exp(power * x), rtol=0, atol=1e-14)


def test_one_line_inside_a_finite_strip():
    law = KouStub(0.0, 0.3, 3.0, 0.4, 3.0, 2.5, 30.0 / 365.0)
    x = np.array([-2.0, -0.3, 0.2, 1.5])
    below, above = contour.lower_tail(law, x), contour.upper_tail(law, x)
    np.testing.assert_allclose(below + above, 1.0, rtol=1e-13)
    np.testing.assert_allclose(below, law.cdf(x), rtol=0, atol=1e-13)


def test_tail_without_the_moment_it_needs_is_refused():
    # an up rate below 1: E[e^X] is infinite, and with it every call
    law = KouStub(0.0, 0.3, 3.0, 0.4, 0.8, 2.5, 30.0 / 365.0)
    with pytest.raises(RunError, match=r"E\[e\^\(sX\)\] must exist beyond s = 1"):
        contour.upper_excess(law, 0.1)
    assert contour.upper_tail(law, 0.1) == pytest.approx(1 - law.cdf(0.1), rel=1e-9)
