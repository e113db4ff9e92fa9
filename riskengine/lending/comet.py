"""Compound v3 (Comet): whole-account absorption and the sale of what was absorbed, exact integers.

Prices 1e8, factors WAD, base token in raw units (scale 1e6 for USDC).  Absorption and sale are separate events: between
them the protocol carries the collateral's price.

Reference: Comet ``isLiquidatable``, ``absorbInternal``, ``quoteCollateral`` (behaviour re-implemented).
"""

from dataclasses import dataclass

from riskengine.pricing.fixed_point import WAD, wad_mul_floor


@dataclass(frozen=True)
class CometCollateral:
    """One collateral of an account: raw amount, price, scale (raw units in a token) and its two factors (WAD)."""

    amount: int
    price: int
    scale: int
    liquidate_collateral_factor: int
    liquidation_factor: int

    @property
    def value(self) -> int:
        """1e8 units of account, rounded down."""
        return self.amount * self.price // self.scale


@dataclass(frozen=True)
class Absorption:
    """Result of absorbing an account, base token raw units.

    Attributes
    ----------
    is_liquidatable : bool
        Otherwise the contract reverts.
    collateral_value_after_penalty : int
        What the collateral counts for.
    new_balance : int
        Credited to the borrower where that exceeds the debt.
    base_paid_out : int
        New balance plus debt cancelled.
    bad_debt : int
        Debt above the penalised collateral: a loss to reserves.
    """

    is_liquidatable: bool
    collateral_value_after_penalty: int
    new_balance: int
    base_paid_out: int
    bad_debt: int


def is_liquidatable(debt: int, base_price: int, base_scale: int, collaterals: tuple[CometCollateral, ...]) -> bool:
    """Whether debt exceeds collateral weighted by its liquidation collateral factors."""
    liquidity = -(debt * base_price // base_scale)
    return liquidity + sum(wad_mul_floor(c.value, c.liquidate_collateral_factor) for c in collaterals) < 0


def absorb(debt: int, base_price: int, base_scale: int, collaterals: tuple[CometCollateral, ...]) -> Absorption:
    """Take all collateral of an account with `debt` (raw, positive) and settle it."""
    value = sum(wad_mul_floor(c.value, c.liquidation_factor) for c in collaterals)
    credit = value * base_scale // base_price
    new_balance = max(0, credit - debt)
    return Absorption(
        is_liquidatable(debt, base_price, base_scale, collaterals),
        credit,
        new_balance,
        new_balance + debt,
        max(0, debt - credit),
    )


def quote_collateral(
    base_amount: int,
    base_price: int,
    base_scale: int,
    asset_price: int,
    asset_scale: int,
    liquidation_factor: int,
    store_front_price_factor: int,
) -> tuple[int, int]:
    """Absorbed collateral (raw units) sold for `base_amount`, and the discount (WAD) on its price."""
    discount = wad_mul_floor(store_front_price_factor, WAD - liquidation_factor)
    price = wad_mul_floor(asset_price, WAD - discount)
    return base_price * base_amount * asset_scale // price // base_scale, discount
