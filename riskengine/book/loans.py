"""`Loans`: borrowers x assets, collateral and debt."""

from dataclasses import dataclass, field
from typing import Any

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
    stated_health : ndarray, shape (L,), or None
        Health factors that the source of the book states.
    origin : dict
        Of an imported or synthetic book: the words that describe it, with ``file`` and ``sha256`` of a file once it was
        read; else empty.
    """

    reserves: tuple[str, ...]
    collateral: Floats
    debt: Floats
    names: tuple[str, ...]
    stated_health: Floats | None = None
    origin: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.names), len(self.reserves))
        check_shape("collateral", self.collateral, shape)
        check_shape("debt", self.debt, shape)
        for name, balance in (("collateral", self.collateral), ("debt", self.debt)):
            if not (balance >= 0).all():
                raise ValueError(f"{name} must hold non-negative finite balances, got {balance.min()!r}")

    @property
    def awaited(self) -> bool:
        """Whether this is an imported book whose file is still to be given."""
        return bool(self.origin) and not self.names
