"""Largest errors of `riskengine.pricing.fixed_functions` over random arguments, against 90 digits.

    python benchmarks/fixed_point_errors.py

Needs mpmath.  The first table of docs/methods/margin/black_scholes.md on integers.
"""

from math import isqrt
from random import Random

from mpmath import exp, log, mp, mpf, ncdf, nstr

from riskengine.pricing.fixed_functions import (
    LARGEST_EXPONENT,
    Machine,
    exp_floor,
    ln_floor,
    normal_cdf,
    sqrt_floor,
)
from riskengine.pricing.fixed_point import WAD

ARGUMENTS = 20_000


def main() -> None:
    """Print one line a function."""
    mp.dps = 90
    random, one = Random(2), mpf(WAD)
    low = high = logarithm = normal = mpf(0)
    roots = True
    edge = 207 * WAD // 10  # e^20.7 is 1e9
    for _ in range(ARGUMENTS):
        x = random.randint(-42 * WAD, edge)
        low = max(low, abs(exp_floor(Machine(), x) - exp(mpf(x) / one) * one))
        x = random.randint(edge, LARGEST_EXPONENT)
        true = exp(mpf(x) / one) * one
        high = max(high, abs(exp_floor(Machine(), x) - true) / true)
        x = random.randint(1, 10 ** random.randint(1, 58))
        logarithm = max(logarithm, abs(ln_floor(Machine(), x) - log(mpf(x) / one) * one))
        roots = roots and sqrt_floor(Machine(), x) == isqrt(x * WAD)
        x = random.randint(-9 * WAD, 9 * WAD)
        normal = max(normal, abs(normal_cdf(Machine(), x) - ncdf(mpf(x) / one) * one))
    print(f"exp up to 1e9     {nstr(low, 5)} units of 1e-18")
    print(f"exp above         {nstr(high, 3)} of the value")
    print(f"ln                {nstr(logarithm, 5)} units")
    print(f"square root       {'exact' if roots else 'WRONG'}")
    print(f"normal cdf        {nstr(normal, 5)} units")


if __name__ == "__main__":
    main()
