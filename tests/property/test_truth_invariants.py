"""Whatever the law: two routes agree or the call says why, and probabilities behave as probabilities."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.errors import RunError
from riskengine.law import contour
from riskengine.law.bates import BatesLaw
from riskengine.law.checked import checked_expected_shortfall, checked_quantile
from riskengine.law.exposure import UnitExposure
from riskengine.law.first_passage import KouPassage, gbm_passage
from riskengine.law.jump import NormalJump
from riskengine.law.merton import MertonLaw
from riskengine.law.options import OptionDesk

HORIZON = st.floats(np.log(1 / 8760), np.log(10.0)).map(lambda y: float(np.exp(y)))
TAIL = st.floats(np.log(1e-4), np.log(0.5)).map(lambda y: float(np.exp(y)))
# above some hundred jumps the mixture itself errs by 1e-13: Poisson weights by logarithms of factorials
JUMP = st.builds(NormalJump, st.floats(0.0, 30.0), st.floats(-0.2, 0.2), st.floats(0.0, 0.2))


@given(st.floats(0.05, 2.0), st.floats(-1.0, 1.0), JUMP, HORIZON, TAIL)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_contour_is_the_mixture(sigma, drift, jump, horizon, p):
    law = MertonLaw(drift, sigma, (jump,), horizon)
    x = law.quantile(p)
    np.testing.assert_allclose(contour.lower_tail(law, x), p, rtol=1e-9)
    np.testing.assert_allclose(contour.upper_tail(law, law.quantile(1 - p)), p, rtol=1e-9)


@given(
    st.floats(0.2, 20.0), st.floats(0.01, 2.0), st.floats(0.1, 4.0), st.floats(-0.95, 0.95), st.floats(0.0, 2.0), JUMP,
    st.floats(np.log(1 / 365), np.log(10.0)).map(lambda y: float(np.exp(y))), TAIL,
    st.sampled_from(["long", "short"]), st.sampled_from(["linear", "inverse"]),
)  # fmt: skip
@settings(max_examples=25, deadline=None, derandomize=True)
def test_bates_shortfall_agrees_or_says_why(kappa, theta, xi, rho, variance, jump, horizon, tail, side, contract):
    law, unit = BatesLaw(0.0, kappa, theta, xi, rho, (jump,), horizon, variance), UnitExposure(side, contract)
    try:
        es = float(checked_expected_shortfall(law, unit, 1 - tail))
    except RunError as trouble:
        assert "must" in str(trouble) and "got" in str(trouble)
        return
    var = float(unit.loss(checked_quantile(law, tail if side == "long" else 1 - tail)))
    assert es >= var


@given(st.floats(0.05, 2.0), JUMP, HORIZON, st.floats(-3.0, 3.0))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_option_prices_lie_within_their_bounds(sigma, jump, horizon, moneyness):
    law = MertonLaw(0.02, sigma, (jump,), horizon)
    desk = OptionDesk(law, 100.0, 0.97)
    strike = 100.0 * np.exp(moneyness * min(law.scale, 2.0))
    try:
        call, put = desk.price(strike, [1, -1])
    except RunError as trouble:
        # hundreds of jumps: the mixture leaves out counts of 1e-22 that e^X makes 1e-9 of
        assert jump.intensity * horizon > 100 and "must agree to" in str(trouble)
        return
    assert max(0.0, 0.97 * (desk.forward - strike)) <= call * (1 + 1e-12) + 1e-12
    assert call <= 0.97 * desk.forward * (1 + 1e-12) and 0 <= put <= 0.97 * strike * (1 + 1e-12)
    assert abs(call - put - 0.97 * (desk.forward - strike)) <= 1e-9 * 100.0 * max(1.0, strike / 100.0)


@given(
    st.floats(-0.5, 0.5), st.floats(0.3, 1.5), st.floats(0.0, 60.0), st.floats(0.0, 1.0), st.floats(5.0, 50.0),
    st.floats(5.0, 50.0), st.floats(0.4, 2.5), st.floats(0.005, 2.0),
)  # fmt: skip
@settings(max_examples=40, deadline=None, derandomize=True)
def test_first_passage_grows_with_time_and_falls_with_distance(drift, sigma, rate, p, up, down, barrier, horizon):
    law = KouPassage(drift, sigma, rate, p, up, down)
    try:
        near = law.probability(barrier, horizon)
        later, farther = law.probability(barrier, 1.5 * horizon), law.probability(barrier**1.2, horizon)
    except RunError as trouble:
        assert "must agree to 1e-09 by two inversions" in str(trouble)
        return
    assert 0 <= farther <= near + 1e-9 <= later + 2e-9 <= 1 + 2e-9
    if rate == 0:
        assert near == float(gbm_passage(barrier, drift, sigma, horizon))
