"""exp in 18 decimals by R. Bloemen's rational approximation, as crvUSD's contracts carry it; exact integers."""

from riskengine.pricing.fixed_point import WAD, div_to_zero

# exp(x) = 2^k p(r) / q(r) with 96 binary digits: R. Bloemen's approximation, as the contract carries it
_LN2 = 54916777467707473351141471128
_NUMERATOR = (
    1346386616545796478920950773328,
    57155421227552351082224309758442,
    94201549194550492254356042504812,
    28719021644029726153956944680412240,
    4385272521454847904659076985693276,
)
_DENOMINATOR = (
    2855989394907223263936484059900,
    50020603652535783019961831881945,
    -533845033583426703283633433725380,
    3604857256930695427073651918091429,
    -14423608567350463180887372962807573,
    26449188498355588339934803723976023,
)
_EXP_SCALE = 3822833074963236453042738258902158003155416615667


def rational_exp(power: int) -> int:
    """exp of a WAD as a WAD, by the contract's rational approximation on [-ln 2, ln 2]: within 5e-12 of exp."""
    x = div_to_zero(power << 96, WAD)
    # halves and negative powers are cut towards zero, so what is left may be as large as ln 2 and the error with it
    twos = div_to_zero(div_to_zero(x << 96, _LN2) + (1 << 95), 1 << 96)
    x -= twos * _LN2
    y = div_to_zero((x + _NUMERATOR[0]) * x, 1 << 96) + _NUMERATOR[1]
    top = div_to_zero((y + x - _NUMERATOR[2]) * y, 1 << 96) + _NUMERATOR[3]
    top = top * x + (_NUMERATOR[4] << 96)
    bottom = x - _DENOMINATOR[0]
    for term in _DENOMINATOR[1:]:
        bottom = div_to_zero(bottom * x, 1 << 96) + term
    value = div_to_zero(top, bottom) * _EXP_SCALE
    return value << twos - 195 if twos >= 195 else value >> 195 - twos
