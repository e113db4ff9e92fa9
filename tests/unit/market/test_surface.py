"""The factor surface: parity of its kernel, the static case, slope of shocks, bounded wings, refused parameters."""

import numpy as np
import pytest

from riskengine.market.surface import FactorSurface

SURFACE = FactorSurface(
    reversion=(22.0, 15.0),
    long_variance=(0.38, 0.65),
    premium=(1.05, 1.1),
    add=(0.07, 0.12),
    skew_short=(-0.065, -0.065),
    skew_long=(-0.078, -0.053),
    curvature_short=(0.064, 0.067),
    curvature_long=(0.06, 0.048),
    skew_state=(-0.053, -0.033),
    smile_tenor=(0.05, 0.16),
    wing=(5.4, 4.6),
)


def formula(s: FactorSurface, a: int, k: float, tau: float, v: float) -> float:
    """The docstring's equations, written out once more with libm."""
    tau = max(tau, 1 / 31_536_000)
    start = s.premium[a] * v + s.add[a]
    x = s.reversion[a] * tau
    long = s.long_variance[a]
    atm = np.sqrt(long + (start - long) * -np.expm1(-x) / x)
    e = np.exp(-tau / s.smile_tenor[a])
    tilt = (start / long - 1) / (start / long + 1)
    skew = s.skew_long[a] + (s.skew_short[a] - s.skew_long[a]) * e + s.skew_state[a] * tilt
    curve = s.curvature_long[a] + (s.curvature_short[a] - s.curvature_long[a]) * e
    t = k / np.sqrt(atm**2 * tau + (k / s.wing[a]) ** 2)
    return atm * (1 + skew * t + curve * t * t)


def volatility(surface, asset, k, tau, v):
    state = np.full((surface.count, 1), v)
    return surface.volatility(np.array([asset]), np.array([k]), np.array([tau]), np.zeros((1, 1)), state)[0, 0]


def test_kernel_agrees_with_the_formula():
    rng = np.random.default_rng(1)
    asset = rng.integers(0, 2, 200)
    strike, tau = rng.normal(0, 0.3, 200), rng.choice([1 / 8760, 1 / 365, 0.1, 1.0, 3.0], 200)
    forward, variance = rng.normal(0, 0.05, (200, 3)), rng.gamma(0.6, 0.5, (2, 3))
    got = SURFACE.volatility(asset, strike, tau, forward, variance)
    for o in range(200):
        for p in range(3):
            expected = formula(SURFACE, asset[o], strike[o] - forward[o, p], tau[o], variance[asset[o], p])
            assert got[o, p] == pytest.approx(expected, rel=1e-11)


def test_at_the_money_is_the_kernel_at_zero_moneyness():
    v = np.array([0.0, 0.1, 2.0])
    for tau in (1e-6, 0.02, 0.5):
        assert SURFACE.atm(1, tau, v) == pytest.approx([volatility(SURFACE, 1, 0.0, tau, x) for x in v], rel=1e-10)


def test_short_tenors_move_more_than_long_ones():
    calm, crash = np.array([0.15]), np.array([1.2])
    rise = [float(SURFACE.atm(0, d / 365, crash)[0] / SURFACE.atm(0, d / 365, calm)[0]) for d in (1, 7, 30, 180, 365)]
    assert all(a > b > 1 for a, b in zip(rise, rise[1:], strict=False))


def test_wings_saturate_and_stay_positive():
    far = [volatility(SURFACE, 0, k, 0.02, 0.2) for k in (-1e6, -50.0, -10.0, 10.0, 50.0, 1e6)]
    # the wing's end is reached like k^-2: from 50 on a twenty-fifth is left of what was missing at 10
    for end, fifty, ten in (far[:3], far[:2:-1]):
        assert abs(end - fifty) < 0.041 * abs(end - ten)
    assert min(far) > 0


def test_zero_tenor_and_zero_state_are_finite():
    for k in (-1.0, 0.0, 1.0):
        value = volatility(SURFACE, 0, k, 0.0, 0.0)
        assert np.isfinite(value) and value > 0


def test_flat_is_exact_and_ignores_the_state():
    flat = FactorSurface.flat((0.55, 0.7))
    got = flat.volatility(
        [0, 1], np.array([-0.4, 0.3]), np.array([0.01, 2.0]), np.zeros((2, 2)), np.full((2, 2), np.nan)
    )
    assert flat.static and not SURFACE.static
    assert got.tolist() == [[0.55, 0.55], [0.7, 0.7]]
    assert flat.atm(1, 0.3, np.array([np.nan])).tolist() == [0.7]


def test_packed_has_a_row_per_asset_in_field_order():
    assert SURFACE.packed.shape == (2, 11)
    assert SURFACE.packed[1, :4].tolist() == [15.0, 0.65, 1.1, 0.12]
    assert SURFACE.packed.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reversion": (0.0, 1.0)}, "reversion must be positive"),
        ({"premium": (-0.1, 1.0)}, "premium must not be negative"),
        ({"wing": (1.0,)}, "wing must have one number per asset"),
        ({"add": (np.nan, 1.0)}, "add must be finite"),
        ({"skew_short": (-0.9, 0.0)}, "keep every volatility positive"),
        ({"curvature_long": (-0.2, 0.0)}, "keep every volatility positive"),
    ],
)
def test_bad_parameters_are_refused(change, message):
    fields = {name: getattr(SURFACE, name) for name in SURFACE.__dataclass_fields__}
    with pytest.raises(ValueError, match=message):
        FactorSurface(**(fields | change))


def test_flat_refuses_zero():
    with pytest.raises(ValueError, match="volatility must be positive"):
        FactorSurface.flat((0.5, 0.0))
