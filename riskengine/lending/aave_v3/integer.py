"""Aave v3.7 liquidation in exact integers: the reference the vectorised engine is tied to.

Balances are raw units, prices 1e8 base currency, percentages basis points, health factor WAD.  Rounding as in the
contracts: collateral values down, debt values up, seized collateral down, protocol fee up, debt needed up.

References: Aave v3.7 ``GenericLogic``, ``LiquidationLogic`` (behaviour re-implemented from the published rules).
"""

from dataclasses import dataclass

from riskengine.pricing.fixed_point import (
    BPS,
    check_integers,
    mul_div_ceil,
    mul_div_floor,
    percent_div_ceil,
    percent_div_floor,
    percent_mul_ceil,
    percent_mul_floor,
    percent_mul_half_up,
    wad_div_half_up,
)

CLOSE_FACTOR_BPS = 5_000
FULL_CLOSE_HEALTH = 95 * 10**16
FULL_CLOSE_BELOW = 2_000 * 10**8
MIN_LEFTOVER = 1_000 * 10**8
LIQUIDATABLE_BELOW = 10**18
NO_DEBT_HEALTH = 2**256 - 1


@dataclass(frozen=True)
class CollateralPosition:
    """Collateral of one account in one reserve, with the parameters that apply to it (e-mode's, where it is in one)."""

    balance: int
    price: int
    unit: int
    threshold_bps: int
    bonus_bps: int
    protocol_fee_bps: int

    def __post_init__(self) -> None:
        check_integers(balance=self.balance, price=self.price, LB_bps=self.bonus_bps)
        check_integers(1, unit=self.unit)
        check_integers(0, BPS, LT_bps=self.threshold_bps, protocol_fee_bps=self.protocol_fee_bps)

    @property
    def value(self) -> int:
        """Base currency, rounded down."""
        return mul_div_floor(self.balance, self.price, self.unit)


@dataclass(frozen=True)
class DebtPosition:
    """Debt of one account in one reserve."""

    balance: int
    price: int
    unit: int

    def __post_init__(self) -> None:
        check_integers(balance=self.balance, price=self.price)
        check_integers(1, unit=self.unit)

    @property
    def value(self) -> int:
        """Base currency, rounded up."""
        return mul_div_ceil(self.balance, self.price, self.unit)


@dataclass(frozen=True)
class Liquidation:
    """Outcome of one liquidation call.

    Attributes
    ----------
    health_factor : int
        Before the call, WAD.
    max_liquidatable_debt : int
        Raw units the close factor allows.
    full_close : bool
        Whether that is all of the reserve's debt.
    reverts : str or None
        Name of the contract's error; nothing changed then, and the amounts below are what was asked for.
    debt_repaid, collateral_to_liquidator, protocol_fee_collateral : int
        Raw units.
    deficits : tuple of int
        Debt written off per reserve, raw units; non-zero only where no collateral is left.
    total_deficit_base : int
        Its value in base currency (1e8).
    """

    health_factor: int
    max_liquidatable_debt: int
    full_close: bool
    reverts: str | None
    debt_repaid: int
    collateral_to_liquidator: int
    protocol_fee_collateral: int
    deficits: tuple[int, ...]
    total_deficit_base: int


def health_factor(collaterals: tuple[CollateralPosition, ...], debts: tuple[DebtPosition, ...]) -> int:
    """Threshold-weighted collateral over debt, WAD; ``2**256 - 1`` without debt."""
    debt = sum(d.value for d in debts)
    if debt == 0:
        return NO_DEBT_HEALTH
    return wad_div_half_up(sum(c.value * c.threshold_bps for c in collaterals), debt) // BPS


def available_collateral(collateral: CollateralPosition, debt: DebtPosition, amount: int) -> tuple[int, int, int]:
    """Collateral seized (liquidator and treasury together), debt needed for it, treasury's fee: raw units.

    `amount` is the debt to repay; where the collateral does not suffice, all of it is seized and less is repaid.
    """
    base = debt.price * amount * collateral.unit // (collateral.price * debt.unit)
    seized = percent_mul_floor(base, collateral.bonus_bps)
    needed = amount
    if seized > collateral.balance:
        seized = collateral.balance
        covered = collateral.price * seized * debt.unit // (debt.price * collateral.unit)
        needed = percent_div_ceil(covered, collateral.bonus_bps)
    bonus = seized - percent_div_floor(seized, collateral.bonus_bps)
    return seized, needed, percent_mul_ceil(bonus, collateral.protocol_fee_bps)


def liquidation_call(
    collaterals: tuple[CollateralPosition, ...],
    debts: tuple[DebtPosition, ...],
    collateral_index: int,
    debt_index: int,
    cover: int | None = None,
) -> Liquidation:
    """One ``liquidationCall`` on an account.

    Parameters
    ----------
    collaterals, debts : tuples of positions
        Everything the account holds and owes.
    collateral_index, debt_index : int
        The pair of reserves called.
    cover : int, optional
        Debt the caller offers to repay, raw units; None is "as much as allowed".

    Returns
    -------
    Liquidation
        ``reverts`` is ``HealthFactorNotBelowThreshold`` for a healthy account and ``MustNotLeaveDust`` where both
        sides would be left and one below 1,000 in base currency.
    """
    check_integers(0, len(collaterals) - 1, liquidate_collateral_index=collateral_index)
    check_integers(0, len(debts) - 1, liquidate_debt_index=debt_index)
    collateral, debt = collaterals[collateral_index], debts[debt_index]
    check_integers(1, **{"price of the collateral": collateral.price, "price of the debt": debt.price})
    check_integers(BPS, LB_bps=collateral.bonus_bps)
    health = health_factor(collaterals, debts)
    allowed = debt.balance
    if collateral.value >= FULL_CLOSE_BELOW and debt.value >= FULL_CLOSE_BELOW and health > FULL_CLOSE_HEALTH:
        # half of the debt in all reserves, not of this one
        cap = percent_mul_half_up(sum(d.value for d in debts), CLOSE_FACTOR_BPS)
        if debt.value > cap:
            allowed = mul_div_floor(cap, debt.unit, debt.price)
    amount = allowed if cover is None else min(cover, allowed)
    seized, repaid, fee = available_collateral(collateral, debt, amount)

    error = None
    if health >= LIQUIDATABLE_BELOW:
        error = "HealthFactorNotBelowThreshold"
    elif repaid < debt.balance and seized < collateral.balance:
        debt_left = mul_div_ceil(debt.balance - repaid, debt.price, debt.unit)
        collateral_left = mul_div_floor(collateral.balance - seized, collateral.price, collateral.unit)
        if debt_left < MIN_LEFTOVER or collateral_left < MIN_LEFTOVER:
            error = "MustNotLeaveDust"

    deficits = [0] * len(debts)
    # the contract compares values, so other collateral worth less than one unit of base currency counts as none
    seized_value = mul_div_floor(seized, collateral.price, collateral.unit)
    if error is None and seized_value == sum(c.value for c in collaterals):
        deficits = [d.balance for d in debts]
        deficits[debt_index] -= repaid
    total = sum(mul_div_ceil(amount, d.price, d.unit) for amount, d in zip(deficits, debts, strict=True))
    return Liquidation(
        health, allowed, allowed == debt.balance, error, repaid, seized - fee, fee, tuple(deficits), total
    )


@dataclass(frozen=True)
class FixedSpreadIdentity:
    """Ratios of an account around one fixed-spread repayment, floating.

    A repayment lowers the health factor exactly where LB * LT > HF, and raises loan-to-value exactly where
    LTV > 1 / LB: the toxic region, in which every call adds to the bad debt it was meant to prevent.
    """

    health_before: float
    health_after: float
    ltv_before: float
    ltv_after: float

    @property
    def health_decreases(self) -> bool:
        """Whether the call left the account less healthy."""
        return self.health_after < self.health_before


def fixed_spread_identity(
    collateral_value: float, debt_value: float, threshold: float, bonus: float, repay_value: float
) -> FixedSpreadIdentity:
    """Ratios before and after repaying `repay_value` for `bonus` (1.05) times as much collateral.

    The protocol fee is part of the bonus: it moves collateral from the liquidator to the treasury and leaves the
    account's ratios alone.
    """
    collateral = collateral_value - bonus * repay_value
    debt = debt_value - repay_value
    after = (threshold * collateral / debt, debt / collateral) if debt > 0 else (float("inf"), 0.0)
    return FixedSpreadIdentity(
        threshold * collateral_value / debt_value, after[0], debt_value / collateral_value, after[1]
    )
