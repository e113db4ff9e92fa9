"""Fixed-point integers as the contracts hold them: WAD 10**18, RAY 10**27, RAD 10**45, percentages in basis points.

The rounding direction is part of every name: ``_floor``, ``_ceil``, ``_half_up``.  Python integers do not overflow, so
these functions equal the contracts' wherever the contracts do not revert.  Arguments are non-negative unless said:
`check_integers` is how calculators refuse others, since division of a negative number has another meaning here.
"""

WAD = 10**18
RAY = 10**27
RAD = 10**45
BPS = 10_000
SECONDS_PER_YEAR = 31_536_000
# what a contract's unsigned integers stay below
WORD = 2**256


def check_integers(least: int = 0, most: int | None = None, **values: int) -> None:
    """Raise ValueError unless all `values` lie in [least, most]; all that do not are named."""
    faults = [f"{name} must be at least {least}, got {v}" for name, v in values.items() if v < least]
    if most is not None:
        faults += [f"{name} must be at most {most}, got {v}" for name, v in values.items() if v > most]
    if faults:
        raise ValueError("; ".join(faults))


def mul_div_floor(a: int, b: int, c: int) -> int:
    """``a * b / c`` rounded down."""
    return a * b // c


def mul_div_ceil(a: int, b: int, c: int) -> int:
    """``a * b / c`` rounded up."""
    return -(-a * b // c)


def mul_div_half_up(a: int, b: int, c: int) -> int:
    """``a * b / c`` rounded to nearest, halves up."""
    return (a * b + c // 2) // c


def percent_mul_half_up(value: int, bps: int) -> int:
    """`value` times `bps` / 10,000, halves up (Aave's ``percentMul``)."""
    return mul_div_half_up(value, bps, BPS)


def percent_mul_floor(value: int, bps: int) -> int:
    """`value` times `bps` / 10,000, rounded down."""
    return mul_div_floor(value, bps, BPS)


def percent_mul_ceil(value: int, bps: int) -> int:
    """`value` times `bps` / 10,000, rounded up."""
    return mul_div_ceil(value, bps, BPS)


def percent_div_half_up(value: int, bps: int) -> int:
    """`value` divided by `bps` / 10,000, halves up (Aave's ``percentDiv``)."""
    return mul_div_half_up(value, BPS, bps)


def percent_div_floor(value: int, bps: int) -> int:
    """`value` divided by `bps` / 10,000, rounded down."""
    return mul_div_floor(value, BPS, bps)


def percent_div_ceil(value: int, bps: int) -> int:
    """`value` divided by `bps` / 10,000, rounded up."""
    return mul_div_ceil(value, BPS, bps)


def wad_mul_floor(a: int, b: int) -> int:
    """Product of two WADs, rounded down."""
    return mul_div_floor(a, b, WAD)


def wad_mul_ceil(a: int, b: int) -> int:
    """Product of two WADs, rounded up."""
    return mul_div_ceil(a, b, WAD)


def wad_div_floor(a: int, b: int) -> int:
    """Quotient of two WADs, rounded down."""
    return mul_div_floor(a, WAD, b)


def wad_div_ceil(a: int, b: int) -> int:
    """Quotient of two WADs, rounded up."""
    return mul_div_ceil(a, WAD, b)


def wad_div_half_up(a: int, b: int) -> int:
    """Quotient of two WADs, halves up (Aave's ``wadDiv``)."""
    return mul_div_half_up(a, WAD, b)


def ray_mul_half_up(a: int, b: int) -> int:
    """Product of two RAYs, halves up (Aave's ``rayMul``)."""
    return mul_div_half_up(a, b, RAY)


def ray_mul_floor(a: int, b: int) -> int:
    """Product of two RAYs, rounded down (Maker's ``rmul``)."""
    return mul_div_floor(a, b, RAY)


def ray_div_half_up(a: int, b: int) -> int:
    """Quotient of two RAYs, halves up (Aave's ``rayDiv``)."""
    return mul_div_half_up(a, RAY, b)


def div_to_zero(a: int, b: int) -> int:
    """Quotient of two signed integers, rounded towards zero as the EVM does (Python rounds down)."""
    quotient = abs(a) // abs(b)
    return quotient if (a >= 0) == (b >= 0) else -quotient


def linear_interest(rate_ray: int, seconds: int) -> int:
    """Factor 1 + rate * time, in RAY (Aave's supply index over one interval).

    Parameters
    ----------
    rate_ray : int
        Rate per year, RAY.
    seconds : int
        Length of the interval.
    """
    check_integers(rate=rate_ray, seconds=seconds)
    return RAY + rate_ray * seconds // SECONDS_PER_YEAR


def compounded_interest(rate_ray: int, seconds: int) -> int:
    """Factor 1 + x + x**2 / 2 + x**3 / 6 with x = rate * time, in RAY (Aave v3's borrow index over one interval)."""
    check_integers(rate=rate_ray, seconds=seconds)
    x = rate_ray * seconds // SECONDS_PER_YEAR
    return RAY + x + ray_mul_half_up(x, x // 2 + ray_mul_half_up(x, x // 6))


def ray_power(base: int, exponent: int) -> int:
    """`base` (RAY) to a whole power by repeated squaring, each product rounded half up (Maker's ``rpow``).

    ValueError for a negative argument and, as the contract reverts, where the power leaves 256 bits.
    """
    check_integers(base=base, exponent=exponent)
    result = base if exponent % 2 else RAY
    exponent //= 2
    while exponent:
        base = ray_mul_half_up(base, base)
        if exponent % 2:
            result = ray_mul_half_up(result, base)
        if max(base, result) >= WORD:
            raise ValueError(f"powers must stay below 2^256, got {base:.3g} before an exponent of {exponent}")
        exponent //= 2
    return result
