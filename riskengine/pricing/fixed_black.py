"""Black-76 in 18-decimal integers, as Derive's contract states it, and its truth to 50 digits.

With D = discount, tau = seconds / 31,536,000, v = sigma sqrt(tau) and m = K / F, each rounded towards zero:
    v >= 24:  call = F D, put = K D;       K = 0: (F D, 0);       F = 0: (0, K D);       v = 0: intrinsic,
    d1 = (v^2 / 2 - ln m) / v,   d2 = d1 - v,   c = max(N(d1) - m N(d2), 0),
    call = F D c, at most F D;   put = F D max(c + m - 1, 0), at most K D.
The call reverts where an intermediate leaves 256 bits and where K / F < 1e-18, whose logarithm does not exist.

An error of d1 and d2 alike leaves the price alone to first order (F n(d1) = K n(d2)), so that rounding ln m costs
nothing however small v is.  What costs is time: tau is known to 1e-18 years, and the price to 0.4 F sigma
/ (2 sqrt(tau)) times that: 1e-15 F for 100 % volatility a second before expiry.

`black76_truth` is the same price in decimal arithmetic with 50 digits to spare; it shares nothing with the integers.
"""

from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache

from riskengine.pricing.fixed_functions import Machine, exp_floor, ln_floor, normal_cdf, sqrt_floor
from riskengine.pricing.fixed_point import SECONDS_PER_YEAR, WAD

SATURATED_WAD = 24 * WAD
FUNCTIONS = {
    "exp": (exp_floor, (-20 * WAD, -WAD // 3, 7 * WAD, 130 * WAD)),
    "ln": (ln_floor, (1, WAD // 3, 5 * WAD, 10**40)),
    "sqrt": (sqrt_floor, (1, WAD // 3, 5 * WAD, 10**40)),
    "normal cdf": (normal_cdf, (-8 * WAD, -WAD // 3, WAD, 5 * WAD)),
}


@dataclass(frozen=True)
class Prices:
    """Call and put, WAD per coin."""

    call: int
    put: int


def black76_wad(vm: Machine, seconds: int, volatility: int, forward: int, strike: int, discount: int) -> Prices:
    """Prices of a call and a put.

    Parameters
    ----------
    vm : Machine
    seconds : int
        To expiry, >= 0.
    volatility, forward, strike, discount : int
        WAD, >= 0.

    Raises
    ------
    ValueError
        Where an input is negative: the contract's types do not hold it.
    riskengine.pricing.fixed_functions.Revert
    """
    given = (seconds, volatility, forward, strike, discount)
    for name, value in zip(("seconds", "volatility", "forward", "strike", "discount"), given, strict=True):
        if value < 0:
            raise ValueError(f"{name} must hold a number that is not negative, got {value}")
    most, strike_paid = vm.wad_mul(forward, discount), vm.wad_mul(strike, discount)
    if strike == 0 or forward == 0:
        return Prices(most if strike == 0 else 0, strike_paid if forward == 0 and strike else 0)
    tau = vm.div(vm.mul(seconds, WAD), SECONDS_PER_YEAR)
    v = vm.wad_mul(volatility, sqrt_floor(vm, tau))
    if v >= SATURATED_WAD:
        return Prices(most, strike_paid)
    if v == 0:
        gain = vm.wad_mul(vm.add(forward, -strike), discount)
        return Prices(max(gain, 0), max(-gain, 0))
    m = vm.wad_div(strike, forward)
    half = vm.div(vm.wad_mul(v, v), 2)
    d1 = vm.wad_div(vm.add(half, -ln_floor(vm, m)), v)
    d2 = vm.add(d1, -v)
    call = max(vm.add(normal_cdf(vm, d1), -vm.wad_mul(m, normal_cdf(vm, d2))), 0)
    put = max(vm.add(vm.add(call, m), -WAD), 0)
    return Prices(min(vm.wad_mul(most, call), most), min(vm.wad_mul(most, put), strike_paid))


def operations(name: str) -> dict[str, int]:
    """Most operations of each kind that a call of one of `FUNCTIONS` takes, over arguments of every branch."""
    function, arguments = FUNCTIONS[name]
    counts = []
    for x in arguments:
        vm = Machine()
        function(vm, x)
        counts.append(vm.count)
    return {kind: max(c[kind] for c in counts) for kind in ("mul", "div", "add", "shift")}


def normal_cdf_truth(x: Decimal) -> Decimal:
    """N(x) to about 50 digits after the point: 1/2 + n(x) (x + x^3 / 3 + x^5 / (3 5) + ...)."""
    if abs(x) > 16:  # 1e-57
        return Decimal(int(x > 0))
    with localcontext() as context:
        context.prec = 130  # the series reaches e^{128}
        term, total, n = x, x, 1
        while abs(term) > Decimal(10) ** -70:
            n += 2
            term = term * x * x / n
            total += term
        density = (-x * x / 2).exp() / _root_two_pi()
        return Decimal("0.5") + density * total


@cache
def _root_two_pi() -> Decimal:
    """Square root of 2 pi to 140 digits, by Machin's formula."""

    def arctan_of_inverse(n: int) -> Decimal:
        power, total, k = Decimal(1) / n, Decimal(0), 0
        while abs(power) > Decimal(10) ** -140:
            total += power / (2 * k + 1) * (-1) ** k
            power, k = power / (n * n), k + 1
        return total

    with localcontext() as context:
        context.prec = 150
        return (32 * arctan_of_inverse(5) - 8 * arctan_of_inverse(239)).sqrt()


def black76_truth(seconds: int, volatility: int, forward: int, strike: int, discount: int) -> tuple[Decimal, Decimal]:
    """Call and put in units of 1e-18 by 50-digit arithmetic, arguments as in `black76_wad`, all positive."""
    with localcontext() as context:
        context.prec = 80
        f, k, d = (Decimal(x) for x in (forward, strike, discount))
        v = Decimal(volatility) / WAD * (Decimal(seconds) / SECONDS_PER_YEAR).sqrt()
        d1 = (f / k).ln() / v + v / 2
        d2 = d1 - v
        call = f * normal_cdf_truth(d1) - k * normal_cdf_truth(d2)
        put = k * normal_cdf_truth(-d2) - f * normal_cdf_truth(-d1)
        return call * d / WAD, put * d / WAD
