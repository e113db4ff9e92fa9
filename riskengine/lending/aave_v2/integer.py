"""Aave v2 health and liquidation in exact integers.

Balances are raw units, prices in wei of ETH, percentages basis points, health factor WAD.  What differs from v3:

- an account's liquidation threshold is the average over its collateral, **cut to a whole basis point** before it is
  applied, so health may be up to a basis point of collateral below that of v3;
- debt is valued rounded down, seized collateral and needed debt are rounded to the nearest unit of their percentage;
- a call repays at most half of the debt in **the reserve it repays**, at any health factor and of any size;
- no share for a treasury, no least amount that must stay, and **no write-off**: where no collateral is left, the debt
  stays in the account's name.

References: Aave protocol v2 ``GenericLogic``, ``LendingPoolCollateralManager`` (behaviour re-implemented from the
published rules).
"""

from collections.abc import Sequence

from riskengine.lending.aave_v3.integer import (
    LIQUIDATABLE_BELOW,
    NO_DEBT_HEALTH,
    CollateralPosition,
    DebtPosition,
    Liquidation,
)
from riskengine.pricing.fixed_point import (
    mul_div_floor,
    percent_div_half_up,
    percent_mul_half_up,
    wad_div_half_up,
)

CLOSE_FACTOR_BPS = 5_000


def average_threshold(values: Sequence[int], thresholds_bps: Sequence[int]) -> int:
    """Liquidation threshold of an account (basis points): its average over collateral values, cut; 0 without any."""
    total = sum(values)
    return sum(v * t for v, t in zip(values, thresholds_bps, strict=True)) // total if total else 0


def health_of(collateral: int, debt: int, threshold_bps: int) -> int:
    """Health factor (WAD) of totals in one currency; ``2**256 - 1`` without debt."""
    return NO_DEBT_HEALTH if debt == 0 else wad_div_half_up(percent_mul_half_up(collateral, threshold_bps), debt)


def health_factor(collaterals: Sequence[CollateralPosition], debts: Sequence[DebtPosition]) -> int:
    """Health factor of an account, WAD."""
    values = [c.value for c in collaterals]
    debt = sum(mul_div_floor(d.balance, d.price, d.unit) for d in debts)
    return health_of(sum(values), debt, average_threshold(values, [c.threshold_bps for c in collaterals]))


def liquidation_call(
    collaterals: Sequence[CollateralPosition],
    debts: Sequence[DebtPosition],
    collateral_index: int,
    debt_index: int,
    cover: int | None = None,
) -> Liquidation:
    """One ``liquidationCall`` on an account.

    Parameters
    ----------
    collaterals, debts : sequences of positions
        Everything the account holds and owes; protocol fees of collateral are not read.
    collateral_index, debt_index : int
        The pair of reserves called.
    cover : int, optional
        Debt the caller offers to repay, raw units; None is "as much as allowed".

    Returns
    -------
    Liquidation
        Fee and deficits are zero; ``full_close`` never holds.
    """
    collateral, debt = collaterals[collateral_index], debts[debt_index]
    health = health_factor(collaterals, debts)
    allowed = percent_mul_half_up(debt.balance, CLOSE_FACTOR_BPS)
    repaid = allowed if cover is None else min(cover, allowed)
    worth = percent_mul_half_up(debt.price * repaid * collateral.unit, collateral.bonus_bps)
    seized = worth // (collateral.price * debt.unit)
    if seized > collateral.balance:
        seized = collateral.balance
        covered = collateral.price * seized * debt.unit // (debt.price * collateral.unit)
        repaid = min(repaid, percent_div_half_up(covered, collateral.bonus_bps))
    error = "HealthFactorNotBelowThreshold" if health >= LIQUIDATABLE_BELOW else None
    return Liquidation(health, allowed, False, error, repaid, seized, 0, (0,) * len(debts), 0)
