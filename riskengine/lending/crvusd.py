"""crvUSD: where a loan's collateral lies in the bands of LLAMMA, what it turns into, and the loan's health; integers.

A loan's collateral y is spread evenly over N bands of a grid of oracle prices, each (A - 1) / A of the one above:

    p_up(n) = base ((A - 1) / A)^n,      p_down(n) = p_up(n + 1)

In a band the market maker holds (f + x)(g + y) = p_o A^2 y0^2 with f = A y0 p_o^2 / p_up and g = (A - 1) y0 p_up / p_o,
x in crvUSD, y0 the positive root of p_o A y0^2 - (p_up / p_o (A - 1) x + p_o^2 / p_up A y) y0 - x y = 0.  Its price
(f + x) / (g + y) moves with the cube of the oracle's, so arbitrage sells collateral as the oracle falls through a band
and buys it back as it rises: soft liquidation.  Sold without loss on the way down, a band brings y sqrt(p_up p_down).

    health = x_down (1 - liquidation discount) / debt - 1;  a loan may be closed by anyone where it is negative

x_down is all crvUSD that the bands end with if the price falls slowly from where it is.  With `full`, what collateral
above the first band is worth beyond that band's price is added while the price is above it.

Prices and amounts have 18 decimals, rounded as the contract does.

References: crvUSD paper (M. Egorov, 2022); curvefi/curve-stablecoin ``AMM.vy``, ``Controller.vy`` (behaviour
re-implemented from the published formulas).
"""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, localcontext
from functools import cached_property
from math import isqrt

from riskengine.arrays import check_range
from riskengine.pricing.fixed_point import WAD
from riskengine.pricing.rational_exp import rational_exp

MIN_BANDS, MAX_BANDS = 4, 50
DEAD_SHARES = 1000
_DIGITS = 80


def _ln(value: int) -> int:
    """Natural logarithm of a WAD as a WAD, rounded down; the contract's is within a few units of it."""
    with localcontext() as context:
        context.prec = _DIGITS
        return int(((Decimal(value) / WAD).ln() * WAD).to_integral_value(ROUND_FLOOR))


@dataclass(frozen=True)
class Llamma:
    """A market's grid of bands and its two discounts.

    Attributes
    ----------
    base_price : int
        Upper oracle price of band 0, WAD.
    amplification : int
        A: a band is 1 / A wide.
    loan_discount, liquidation_discount : int
        WAD; of borrowing, and of health.
    """

    base_price: int
    amplification: int = 100
    loan_discount: int = 9 * WAD // 100
    liquidation_discount: int = 6 * WAD // 100

    def __post_init__(self) -> None:
        check_range("base_price", self.base_price, 1, 10**40)
        check_range("amplification", self.amplification, 2, 10_000)
        check_range("loan_discount", self.loan_discount, 0, WAD - 1)
        check_range("liquidation_discount", self.liquidation_discount, 0, self.loan_discount)

    @cached_property
    def log_ratio(self) -> int:
        """ln(A / (A - 1)), WAD."""
        return _ln(self.amplification * WAD // (self.amplification - 1))

    @cached_property
    def root_ratio(self) -> int:
        """sqrt(A / (A - 1)), WAD."""
        return isqrt(10**36 * self.amplification // (self.amplification - 1))

    def upper_price(self, band: int) -> int:
        """Highest oracle price of `band`; the lowest is that of the next one."""
        return self.base_price * rational_exp(-band * self.log_ratio) // WAD

    def effective_collateral(self, collateral: int, bands: int, discount: int) -> int:
        """What `collateral` brings, per unit of the first band's price, sold slowly through all `bands`; discounted."""
        check_range("bands", bands, MIN_BANDS, MAX_BANDS)
        dust = DEAD_SHARES * WAD // max(collateral // bands, DEAD_SHARES)
        part = collateral * (WAD - min(discount + dust, WAD)) // (self.root_ratio * bands)
        total = part
        for _ in range(bands - 1):
            part = part * (self.amplification - 1) // self.amplification
            total += part
        return total

    def first_band(self, collateral: int, debt: int, bands: int, price: int, active: int = 0) -> int:
        """Uppermost band of a loan: the lowest prices that still support its debt.

        Parameters
        ----------
        collateral, debt : int
        bands : int
            How many the collateral is spread over.
        price : int
            Of the oracle.
        active : int
            Band in which the market stands; those up to it are taken to be empty.

        Raises
        ------
        ValueError
            Where the debt is more than that collateral supports at that price.
        """
        if debt <= 0:
            raise ValueError(f"debt must be above 0, got {debt}")
        effective = self.effective_collateral(collateral, bands, self.loan_discount)
        ratio = effective * self.upper_price(active) // (debt + 1)
        if ratio <= 0:
            raise ValueError(f"collateral must be worth something against the debt, got {collateral} against {debt}")
        band = min(_ln(ratio) // self.log_ratio, 1024 - bands) + active
        if self.upper_price(band) >= price:
            raise ValueError(
                f"debt must be supported by the collateral at price {price / WAD:g}, got a first band whose price is "
                f"{self.upper_price(band) / WAD:g}"
            )
        return band


@dataclass(frozen=True)
class Bands:
    """A loan's coins, band by band.

    Attributes
    ----------
    first : int
        Uppermost band.
    stable, collateral : tuple of int
        x and y of each band, from `first` on.
    """

    first: int
    stable: tuple[int, ...]
    collateral: tuple[int, ...]


def deposit(collateral: int, first: int, bands: int) -> Bands:
    """`collateral` spread evenly; the first band takes what does not divide."""
    each = collateral // bands
    return Bands(first, (0,) * bands, (collateral - each * (bands - 1), *(each,) * (bands - 1)))


def curve(market: Llamma, x: int, y: int, price: int, upper: int) -> tuple[int, int, int]:
    """(f, g, invariant) of a band that holds `x` and `y`, at an oracle `price`; `upper` is the band's upper price."""
    a = market.amplification
    b = (upper * (a - 1) * x // price if x else 0) + (a * price**2 // upper * y // WAD if y else 0)
    if x and y:
        root = isqrt(b**2 + 4 * a * price * y // WAD * x)
        y0 = (b + root) * WAD // (2 * a * price)
    else:
        y0 = b * WAD // (a * price)
    f = a * y0 * price // upper * price // WAD
    g = (a - 1) * y0 * upper // price
    return f, g, (f + x) * (g + y)


def converted(market: Llamma, x: int, y: int, price: int, upper: int) -> tuple[int, int]:
    """(x, y) of a band after arbitrage has brought its price to the oracle's, without a fee."""
    if not (x or y):
        return 0, 0
    lower = upper * (market.amplification - 1) // market.amplification
    f, g, product = curve(market, x, y, price, upper)
    if price > upper:
        return 0, max(product // f, g) - g
    if price < lower:
        return max(product // g, f) - f, 0
    new_y = max(isqrt(product * WAD // price), g) - g
    return max(product // (g + new_y), f) - f, new_y


def soft_liquidated(market: Llamma, bands: Bands, price: int) -> Bands:
    """All bands of a loan after arbitrage at an oracle `price`."""
    pairs = [
        converted(market, x, y, price, upper)
        for x, y, (upper, _) in zip(bands.stable, bands.collateral, _edges(market, bands), strict=True)
    ]
    return Bands(bands.first, tuple(x for x, _ in pairs), tuple(y for _, y in pairs))


def _edges(market: Llamma, bands: Bands) -> list[tuple[int, int]]:
    """(upper, lower) price of every band, each lower one (A - 1) / A of the upper, as the contract walks them."""
    out, upper = [], market.upper_price(bands.first)
    for _ in bands.stable:
        lower = upper * (market.amplification - 1) // market.amplification
        out.append((upper, lower))
        upper = lower
    return out


def stable_down(market: Llamma, bands: Bands, price: int) -> int:
    """x_down: crvUSD that all bands end with if the oracle falls slowly from `price`."""
    a, total = market.amplification, 0
    for x, y, (upper, lower) in zip(bands.stable, bands.collateral, _edges(market, bands), strict=True):
        if not (x or y):
            continue
        if not (x and y) and (price > upper or price < lower):
            # one coin only, outside its band: traded at the middle of the band's prices at this oracle price
            middle = price**2 // lower * price // lower * (a - 1) // a
            if price > upper:
                total += (y or x * WAD // middle) * upper // market.root_ratio
            else:
                total += x or y * middle // WAD
            continue
        new_x, new_y = converted(market, x, y, price, upper)
        if price > upper:
            total += new_y * upper // market.root_ratio
        elif price < lower:
            total += new_x
        else:
            total += new_x + new_y * isqrt(lower * price) // WAD
    return total


def loan(market: Llamma, collateral: int, debt: int, bands: int, price: int) -> Bands:
    """A new loan's coins at an oracle `price` in an otherwise empty market; errors as `Llamma.first_band`."""
    return deposit(collateral, market.first_band(collateral, debt, bands, price), bands)


def health(market: Llamma, bands: Bands, debt: int, price: int, full: bool = False) -> int:
    """Health of a loan, WAD; below 0 anyone may close it.

    With `full` collateral that lies untouched below the price counts at the price, less what the first band's price
    makes of it already.
    """
    if debt <= 0:
        raise ValueError(f"debt must be above 0, got {debt}")
    found = stable_down(market, bands, price) * (WAD - market.liquidation_discount) // debt - WAD
    top = market.upper_price(bands.first)
    if full and price > top:
        found += (price - top) * sum(bands.collateral) // debt
    return found
