"""`Token`, and what markets with one borrowed token ask of a borrower book."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from riskengine.arrays import check_range
from riskengine.book.loans import Loans
from riskengine.lending.wrapping import Wrapping, check_wraps
from riskengine.pricing.fixed_point import WAD


@dataclass(frozen=True)
class Token:
    """A token that a market lists.

    Attributes
    ----------
    symbol : str
    asset : str or None
        Market asset whose price the token follows (WBTC follows BTC); None where the price is fixed.
    decimals : int
        Of the token's raw units.
    price : float
        USD, where `asset` is None.
    wraps : Wrapping or None
        What a token is made of that is not one coin of its asset.
    """

    symbol: str
    asset: str | None
    decimals: int
    price: float = 1.0
    wraps: Wrapping | None = field(default=None, kw_only=True, metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        check_range(f"{self.symbol} decimals", self.decimals, 0, 36)
        check_range(f"{self.symbol} price", self.price, 0.0, float("inf"), open_low=True, open_high=True)
        check_wraps(self)


def check_listed(collaterals: Sequence[Any], borrowed: Token) -> None:
    """ValueError unless at least one collateral is listed, each once, and none is the borrowed token."""
    symbols = [c.symbol for c in collaterals]
    if not symbols or len(set(symbols)) != len(symbols) or borrowed.symbol in symbols:
        raise ValueError(
            f"collaterals must hold at least one token, each once and not {borrowed.symbol}, got {symbols}"
        )


def check_order(symbol: str, low: str, low_value: float, high: str, high_value: float) -> None:
    """ValueError unless 0 <= `low_value` <= `high_value` < 1."""
    check_range(f"{symbol} {low}", low_value, 0.0, 1.0)
    check_range(f"{symbol} {high}", high_value, 0.0, 1.0, open_high=True)
    if high_value < low_value:
        raise ValueError(f"{symbol} {high} must be at least {low} {low_value:g}, got {high_value:g}")


def moved(token: Any, shift: float, threshold: str, borrowing: str | None = None) -> Any:
    """`token` with the field `threshold` moved by `shift`, on a grid of 1e-10 so that 0.83 - 0.03 is 0.8.

    The field `borrowing` comes down to the new threshold where it is above it.  ValueError, naming the threshold, where
    that leaves [0, 1).
    """
    new = round(getattr(token, threshold) + shift, 10)
    if not 0.0 <= new < 1.0:
        raise ValueError(f"liquidation threshold of {token.symbol} must lie in [0, 1), got {new:g}")
    lower = {} if borrowing is None else {borrowing: min(getattr(token, borrowing), new)}
    return replace(token, **{threshold: new}, **lower)


def wad(value: float) -> int:
    """`value` as WAD, to the ten digits that a parameter is written with."""
    return round(value * 10**10) * (WAD // 10**10)


def one_debt_book(loans: Loans, collaterals: Sequence[Any], borrowed: Token) -> list[Any]:
    """The listed token of each column of `loans`; ValueError where a token is not listed, or used on the wrong side."""
    listed = {c.symbol: c for c in collaterals} | {borrowed.symbol: borrowed}
    for r, symbol in enumerate(loans.reserves):
        if symbol not in listed:
            raise ValueError(f"reserve must be one of {list(listed)}, got {symbol!r}")
        if symbol != borrowed.symbol and loans.debt[:, r].any():
            raise ValueError(f"debt must be in {borrowed.symbol} only, got debt in {symbol}")
    if borrowed.symbol not in loans.reserves:
        raise ValueError(f"reserves of the book must hold the borrowed token {borrowed.symbol}, got {loans.reserves}")
    found = [listed[s] for s in loans.reserves]
    if borrowed in found and loans.collateral[:, found.index(borrowed)].any():
        raise ValueError(f"collateral must not be the borrowed token {borrowed.symbol}")
    return found


def check_name(name: str | None) -> None:
    """ValueError unless `name` is one that reports show as it is, and that is no kind of market."""
    if name is None or 0 < len(name) <= 60 and name[0] == name[0].upper() and "_" not in name:
        return
    said = "name must be 1 to 60 characters without underscore, a first letter being a capital"
    raise ValueError(f"{said}, got {name!r}")
