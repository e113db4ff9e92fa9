"""Liquity v1 as a system: a stability pool and several vaults, exact integers.

What the pool does not take of a liquidated vault goes to the others in proportion to their stakes.  Nobody is visited:
running sums L of collateral and debt per unit staked grow by what is redistributed, and a vault is owed
stake (L - L at its last change).  What a division drops is carried into the next.  A stake is the collateral corrected
for what older vaults have been given:

    stake = collateral (stakes / collateral of the system, both just after the last liquidation)

so that a vault opened today shares like one that has held the same coins all along.

In recovery mode (system below 150 %) a vault at or below 100 % is redistributed whole, one below 110 % goes to the pool
first, and one between 110 % and the system's ratio is closed where the pool covers its debt, at 110 % of it in
collateral; as soon as the system is back above 150 % only vaults below 110 % are.

Reference: liquity/dev 39f1f7f8 ``TroveManager`` (``batchLiquidateTroves``, ``_redistributeDebtAndColl``,
``_computeNewStake``; behaviour re-implemented).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from riskengine.lending.liquity_v1 import MINIMUM_RATIO, LiquityLiquidation, liquidate, liquidate_capped
from riskengine.pricing.fixed_point import WAD, mul_div_floor

CRITICAL_RATIO = 150 * WAD // 100


@dataclass(frozen=True)
class Vault:
    """A vault as recorded, raw units: what it has been given since its last change is not in it."""

    debt: int
    collateral: int
    stake: int
    collateral_per_stake: int = 0
    debt_per_stake: int = 0


@dataclass(frozen=True)
class LiquitySystem:
    """Pool, vaults by name, and the running sums of redistribution.

    Attributes
    ----------
    pool : int
        LUSD in the stability pool.
    vaults : dict of str to Vault
    debt, collateral : int
        Of all vaults; what divisions drop of a redistribution stays in them.
    collateral_per_stake, debt_per_stake : int
        Redistributed so far per unit staked, WAD.
    collateral_error, debt_error : int
        What the last divisions dropped.
    stakes_then, collateral_then : int
        Stakes and collateral of the system just after the last liquidation; 0 before the first.
    """

    pool: int
    vaults: dict[str, Vault] = field(default_factory=dict)
    debt: int = 0
    collateral: int = 0
    collateral_per_stake: int = 0
    debt_per_stake: int = 0
    collateral_error: int = 0
    debt_error: int = 0
    stakes_then: int = 0
    collateral_then: int = 0

    def opened(self, name: str, debt: int, collateral: int) -> "LiquitySystem":
        """The system with one more vault; `debt` with the reserve for gas.  ValueError for a name that is there."""
        if name in self.vaults or debt <= 0 or collateral <= 0:
            raise ValueError(f"a vault must be new, its debt and collateral positive, got {name!r} {debt} {collateral}")
        then = self.collateral_then
        stake = mul_div_floor(collateral, self.stakes_then, then) if then else collateral
        vault = Vault(debt, collateral, stake, self.collateral_per_stake, self.debt_per_stake)
        totals = {"debt": self.debt + debt, "collateral": self.collateral + collateral}
        return replace(self, vaults=self.vaults | {name: vault}, **totals)

    def held(self, name: str) -> tuple[int, int]:
        """(debt, collateral) of a vault with what it has been given, raw units."""
        vault = self.vaults[name]
        debt = mul_div_floor(vault.stake, self.debt_per_stake - vault.debt_per_stake, WAD)
        given = mul_div_floor(vault.stake, self.collateral_per_stake - vault.collateral_per_stake, WAD)
        return vault.debt + debt, vault.collateral + given

    def ratio(self, price: int) -> int:
        """Collateral over debt of all vaults at `price` (USD per coin, WAD), WAD."""
        return mul_div_floor(self.collateral, price, self.debt)

    def liquidated(self, names: Sequence[str], price: int) -> tuple["LiquitySystem", dict[str, LiquityLiquidation]]:
        """Try to liquidate the vaults `names`, in this order, in one call.

        Returns
        -------
        tuple
            (system after, outcome of each vault that was closed).  Vaults that the rules protect are passed over; the
            last vault of all always is.
        """
        closed: dict[str, LiquityLiquidation] = {}
        pool, debt, collateral = self.pool, self.debt, self.collateral
        recovery = mul_div_floor(collateral, price, debt) < CRITICAL_RATIO
        for name in dict.fromkeys(names):
            if len(closed) == len(self.vaults) - 1:
                break
            owed, held = self.held(name)
            done = self._one(owed, held, pool, price, mul_div_floor(collateral, price, debt) if recovery else 0)
            if done is None:
                continue
            closed[name] = done
            pool -= done.debt_offset
            if recovery:
                debt -= done.debt_offset
                collateral -= done.collateral_to_pool + done.gas_compensation + done.collateral_surplus
                recovery = debt > 0 and mul_div_floor(collateral, price, debt) < CRITICAL_RATIO
        return self._after(closed) if closed else self, closed

    @staticmethod
    def _one(debt: int, collateral: int, pool: int, price: int, system: int) -> LiquityLiquidation | None:
        """Outcome of one vault; `system` is the system's ratio in recovery mode, 0 otherwise."""
        ratio = mul_div_floor(collateral, price, debt)
        if ratio < MINIMUM_RATIO:
            return liquidate(debt, collateral, 0 if system and ratio <= WAD else pool)
        if ratio < system and debt <= pool:
            return liquidate_capped(debt, collateral, price)
        return None

    def _after(self, closed: dict[str, LiquityLiquidation]) -> "LiquitySystem":
        # those who stay keep their records: what they are owed is the difference of the sums
        left = {name: vault for name, vault in self.vaults.items() if name not in closed}
        stakes = sum(vault.stake for vault in left.values())
        coins = sum(done.collateral_redistributed for done in closed.values())
        owed = sum(done.debt_redistributed for done in closed.values())
        per, errors = [self.collateral_per_stake, self.debt_per_stake], [self.collateral_error, self.debt_error]
        if owed:
            for i, amount in enumerate((coins, owed)):
                total = amount * WAD + errors[i]
                per[i], errors[i] = per[i] + total // stakes, total % stakes
        offset = sum(done.debt_offset for done in closed.values())
        collateral = self.collateral + coins - sum(self.held(name)[1] for name in closed)
        return LiquitySystem(
            self.pool - offset, left, self.debt - offset, collateral, *per, *errors, stakes, collateral
        )
