"""Where utilisation settles when a rate curve changes and borrowers and suppliers answer with constant elasticities.

With r(u) and s(u) what borrowers pay and suppliers earn, and today's market at u0 with r0, s0:

    debt     D = D0 (r / r0)^-e_b        supply   S = S0 (s / s0)^e_s        u = D / S

so u solves  u (r(u) / r0)^e_b (s(u) / s0)^e_s = u0, of which the left side rises with u: the root is unique.  Where
even u = 1 is below, everything is lent out.
"""

from functools import lru_cache

from riskengine.arrays import check_range
from riskengine.rates.two_slope import TwoSlope


@lru_cache(maxsize=4096)
def settled(now: TwoSlope, new: TwoSlope, utilisation: float, borrower: float, supplier: float) -> tuple[float, float]:
    """(utilisation, debt as a multiple of today's) under the curve `new`.

    Parameters
    ----------
    now, new : TwoSlope
    utilisation : float
        Today, under `now`.
    borrower, supplier : float
        Elasticities, at least 0.

    Raises
    ------
    ValueError
        Where an elasticity is asked of a rate that is 0 today.
    """
    check_range("borrower_elasticity", borrower, 0.0, 10.0)
    check_range("supplier_elasticity", supplier, 0.0, 10.0)
    paid, earned = float(now.borrow_rate(utilisation)), float(now.supply_rate(utilisation))
    if borrower and paid <= 0.0 or supplier and earned <= 0.0:
        raise ValueError(f"rates must be above 0 today where an elasticity is, got {paid:g} paid and {earned:g} earned")

    def side(u: float) -> float:
        r, s = float(new.borrow_rate(u)), float(new.supply_rate(u))
        return u * (r / paid if borrower else 1.0) ** borrower * (s / earned if supplier else 1.0) ** supplier

    low, high = 0.0, 1.0
    if side(high) > utilisation:
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if side(middle) < utilisation else (low, middle)
    u = utilisation if new == now or not (borrower or supplier) else high
    return u, (float(new.borrow_rate(u)) / paid) ** -borrower if borrower else 1.0
