"""Figures that two routes agree on, over horizons from an hour to ten years, and the refusal where they do not."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from kou_stub import KouStub

from riskengine.errors import RunError
from riskengine.law.bates import BatesLaw
from riskengine.law.checked import checked_expected_shortfall, checked_quantile, tails
from riskengine.law.exposure import UnitExposure
from riskengine.law.fourier import FourierLaw
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw

HOUR = 1.0 / 8760.0
JUMPS = (NormalJump(20.0, -0.01, 0.05),)
LAWS = {
    "bates 1 h": BatesLaw(0.0, 4.0, 0.45, 2.2, -0.3, JUMPS, HOUR, 0.4),
    "heston 1 h, variance near zero": BatesLaw(0.0, 1.5768, 0.0398, 0.5751, -0.5711, (), HOUR, 1e-3),
    "kou 1 h": KouStub(0.0, 0.6, 30.0, 0.4, 20.0, 15.0, HOUR),
    "merton 1 h, rare wide jumps": MertonLaw(0.0, 0.05, (NormalJump(0.5, -0.1, 0.2),), HOUR),
    "stationary bates 30 d": BatesLaw(0.0, 4.0, 0.45, 2.2, -0.3, JUMPS, 30 * 24 * HOUR),
    "kou 1 d, heavy": KouStub(0.0, 0.3, 3.0, 0.4, 3.0, 2.5, 24 * HOUR),
    "heston 10 y": BatesLaw(0.0, 1.5768, 0.0398, 0.5751, -0.5711, (), 10.0, 0.0175),
    "stationary bates 10 y": BatesLaw(0.0, 4.0, 0.45, 2.2, -0.3, JUMPS, 10.0),
    "kou 10 y, heavy": KouStub(0.0, 0.3, 3.0, 0.4, 3.0, 2.5, 10.0),
}
EXPOSURES = [UnitExposure(side, contract) for side in ("long", "short") for contract in ("linear", "inverse")]


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_quantiles_and_shortfalls_agree_by_two_routes(law):
    level = np.array([0.5, 0.99, 0.9999])
    x = checked_quantile(law, np.concatenate([1 - level, level]))
    assert (np.diff(x[[2, 1, 0]]) > 0).all() and (np.diff(x[3:]) > 0).all()
    for exposure in EXPOSURES:
        es = checked_expected_shortfall(law, exposure, level)
        # 1e-6: over ten years E[e^-X] is so large that the plain figure, a difference with it, has lost that much
        np.testing.assert_allclose(es, exposure.expected_shortfall(law, level), rtol=1e-6)
        assert (es > exposure.var(law, level)).all()


@pytest.mark.parametrize("law", [v for v in LAWS.values() if isinstance(v, FourierLaw)][:3])
def test_checked_cdf_by_two_windows_and_gil_pelaez(law):
    p = np.array([1e-4, 0.01, 0.5, 0.99, 1 - 1e-4])
    np.testing.assert_allclose(law.checked_cdf(law.quantile(p)), p, rtol=1e-9)


def test_tails_keep_their_digits_on_both_sides():
    law = MertonLaw(0.0, 0.6, (NormalJump(30.0, -0.02, 0.06),), 1.0 / 365.0)
    x = np.array([-0.7, -0.3, 0.4])
    below, above = tails(law, x)
    np.testing.assert_allclose(below, law.cdf(x), rtol=1e-11)
    np.testing.assert_allclose(above, law.survival(x), rtol=1e-11)


@dataclass(frozen=True)
class Wrong(MertonLaw):
    """Says one thing by its mixture and, a thousandth off in its intensity, another by its exponent."""

    def exponent(self, s):
        wrong = tuple(replace(j, intensity=1.001 * j.intensity) for j in self.jumps)
        return MertonLaw(self.drift, self.sigma, wrong, self.horizon).exponent(s)


def test_routes_that_differ_are_an_error_that_names_the_place():
    law = Wrong(0.0, 0.6, (NormalJump(30.0, -0.02, 0.06),), 1.0 / 365.0)
    with pytest.raises(RunError, match=r"P\(X <= x\) at -0\.1.* must agree to .* by two routes, got"):
        checked_quantile(law, 0.01)
    with pytest.raises(RunError, match="by two routes"):
        checked_expected_shortfall(law, UnitExposure(), 0.99)


def test_law_that_double_precision_cannot_settle_fails_with_a_reason():
    # jumps ten thousand times as wide as the diffusion
    law = KouStub(0.0, 0.001, 0.1, 0.4, 10.0, 5.0, HOUR)
    with pytest.raises(RunError, match="must fall below 1e-14 within 2097152 terms"):
        checked_quantile(law, 1e-4)
    # a thousand times: the terms suffice, but the phase of the last ones has lost its digits
    law = replace(law, sigma=0.02)
    assert checked_quantile(law, 1e-4) < 0
    with pytest.raises(RunError, match="expected shortfall beyond x at .* must agree to"):
        checked_expected_shortfall(law, UnitExposure(), 1 - 1e-4)
