"""Compound v3 (Comet): whole-account absorption and the sale of what was absorbed, exact integers.

Prices 1e8, factors WAD, base token in raw units (scale 1e6 for USDC), indices 1e15.  Absorption and sale are separate
events: between them the protocol carries the collateral's price.  A base balance is kept as a principal that the
supply or borrow index turns into a present value; values round down, the principal of a debt rounds up.

Reference: Comet ``isBorrowCollateralized``, ``isLiquidatable``, ``absorbInternal``, ``buyCollateral``,
``quoteCollateral``, ``getReserves``, ``CometCore`` principal conversion (behaviour re-implemented).
"""

from dataclasses import dataclass, replace

from riskengine.pricing.fixed_point import WAD, check_integers, mul_div_ceil, mul_div_floor, wad_mul_floor

INDEX_SCALE = 10**15


@dataclass(frozen=True)
class CometCollateral:
    """One collateral of an account: raw amount, price, scale (raw units in a token) and its factors (WAD)."""

    amount: int
    price: int
    scale: int
    liquidate_collateral_factor: int
    liquidation_factor: int
    borrow_collateral_factor: int = 0

    def __post_init__(self) -> None:
        check_integers(amount=self.amount, price=self.price)
        check_integers(1, scale=self.scale)
        factors = ("liquidate_collateral_factor", "liquidation_factor", "borrow_collateral_factor")
        check_integers(0, WAD, **{name: getattr(self, name) for name in factors})

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


def is_borrow_collateralised(
    debt: int, base_price: int, base_scale: int, collaterals: tuple[CometCollateral, ...]
) -> bool:
    """Whether an account may have this debt: collateral weighted by its borrow collateral factors covers it."""
    liquidity = -(debt * base_price // base_scale)
    return liquidity + sum(wad_mul_floor(c.value, c.borrow_collateral_factor) for c in collaterals) >= 0


def absorb(debt: int, base_price: int, base_scale: int, collaterals: tuple[CometCollateral, ...]) -> Absorption:
    """Take all collateral of an account with `debt` (raw, positive) and settle it."""
    check_integers(1, base_price=base_price, base_scale=base_scale)
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
    check_integers(1, base_scale=base_scale, asset_price=asset_price)
    check_integers(0, WAD, liquidation_factor=liquidation_factor, store_front_price_factor=store_front_price_factor)
    discount = wad_mul_floor(store_front_price_factor, WAD - liquidation_factor)
    price = wad_mul_floor(asset_price, WAD - discount)
    return base_price * base_amount * asset_scale // price // base_scale, discount


def present_value(principal: int, supply_index: int, borrow_index: int) -> int:
    """Base balance of a `principal` (negative is debt), raw units: both sides round towards zero."""
    if principal >= 0:
        return mul_div_floor(principal, supply_index, INDEX_SCALE)
    return -mul_div_floor(-principal, borrow_index, INDEX_SCALE)


def principal_value(present: int, supply_index: int, borrow_index: int) -> int:
    """Principal of a base balance: supply rounds down, debt rounds up, both against the account."""
    if present >= 0:
        return mul_div_floor(present, INDEX_SCALE, supply_index)
    return -mul_div_ceil(-present, INDEX_SCALE, borrow_index)


@dataclass(frozen=True)
class CometLedger:
    """Totals of a market.

    Attributes
    ----------
    balance : int
        Base tokens that the contract holds, raw units.
    total_supply, total_borrow : int
        Principals.
    inventory : tuple of int
        Absorbed collateral not yet sold, raw units of each asset.
    supply_index, borrow_index : int
        Times 1e15.
    """

    balance: int
    total_supply: int
    total_borrow: int
    inventory: tuple[int, ...]
    supply_index: int = INDEX_SCALE
    borrow_index: int = INDEX_SCALE

    @property
    def reserves(self) -> int:
        """Base tokens held less those owed to suppliers, plus those owed by borrowers; may be negative."""
        supplied = mul_div_floor(self.total_supply, self.supply_index, INDEX_SCALE)
        return self.balance - supplied + mul_div_floor(self.total_borrow, self.borrow_index, INDEX_SCALE)

    def accrued(self, supply_rate: int, borrow_rate: int, seconds: int) -> "CometLedger":
        """Indices after `seconds` at rates per second (WAD); simple interest within one accrual."""
        return replace(
            self,
            supply_index=self.supply_index + wad_mul_floor(self.supply_index, supply_rate * seconds),
            borrow_index=self.borrow_index + wad_mul_floor(self.borrow_index, borrow_rate * seconds),
        )

    def absorbed(
        self, principal: int, base_price: int, base_scale: int, collaterals: tuple[CometCollateral, ...]
    ) -> tuple["CometLedger", int, Absorption]:
        """Absorb an account with `principal` (negative) and all of `collaterals`, one for each asset in order.

        Returns
        -------
        tuple
            (ledger after, the account's new principal, `Absorption`).  ValueError for an account that is not
            liquidatable: the contract reverts with ``NotLiquidatable``.
        """
        debt = -present_value(principal, self.supply_index, self.borrow_index)
        done = absorb(debt, base_price, base_scale, collaterals)
        if not done.is_liquidatable:
            raise ValueError("account must be liquidatable to be absorbed, got one that is not")
        new = principal_value(done.new_balance, self.supply_index, self.borrow_index)
        inventory = tuple(held + c.amount for held, c in zip(self.inventory, collaterals, strict=True))
        ledger = replace(
            self,
            total_supply=self.total_supply + new,
            total_borrow=self.total_borrow + principal,
            inventory=inventory,
        )
        return ledger, new, done

    def bought(
        self,
        asset: int,
        base_amount: int,
        base_price: int,
        base_scale: int,
        collateral: CometCollateral,
        store_front_price_factor: int,
        target_reserves: int,
    ) -> tuple["CometLedger", int]:
        """Sell absorbed collateral number `asset` for `base_amount`: (ledger after, raw units sold).

        ValueError where reserves have reached their target (``NotForSale``) or the inventory does not suffice
        (``InsufficientReserves``).
        """
        if self.reserves >= target_reserves:
            raise ValueError(f"reserves must be below target {target_reserves}, got {self.reserves}: not for sale")
        amount, _ = quote_collateral(
            base_amount,
            base_price,
            base_scale,
            collateral.price,
            collateral.scale,
            collateral.liquidation_factor,
            store_front_price_factor,
        )
        if amount > self.inventory[asset]:
            raise ValueError(f"collateral bought must not exceed {self.inventory[asset]} held, got {amount}")
        left = tuple(held - amount if i == asset else held for i, held in enumerate(self.inventory))
        return replace(self, balance=self.balance + base_amount, inventory=left), amount
