"""Liquidation price of one position of a cross-margined account.

The price P at which equity meets maintenance, other positions held at their marks:

    E + n (P - mark) = mm |n| P + M_other   =>   P = (n mark + M_other - E) / (n - mm |n|).
"""


def cross_margin_liquidation_price(
    equity: float, size: float, mark: float, mm_fraction: float, other_maintenance: float = 0.0
) -> float:
    """Price of one position at which its account is liquidated.

    Parameters
    ----------
    equity : float
        Equity of the whole account at `mark`, USD.
    size : float
        Signed position, not zero.
    mark : float
        Its mark price, USD.
    mm_fraction : float
        Maintenance margin as a fraction of its notional, in [0, 1).
    other_maintenance : float
        Maintenance requirement of every other position, USD.

    Returns
    -------
    float
        USD; not positive where a long account cannot be liquidated by this position.

    Raises
    ------
    ValueError
        Where the size is zero or the fraction is out of range.
    """
    if size == 0:
        raise ValueError("size must not be zero, got 0")
    if not 0 <= mm_fraction < 1:
        raise ValueError(f"mm_fraction must lie in [0, 1), got {mm_fraction!r}")
    return (size * mark + other_maintenance - equity) / (size - mm_fraction * abs(size))
