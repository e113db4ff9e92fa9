"""Laws by Fourier inversion over wide ranges of parameters: two routes, table and moments agree for every one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.law.jump import NormalJump
from riskengine.law.kou import DoubleExponentialJump, KouLaw
from riskengine.law.lanes import StatelessLanes
from riskengine.law.regime_switching import RegimeSwitchingLaw

SETTINGS = settings(max_examples=15, deadline=None, derandomize=True)
P = np.array([1e-4, 0.01, 0.3, 0.9, 0.999])


def logs(low, high):
    return st.floats(np.log(low), np.log(high)).map(np.exp)


def check_routes(law):
    """`checked_cdf` raises where cosine series and Gil-Pelaez part."""
    x = law.quantile(P)
    np.testing.assert_allclose(law.checked_cdf(x), P, rtol=1e-8)
    np.testing.assert_allclose(StatelessLanes(law).cdf(x, np.zeros(P.size)), P, atol=3e-12)
    # E[e^X] by the tilted series and by the exponent
    assert abs(float(law.lower_expectation(40.0)) / law.expectation() - 1.0) < 1e-11


@SETTINGS
@given(
    logs(1 / 365, 1.0),
    logs(0.1, 2.0),
    st.lists(
        st.builds(DoubleExponentialJump, logs(0.1, 2e3), st.floats(0.0, 1.0), logs(3.0, 300.0), logs(2.0, 300.0)),
        max_size=2,
    ),
)
def test_kou(horizon, sigma, jumps):
    check_routes(KouLaw(0.1, float(sigma), tuple(jumps), float(horizon)))


@st.composite
def chains(draw):
    count = draw(st.integers(1, 4))
    rate = draw(st.lists(st.just(0.0) | logs(0.1, 3e3), min_size=count * count, max_size=count * count))
    rates = np.array(rate).reshape(count, count)
    np.fill_diagonal(rates, 0.0)
    np.fill_diagonal(rates, -rates.sum(axis=1))

    def vector(values):
        return tuple(float(v) for v in draw(st.lists(values, min_size=count, max_size=count)))

    weight = np.array(vector(st.floats(0.01, 1.0)))
    jumps = draw(
        st.lists(st.builds(NormalJump, logs(0.1, 2e3), st.floats(-0.05, 0.05), st.floats(0.0, 0.1)), max_size=2)
    )
    return RegimeSwitchingLaw(
        vector(st.floats(-1.0, 1.0)), vector(logs(0.15, 2.0)), tuple(map(tuple, rates.tolist())),
        tuple((weight / weight.sum()).tolist()), float(draw(logs(1 / 365, 0.5))), tuple(jumps), vector(st.floats(0, 4)),
    )  # fmt: skip


@SETTINGS
@given(chains())
def test_regime_switching(law):
    check_routes(law)
