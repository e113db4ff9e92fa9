"""Constants of `riskengine.pricing.fixed_functions`, to 96 binary places, from 60 digits.

    python benchmarks/fixed_point_coefficients.py

Needs mpmath.
"""

from math import factorial

from mpmath import cos, erfc, exp, log, mp, mpf, nint, pi, sqrt

mp.dps = 60
ONE = mpf(2) ** 96
CENTRE, TOP, TERMS, ORDER = 4, 9, 24, 9


def mills() -> list[int]:
    """Chebyshev coefficients of Q(a) e^{a^2 / 2} on 0 <= a <= TOP, in w linear in (a - c) / (a + c)."""
    end = mpf(TOP - CENTRE) / (TOP + CENTRE)
    middle, half, nodes = (end - 1) / 2, (end + 1) / 2, 64
    angles = [pi * (j + mpf(1) / 2) / nodes for j in range(nodes)]
    values = []
    for angle in angles:
        t = middle + half * cos(angle)
        a = CENTRE * (1 + t) / (1 - t)
        values.append(exp(a * a / 2) * erfc(a / sqrt(2)) / 2)
    sums = [sum(f * cos(k * b) for f, b in zip(values, angles, strict=True)) / nodes for k in range(TERMS)]
    return [int(nint(ONE * s * (2 if k else 1))) for k, s in enumerate(sums)]


def pade() -> list[int]:
    """Coefficients of P with e^r ~ P(r) / P(-r), order (ORDER, ORDER)."""
    m = ORDER
    terms = [
        mpf(factorial(2 * m - j) * factorial(m)) / (factorial(2 * m) * factorial(j) * factorial(m - j))
        for j in range(m + 1)
    ]
    return [int(nint(ONE * t)) for t in terms]


def constants() -> dict[str, object]:
    """Every constant by the name that it has in the module."""
    return {
        "LN2": int(nint(ONE * log(2))),
        "INVERSE_LN2": int(nint(ONE / log(2))),
        "LN_WAD": int(nint(ONE * log(mpf(10) ** 18))),
        "ATANH": tuple(int(nint(ONE / (2 * i + 1))) for i in range(17)),
        "PADE": tuple(pade()),
        "MILLS": tuple(mills()),
    }


if __name__ == "__main__":
    for name, value in constants().items():
        print(f"{name} = {value}")
