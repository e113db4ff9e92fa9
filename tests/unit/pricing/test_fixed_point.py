"""Integer arithmetic: each rounding direction, and the figures the contracts' own tests assert."""

import pytest

from riskengine.pricing import fixed_point as fp


def test_rounding_directions():
    assert [f(7, 1, 2) for f in (fp.mul_div_floor, fp.mul_div_half_up, fp.mul_div_ceil)] == [3, 4, 4]
    assert [f(5, 1, 4) for f in (fp.mul_div_floor, fp.mul_div_half_up, fp.mul_div_ceil)] == [1, 1, 2]
    assert [f(8, 1, 4) for f in (fp.mul_div_floor, fp.mul_div_half_up, fp.mul_div_ceil)] == [2, 2, 2]
    assert [fp.div_to_zero(a, b) for a, b in ((7, 2), (-7, 2), (7, -2), (-7, -2))] == [3, -3, -3, 3]


@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        # A1-A3 and A14 of the Aave suite: MathUtils.t.sol, PercentageMath.t.sol
        (fp.linear_interest, (8 * 10**25, 7 * fp.SECONDS_PER_YEAR), 156 * 10**25),
        (
            fp.compounded_interest,
            (1000 * fp.RAY, 10_000 * fp.SECONDS_PER_YEAR),
            166666716666676666667666666666666600000000000000,
        ),
        (fp.percent_mul_half_up, (142515 * 10**14, 7442), 10605966300000000000),
        (fp.percent_div_half_up, (142515 * 10**14, 7442), 19150094060736361193),
        (fp.compounded_interest, (10**26, 30 * 86_400), 1008253048067308112498939635),
        # one below, at, and above a half
        (fp.percent_mul_half_up, (1, 4999), 0),
        (fp.percent_mul_half_up, (1, 5000), 1),
        (fp.percent_mul_floor, (1, 9999), 0),
        (fp.percent_mul_ceil, (1, 1), 1),
        (fp.percent_div_floor, (10, 30_000), 3),
        (fp.percent_div_ceil, (10, 30_000), 4),
        (fp.ray_mul_half_up, (fp.RAY // 2, 1), 1),
        (fp.ray_mul_floor, (fp.RAY // 2, 1), 0),
        (fp.ray_div_half_up, (2, 3 * fp.RAY), 1),
        (fp.wad_div_half_up, (2, 3 * fp.WAD), 1),
        (fp.wad_div_floor, (2, 3 * fp.WAD), 0),
        (fp.wad_div_ceil, (1, 3 * fp.WAD), 1),
        (fp.wad_mul_floor, (1, fp.WAD - 1), 0),
        (fp.wad_mul_ceil, (1, 1), 1),
    ],
)
def test_exact_value(call, arguments, expected):
    assert call(*arguments) == expected


def test_powers():
    assert fp.ray_power(2 * fp.RAY, 10) == 1024 * fp.RAY
    assert fp.ray_power(fp.RAY // 2, 0) == fp.RAY
    assert fp.ray_power(3 * fp.RAY, 1) == 3 * fp.RAY
