"""Integer exp, ln, square root, normal cdf and Black-76: against 60 digits, the reference's cases, and overflow."""

import importlib.util
import json
from decimal import Decimal
from math import isqrt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import exp, log, mp, mpf, ncdf

from riskengine.pricing import fixed_functions
from riskengine.pricing.black import black76
from riskengine.pricing.fixed_black import (
    FUNCTIONS,
    Prices,
    black76_truth,
    black76_wad,
    normal_cdf_truth,
    operations,
)
from riskengine.pricing.fixed_functions import (
    LARGEST_EXPONENT,
    Machine,
    Revert,
    exp_floor,
    ln_floor,
    normal_cdf,
    sqrt_floor,
)
from riskengine.pricing.fixed_point import WAD

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def digits():
    with mp.workdps(60):
        yield


@given(st.integers(-50 * WAD, LARGEST_EXPONENT))
def test_exp_is_rounded_down(x):
    with mp.workdps(90):
        found, true = exp_floor(Machine(), x), exp(mpf(x) / WAD) * WAD
        slack = 1e-26 * true
        assert -1 - slack <= found - true <= slack


@given(st.integers(1, 10**58))
def test_ln_is_rounded_down(x):
    with mp.workdps(90):
        gap = ln_floor(Machine(), x) - log(mpf(x) / WAD) * WAD
        assert -1 - 1e-6 < gap < 1e-6


@given(st.integers(-10 * WAD, 10 * WAD))
def test_normal_cdf_is_rounded_to_nearest_and_its_tails_add_up(x):
    found = normal_cdf(Machine(), x)
    with mp.workdps(60):
        assert abs(found - ncdf(mpf(x) / WAD) * WAD) < 0.51
    assert found + normal_cdf(Machine(), -x) == WAD


@given(st.integers(0, 10**58))
def test_sqrt_is_the_whole_root(x):
    assert sqrt_floor(Machine(), x) == isqrt(x * WAD)


def test_values_that_are_known():
    assert exp_floor(Machine(), 0) == WAD and ln_floor(Machine(), WAD) == 0
    assert exp_floor(Machine(), WAD) == 2_718281828459045235
    assert exp_floor(Machine(), -42 * WAD) == 0 == exp_floor(Machine(), -(10**40))
    assert ln_floor(Machine(), 2 * WAD) == 693147180559945309
    assert ln_floor(Machine(), 1) == -41_446531673892822313  # -18 ln 10, down
    assert normal_cdf(Machine(), 0) == WAD // 2 and normal_cdf(Machine(), 9 * WAD) == WAD
    assert sqrt_floor(Machine(), 2 * WAD) == 1_414213562373095048


def test_reverts_where_the_machine_would():
    assert exp_floor(Machine(), LARGEST_EXPONENT) < 1 << 255
    for call in (
        lambda vm: exp_floor(vm, LARGEST_EXPONENT + 1),
        lambda vm: ln_floor(vm, 0),
        lambda vm: sqrt_floor(vm, -1),
        lambda vm: vm.div(1, 0),
        lambda vm: vm.mul(1 << 200, 1 << 60),
        lambda vm: vm.shift(1, 255),
        lambda vm: black76_wad(vm, 86_400, WAD, 2 * 10**18 * WAD, 1, WAD),  # K / F rounds to nothing
        lambda vm: black76_wad(vm, 86_400, WAD, 10**41 * WAD, 10**41 * WAD, WAD),
    ):
        with pytest.raises(Revert):
            call(Machine())
    assert Machine().div(-7, 2) == -3 and Machine().shift(-7, -1) == -4
    with pytest.raises(ValueError, match="volatility must hold"):
        black76_wad(Machine(), 1, -1, WAD, WAD, WAD)


def test_constants_are_those_of_the_script():
    file = ROOT / "benchmarks" / "fixed_point_coefficients.py"
    spec = importlib.util.spec_from_file_location("fixed_point_coefficients", file)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, value in script.constants().items():
        assert getattr(fixed_functions, name) == value, name


def test_truth_is_the_truth():
    for x in ("-15.9", "-8.3", "-0.001", "0", "3.7", "17"):
        assert abs(mpf(str(normal_cdf_truth(Decimal(x)))) - ncdf(mpf(x))) < mpf(10) ** -50
    call, put = black76_truth(604_800, WAD, 1500 * WAD, 1600 * WAD, 99 * WAD // 100)
    wanted = black76(1500.0, 1600.0, 7 / 365, 1.0, [1, -1], 0.99)
    assert [float(call) / WAD, float(put) / WAD] == pytest.approx(wanted, rel=1e-12)


@settings(max_examples=300)
@given(
    st.integers(1, 10**9),
    st.integers(WAD // 1000, 10 * WAD),
    st.integers(WAD // 10**6, 10**7 * WAD),
    st.floats(-5.0, 5.0),
    st.integers(WAD // 2, WAD),
)
def test_black_76_is_a_few_units_of_the_forward_from_50_digits(seconds, volatility, forward, k, discount):
    strike = int(forward * 2.0**k) or 1
    found = black76_wad(Machine(), seconds, volatility, forward, strike, discount)
    call, put = black76_truth(seconds, volatility, forward, strike, discount)
    # units of the last place of what is multiplied last; the put multiplies F D, known to a unit, by up to K / F
    unit = 12 * max(forward, strike) // WAD + 3 * (1 + strike // forward)
    # tau is known to 1e-18 years, v to sigma / (2 sqrt(tau)) times that, and the price to 0.4 F times that
    unit += 0.4 * forward / WAD * (1 + volatility / WAD * (1 + 0.5 / (seconds / 31_536_000) ** 0.5))
    assert abs(found.call - call) <= unit and abs(found.put - put) <= unit


def test_limits():
    for seconds, volatility, forward, strike, wanted in (
        (86_400, WAD, 1500 * WAD, 0, Prices(1485 * WAD, 0)),
        (86_400, WAD, 0, 1500 * WAD, Prices(0, 1485 * WAD)),
        (86_400, 500 * WAD, 1500 * WAD, 100 * WAD, Prices(1485 * WAD, 99 * WAD)),
        (0, WAD, 1500 * WAD, 1600 * WAD, Prices(0, 99 * WAD)),
        (86_400, 0, 1500 * WAD, 1400 * WAD, Prices(99 * WAD, 0)),
    ):
        assert black76_wad(Machine(), seconds, volatility, forward, strike, 99 * WAD // 100) == wanted


def test_reference_cases(shared):
    cases = json.loads((shared / "golden" / "margin.json").read_text())["cases"]
    own = [c for c in cases if c["mechanism"] == "black76"]
    assert own
    for case in own:
        i, wanted = case["inputs"], case["expected"]
        wad = [round(Decimal(str(i[name])) * WAD) for name in ("volatility", "forward", "strike", "discount")]
        found = black76_wad(Machine(), i["seconds_to_expiry"], *wad)
        for side in ("call", "put"):
            # the contract's own test asks 1e-12; the figure of the case has 13 to 16 digits
            assert getattr(found, side) / WAD == pytest.approx(wanted[side], abs=1e-12, rel=2e-15), case["name"]


def test_operations_are_counted():
    cost = {name: operations(name) for name in FUNCTIONS}
    assert cost["sqrt"]["div"] == 8 and cost["exp"]["div"] == 2 and cost["ln"]["div"] == 1
    vm = Machine()
    black76_wad(vm, 604_800, WAD, 1500 * WAD, 1400 * WAD, WAD)
    assert vm.count["mul"] >= 2 * cost["normal cdf"]["mul"] + cost["ln"]["mul"]
