"""Morpho Blue: liquidation without a close factor, immediate socialisation of bad debt, interest; exact integers.

Debt and supply are shares of pools with 1e6 virtual shares and 1 virtual asset.  Bad debt is realised only when a
position's collateral reaches exactly zero; one wei left means none is.

Reference: ``Morpho.sol``, ``SharesMathLib``, ``MathLib`` (behaviour re-implemented).
"""

from dataclasses import dataclass, replace

from riskengine.pricing.fixed_point import (
    WAD,
    check_integers,
    mul_div_ceil,
    mul_div_floor,
    wad_div_ceil,
    wad_div_floor,
    wad_mul_floor,
)

ORACLE_SCALE = 10**36
VIRTUAL_SHARES = 10**6
VIRTUAL_ASSETS = 1
MAX_INCENTIVE = 115 * WAD // 100
CURSOR = 3 * WAD // 10
MAX_FEE = WAD // 4


def liquidation_incentive_factor(lltv: int) -> int:
    """min(1.15, 1 / (1 - 0.3 (1 - LLTV))), WAD."""
    check_integers(0, WAD, lltv=lltv)
    return min(MAX_INCENTIVE, wad_div_floor(WAD, WAD - wad_mul_floor(CURSOR, WAD - lltv)))


def to_assets_floor(shares: int, total_assets: int, total_shares: int) -> int:
    """Assets that `shares` are worth, rounded down."""
    return mul_div_floor(shares, total_assets + VIRTUAL_ASSETS, total_shares + VIRTUAL_SHARES)


def to_assets_ceil(shares: int, total_assets: int, total_shares: int) -> int:
    """Assets that `shares` are worth, rounded up."""
    return mul_div_ceil(shares, total_assets + VIRTUAL_ASSETS, total_shares + VIRTUAL_SHARES)


def to_shares_floor(assets: int, total_assets: int, total_shares: int) -> int:
    """Shares for `assets`, rounded down."""
    return mul_div_floor(assets, total_shares + VIRTUAL_SHARES, total_assets + VIRTUAL_ASSETS)


def to_shares_ceil(assets: int, total_assets: int, total_shares: int) -> int:
    """Shares for `assets`, rounded up."""
    return mul_div_ceil(assets, total_shares + VIRTUAL_SHARES, total_assets + VIRTUAL_ASSETS)


def is_healthy(
    collateral: int, price: int, lltv: int, shares: int, total_borrow_assets: int, total_borrow_shares: int
) -> bool:
    """Whether collateral value times LLTV covers the debt; everything rounded against the borrower."""
    limit = wad_mul_floor(mul_div_floor(collateral, price, ORACLE_SCALE), lltv)
    return limit >= to_assets_ceil(shares, total_borrow_assets, total_borrow_shares)


@dataclass(frozen=True)
class MorphoLiquidation:
    """Outcome of one liquidation; raw units and shares."""

    seized_assets: int
    repaid_shares: int
    repaid_assets: int
    bad_debt_assets: int
    bad_debt_shares: int
    total_borrow_assets_after: int
    total_supply_assets_after: int


def liquidate(
    lltv: int,
    price: int,
    collateral: int,
    borrow_shares: int,
    total_borrow_assets: int,
    total_borrow_shares: int,
    total_supply_assets: int,
    seized_assets: int = 0,
    repaid_shares: int = 0,
) -> MorphoLiquidation:
    """Liquidate by collateral seized or by shares repaid (exactly one non-zero); `price` is 1e36.

    ValueError unless exactly one of the two is given and the position can bear it.
    """
    check_integers(1, price=price)
    if (seized_assets == 0) == (repaid_shares == 0):
        raise ValueError(
            f"exactly one of seized_assets and repaid_shares must be given, got {seized_assets}, {repaid_shares}"
        )
    incentive = liquidation_incentive_factor(lltv)
    if seized_assets:
        quoted = wad_div_ceil(mul_div_ceil(seized_assets, price, ORACLE_SCALE), incentive)
        repaid_shares = to_shares_ceil(quoted, total_borrow_assets, total_borrow_shares)
    else:
        worth = wad_mul_floor(to_assets_floor(repaid_shares, total_borrow_assets, total_borrow_shares), incentive)
        seized_assets = mul_div_floor(worth, ORACLE_SCALE, price)
    if seized_assets > collateral or repaid_shares > borrow_shares:
        raise ValueError(
            f"liquidation must not exceed the position {collateral}, {borrow_shares}, "
            f"got {seized_assets}, {repaid_shares}"
        )
    repaid = to_assets_ceil(repaid_shares, total_borrow_assets, total_borrow_shares)
    shares_left = total_borrow_shares - repaid_shares
    assets_left = max(0, total_borrow_assets - repaid)
    bad_assets = bad_shares = 0
    if seized_assets == collateral:
        bad_shares = borrow_shares - repaid_shares
        bad_assets = min(assets_left, to_assets_ceil(bad_shares, assets_left, shares_left))
    return MorphoLiquidation(
        seized_assets,
        repaid_shares,
        repaid,
        bad_assets,
        bad_shares,
        assets_left - bad_assets,
        total_supply_assets - bad_assets,
    )


def taylor_compounded(rate: int, seconds: int) -> int:
    """e**(rate * seconds) - 1 by three Taylor terms, WAD."""
    first = rate * seconds
    second = mul_div_floor(first, first, 2 * WAD)
    return first + second + mul_div_floor(second, first, 3 * WAD)


@dataclass(frozen=True)
class Accrual:
    """Totals after interest; raw units and shares."""

    interest: int
    total_borrow_assets: int
    total_supply_assets: int
    fee_shares: int


def accrue(
    borrow_rate_per_second: int,
    elapsed_seconds: int,
    total_borrow_assets: int,
    total_supply_assets: int,
    total_supply_shares: int,
    fee: int,
) -> Accrual:
    """Interest over `elapsed_seconds`; `fee` (WAD share of interest) is minted as supply shares."""
    check_integers(0, MAX_FEE, fee=fee)
    interest = wad_mul_floor(total_borrow_assets, taylor_compounded(borrow_rate_per_second, elapsed_seconds))
    supply = total_supply_assets + interest
    cut = wad_mul_floor(interest, fee)
    return Accrual(
        interest, total_borrow_assets + interest, supply, to_shares_floor(cut, supply - cut, total_supply_shares)
    )


@dataclass(frozen=True)
class MorphoLedger:
    """Totals of a market, and its one position that is followed; raw units and shares.

    Attributes
    ----------
    lltv : int
        WAD.
    total_supply_assets, total_supply_shares, total_borrow_assets, total_borrow_shares : int
    collateral, borrow_shares : int
        Of the position.
    """

    lltv: int
    total_supply_assets: int
    total_supply_shares: int
    total_borrow_assets: int
    total_borrow_shares: int
    collateral: int
    borrow_shares: int

    @property
    def debt(self) -> int:
        """Debt of the position, rounded up."""
        return to_assets_ceil(self.borrow_shares, self.total_borrow_assets, self.total_borrow_shares)

    def healthy(self, price: int) -> bool:
        """Whether the position is healthy at `price` (1e36)."""
        return is_healthy(
            self.collateral, price, self.lltv, self.borrow_shares, self.total_borrow_assets, self.total_borrow_shares
        )

    def accrued(self, borrow_rate_per_second: int, seconds: int, fee: int = 0) -> "MorphoLedger":
        """The market after interest over `seconds`."""
        done = accrue(
            borrow_rate_per_second,
            seconds,
            self.total_borrow_assets,
            self.total_supply_assets,
            self.total_supply_shares,
            fee,
        )
        return replace(
            self,
            total_borrow_assets=done.total_borrow_assets,
            total_supply_assets=done.total_supply_assets,
            total_supply_shares=self.total_supply_shares + done.fee_shares,
        )

    def liquidated(
        self, price: int, seized_assets: int = 0, repaid_shares: int = 0
    ) -> tuple["MorphoLedger", MorphoLiquidation]:
        """(market after, what the call did); ValueError for a healthy position, as the contract reverts, or where
        `liquidate` refuses."""
        if self.healthy(price):
            raise ValueError("position must be unhealthy to be liquidated, got a healthy one")
        done = liquidate(
            self.lltv,
            price,
            self.collateral,
            self.borrow_shares,
            self.total_borrow_assets,
            self.total_borrow_shares,
            self.total_supply_assets,
            seized_assets,
            repaid_shares,
        )
        return (
            replace(
                self,
                total_supply_assets=done.total_supply_assets_after,
                total_borrow_assets=done.total_borrow_assets_after,
                total_borrow_shares=self.total_borrow_shares - done.repaid_shares - done.bad_debt_shares,
                collateral=self.collateral - done.seized_assets,
                borrow_shares=self.borrow_shares - done.repaid_shares - done.bad_debt_shares,
            ),
            done,
        )
