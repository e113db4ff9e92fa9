"""`Loans`: borrowers x assets, collateral and debt."""

from dataclasses import dataclass

from riskengine.arrays import Floats, check_shape


@dataclass(frozen=True)
class Loans:
    """A borrower book of a lending market.

    Attributes
    ----------
    reserves : tuple of str
        Reserve names in the order of the second axis (``WETH``, ``WBTC``, ``USDC``).
    collateral, debt : ndarray, shape (L, R)
        Balances in whole tokens (not raw units).
    names : tuple of str
        Borrower ids.
    """

    reserves: tuple[str, ...]
    collateral: Floats
    debt: Floats
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        shape = (len(self.names), len(self.reserves))
        check_shape("collateral", self.collateral, shape)
        check_shape("debt", self.debt, shape)
        for name, balance in (("collateral", self.collateral), ("debt", self.debt)):
            if not (balance >= 0).all():
                raise ValueError(f"{name} must hold non-negative finite balances, got {balance.min()!r}")
