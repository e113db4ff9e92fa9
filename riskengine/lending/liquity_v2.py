"""Liquity v2 (BOLD) liquidation, exact integers: what pool and other borrowers may seize is capped by a penalty.

    gas compensation = min(collateral / 200, cap)
    pool:            offset = min(debt, BOLD in the pool), a pro-rata part of the rest of the collateral,
                     of which it seizes at most offset (1 + penalty) / price
    redistribution:  the rest of debt and collateral, with what the pool's cap left over; at most debt (1 + penalty) /
                     price of it is seized
    surplus:         what neither seizes, claimable by the owner

Reference: liquity/bold ``TroveManager`` (``_getOffsetAndRedistributionVals``) at commit 00aa9df (behaviour
re-implemented; from the formulas of the code, no figure of its tests has been met).
"""

from dataclasses import dataclass

from riskengine.pricing.fixed_point import WAD, check_integers, mul_div_floor

GAS_COMPENSATION_DIVISOR = 200
GAS_COMPENSATION_CAP = 2 * WAD


@dataclass(frozen=True)
class BranchTerms:
    """Penalties of a collateral branch (WAD): 5 % to the pool, 10 % on redistribution for WETH, 20 % for staked ETH."""

    penalty_pool: int = 5 * WAD // 100
    penalty_redistribution: int = 10 * WAD // 100
    gas_compensation_cap: int = GAS_COMPENSATION_CAP

    def __post_init__(self) -> None:
        if not 5 * WAD // 100 <= self.penalty_pool <= self.penalty_redistribution <= 20 * WAD // 100:
            raise ValueError(
                "penalties must hold 5 % <= penalty_pool <= penalty_redistribution <= 20 %, got "
                f"{self.penalty_pool / WAD:.3%} and {self.penalty_redistribution / WAD:.3%}"
            )


@dataclass(frozen=True)
class TroveLiquidation:
    """Where debt and collateral of a trove go, raw units; the collateral's four parts add up to it."""

    gas_compensation: int
    debt_offset: int
    collateral_to_pool: int
    debt_redistributed: int
    collateral_redistributed: int
    collateral_surplus: int


def liquidate(debt: int, collateral: int, pool: int, price: int, terms: BranchTerms | None = None) -> TroveLiquidation:
    """Liquidate a trove.

    Parameters
    ----------
    debt, collateral : int
        With interest and pending redistributions, raw units.
    pool : int
        BOLD that offsets may use; the contract keeps one BOLD of the deposits back.
    price : int
        USD per coin, WAD.
    terms : BranchTerms, optional
        Those of WETH by default.
    """
    check_integers(1, debt=debt, price=price)
    check_integers(collateral=collateral, pool=pool)
    terms = terms or BranchTerms()
    compensation = min(collateral // GAS_COMPENSATION_DIVISOR, terms.gas_compensation_cap)
    rest = collateral - compensation

    def seized(available: int, owed: int, penalty: int) -> int:
        return min(available, mul_div_floor(owed, WAD + penalty, price))

    offset = min(debt, pool)
    share = mul_div_floor(rest, offset, debt)
    to_pool = seized(share, offset, terms.penalty_pool)
    surplus = share - to_pool
    redistributed = 0
    if offset < debt and rest > share:
        # what the pool's cap left over may be eaten up by the larger penalty
        available = rest - share + surplus
        redistributed = seized(available, debt - offset, terms.penalty_redistribution)
        surplus = available - redistributed
    return TroveLiquidation(compensation, offset, to_pool, debt - offset, redistributed, surplus)
