"""exp, ln, square root and the normal cdf in 18-decimal integers, as a contract on a 256-bit machine would run them.

Numbers are signed WADs (1.0 is 10**18).  Every operation goes through `Machine`, which counts it and reverts where a
result leaves the signed 256-bit range, so that what is measured is what a chain would do and charge.

    exp     e^x = 2^k e^r with |r| <= ln 2 / 2 and e^r = P(r) / P(-r) (Pade 9/9), in 96 binary places; rounded down.
    ln      x = 2^k m with m in [2/3, 4/3) and ln m = 2 atanh((m - 1) / (m + 1)) by its series; rounded down.
    sqrt    Newton's iteration from a power of two, seven times; rounded down.
    N       N(-a) = e^{-a^2 / 2} R(a), a >= 0, with Mills' ratio R by a Chebyshev series in (a - 4) / (a + 4)
            (Shepherd, Laframboise 1981); rounded to nearest, and N(a) = 1 - N(-a) to the last digit.

Errors against 50 digits and counts: docs/methods/margin/black_scholes.md.  Constants: benchmarks/
fixed_point_coefficients.py.
"""

from collections import Counter

from riskengine.pricing.fixed_point import WAD

LIMIT = 1 << 255
ONE = 1 << 96  # the binary scale of the inside
FIVE18 = 5**18

# constants of 96 binary places
LN2 = 54916777467707473351141471128
INVERSE_LN2 = 114302077158074026402637675937
LN_WAD = 3283732547111784853622338894909
ATANH = (
    79228162514264337593543950336,
    26409387504754779197847983445,
    15845632502852867518708790067,
    11318308930609191084791992905,
    8803129168251593065949327815,
    7202560228569485235776722758,
    6094474039558795199503380795,
    5281877500950955839569596689,
    4660480147897902211384938255,
    4169903290224438820712839491,
    3772769643536397028263997635,
    3444702718011492938849736971,
    3169126500570573503741758013,
    2934376389417197688649775938,
    2732005603940149572191170701,
    2555747177879494761082062914,
    2400853409523161745258907586,
)
PADE = (
    79228162514264337593543950336,
    39614081257132168796771975168,
    9320960295795804422769876510,
    1359306709803554811653940324,
    135930670980355481165394032,
    9709333641453962940385288,
    497914545715587843096681,
    17782662346985280110596,
    404151416976938184332,
    4490571299743757604,
)
MILLS = (
    17051204408494148551594245026,
    -17262551385116926914637798069,
    4393284695699328002284506465,
    -803811186717011721500966346,
    97923092098038008826616556,
    -5701666753998837730485417,
    -323472494456461441114596,
    73254641479338390904805,
    692052106459268738845,
    -875015947301423183047,
    -6365903405339001463,
    11854879365270532833,
    391235014071887532,
    -165980401586674910,
    -14289095625485107,
    1921025190112041,
    377826238080327,
    -5204065131182,
    -7411554728524,
    -591179705553,
    85189424990,
    20957439890,
    640304079,
    -361668364,
)
# e^x of more does not fit; from a = 9 the tail is below half a unit
LARGEST_EXPONENT = 135_305_999_368_893_231_589
_FAR = 9 * WAD
_GUARD = 1 << 12


class Revert(ArithmeticError):
    """The machine would abort the call: a result out of range, a division by zero, a logarithm of nothing."""


class Machine:
    """A 256-bit machine that counts: multiplications, divisions, additions, shifts and comparisons.

    Attributes
    ----------
    count : Counter
        Operations so far by kind: ``mul``, ``div``, ``add``, ``shift``.
    """

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()

    def _fits(self, kind: str, value: int) -> int:
        self.count[kind] += 1
        if not -LIMIT <= value < LIMIT:
            raise Revert(f"{kind} leaves 256 bits")
        return value

    def add(self, a: int, b: int) -> int:
        """a + b; a difference is an addition."""
        return self._fits("add", a + b)

    def mul(self, a: int, b: int) -> int:
        """a b."""
        return self._fits("mul", a * b)

    def div(self, a: int, b: int) -> int:
        """a / b towards zero, as the machine's signed division."""
        if b == 0:
            raise Revert("division by zero")
        quotient = abs(a) // abs(b)
        return self._fits("div", quotient if (a < 0) == (b < 0) else -quotient)

    def shift(self, a: int, bits: int) -> int:
        """a 2^bits, rounded down for negative `bits`."""
        return self._fits("shift", a << bits if bits >= 0 else a >> -bits)

    def scaled(self, a: int, b: int) -> int:
        """Product of two numbers of 96 binary places, rounded down."""
        return self.shift(self.mul(a, b), -96)

    def wad_mul(self, a: int, b: int) -> int:
        """Product of two WADs, towards zero."""
        return self.div(self.mul(a, b), WAD)

    def wad_div(self, a: int, b: int) -> int:
        """Quotient of two WADs, towards zero."""
        return self.div(self.mul(a, WAD), b)

    def bit_length(self, a: int) -> int:
        """Bits of a positive number, by halving: eight comparisons with a shift and an addition each."""
        self.count["shift"] += 8
        self.count["add"] += 8
        return a.bit_length()


def _exp_parts(vm: Machine, x: int) -> tuple[int, int]:
    """e^x as (m, k) with e^x = m 2^{k - 96}; `x` has 96 binary places."""
    k = vm.shift(vm.add(vm.mul(x, INVERSE_LN2), 1 << 191), -192)
    r = vm.add(x, -vm.mul(k, LN2))
    square = vm.scaled(r, r)
    even, odd = PADE[8], PADE[9]
    for i in (6, 4, 2, 0):
        even = vm.add(vm.scaled(even, square), PADE[i])
        odd = vm.add(vm.scaled(odd, square), PADE[i + 1])
    odd = vm.scaled(odd, r)
    return vm.div(vm.shift(vm.add(even, odd), 96), vm.add(even, -odd)), k


def exp_floor(vm: Machine, x: int) -> int:
    """e^x of a WAD, rounded down; one unit less at most where the true value is within 1e-26 of itself of a whole one.

    Raises
    ------
    Revert
        Where x > 135.305999368893231589: e^x does not fit.
    """
    if x > LARGEST_EXPONENT:
        raise Revert("exp above 135.3")
    if x < -42 * WAD:
        return 0
    m, k = _exp_parts(vm, vm.div(vm.shift(x, 78), FIVE18))
    return vm.shift(vm.mul(m, WAD), k - 96)


def ln_floor(vm: Machine, x: int) -> int:
    """Natural logarithm of a positive WAD, rounded down; `Revert` where x <= 0."""
    if x <= 0:
        raise Revert("ln of a number that is not positive")
    bits = vm.bit_length(x)
    m = vm.shift(x, 96 - bits)  # in [1/2, 1)
    if 3 * m < 2 * ONE:
        m, bits = vm.shift(m, 1), bits - 1
    y = vm.div(vm.shift(vm.add(m, -ONE), 96), vm.add(m, ONE))
    square = vm.scaled(y, y)
    total = ATANH[-1]
    for c in ATANH[-2::-1]:
        total = vm.add(vm.scaled(total, square), c)
    natural = vm.shift(vm.scaled(total, y), 1)
    # the guard, 5e-26, makes ln 1 what it is in spite of the rounding of the constants
    whole = vm.add(vm.add(natural, vm.mul(bits, LN2)), _GUARD - LN_WAD)
    return vm.shift(vm.mul(whole, WAD), -96)


def sqrt_floor(vm: Machine, x: int) -> int:
    """Square root of a WAD, rounded down; `Revert` where x < 0."""
    if x < 0:
        raise Revert("square root of a negative number")
    if x == 0:
        return 0
    target = vm.mul(x, WAD)
    z = vm.shift(1, (vm.bit_length(target) + 1) // 2)
    for _ in range(7):
        z = vm.shift(vm.add(z, vm.div(target, z)), -1)
    other = vm.div(target, z)
    return min(z, other)


def normal_cdf(vm: Machine, x: int) -> int:
    """N(x) of a WAD, to nearest; N(x) + N(-x) is one WAD."""
    a = abs(x)
    tail = 0
    if a < _FAR:
        # -a^2 / 2 in 96 binary places: a^2 2^95 / 10^36 = a^2 2^59 / 5^36
        m, k = _exp_parts(vm, -vm.div(vm.shift(vm.mul(a, a), 59), FIVE18 * FIVE18))
        # linear in (a - 4) / (a + 4), -1 at a = 0 and 1 at a = 9
        w = vm.div(vm.shift(vm.add(vm.mul(a, 17), -36 * WAD), 96), vm.mul(vm.add(a, 4 * WAD), 9))
        twice = vm.shift(w, 1)
        b1 = b2 = 0
        for c in MILLS[:0:-1]:
            b1, b2 = vm.add(vm.add(vm.scaled(twice, b1), -b2), c), b1
        ratio = vm.add(vm.add(vm.scaled(w, b1), -b2), MILLS[0])
        tail = vm.mul(vm.scaled(m, ratio), WAD)
        tail = vm.shift(vm.add(tail, 1 << (95 - k)), k - 96) if k > -160 else 0
    return vm.add(WAD, -tail) if x > 0 else tail
