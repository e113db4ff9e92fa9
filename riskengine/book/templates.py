"""Accounts declared by what they are, not by instruments: legs by delta or moneyness and tenor, struck on a chain.

On a recorded chain a template is struck afresh at the start of every margin period: each option leg takes the listed
expiry nearest to its tenor (in log time) and on it the strike nearest to its delta or its moneyness (strike over the
forward of the expiry).  On a world it is struck at time 0, see `riskengine.book.generated`.
"""

from dataclasses import dataclass
from typing import Literal

from riskengine.arrays import check_range


@dataclass(frozen=True)
class Leg:
    """One position of a template.

    Attributes
    ----------
    instrument : {"call", "put", "perpetual", "coin", "future"}
        Recorded chains list no futures.
    quantity : float
        Coins, + long, - short.
    days : float, optional
        Tenor of an option or a future.
    delta : float, optional
        Black-76 forward delta in size, such as 0.25; this or `moneyness` places the strike of an option.
    moneyness : float, optional
        Strike over forward.
    """

    instrument: Literal["call", "put", "perpetual", "coin", "future"]
    quantity: float
    days: float | None = None
    delta: float | None = None
    moneyness: float | None = None

    def __post_init__(self) -> None:
        check_range("quantity", self.quantity, -1e6, 1e6)
        if self.quantity == 0.0:
            raise ValueError("quantity must not be zero")
        placed = [name for name in ("delta", "moneyness") if getattr(self, name) is not None]
        if not self.is_option:
            dated = self.instrument == "future"
            given = [*(["days"] if self.days is not None and not dated else []), *placed]
            if given:
                raise ValueError(f"{', '.join(given)} must not be given for a {self.instrument}")
            if dated:
                check_range("days of a future", self.days or 0.0, 0.0, 3650.0, open_low=True)
            return
        if self.days is None or len(placed) != 1:
            got = " and ".join(placed) or "neither"
            raise ValueError(f"a {self.instrument} must have days and one of delta and moneyness, got {got}")
        check_range("days", self.days, 0.0, 3650.0, open_low=True)
        if self.delta is not None:
            check_range("delta", self.delta, 0.0, 1.0, open_low=True, open_high=True)
        if self.moneyness is not None:
            check_range("moneyness", self.moneyness, 0.0, 20.0, open_low=True)

    @property
    def is_option(self) -> bool:
        """Whether it has a strike and an expiry."""
        return self.instrument in ("call", "put")

    @property
    def sign(self) -> float:
        """+1 for a call, -1 for a put."""
        return 1.0 if self.instrument == "call" else -1.0


@dataclass(frozen=True)
class AccountTemplate:
    """An account of a recognisable kind.

    Attributes
    ----------
    name : str
    kind : str
        What it is an example of.
    legs : tuple of Leg
    delta_hedged : bool
        Whether a perpetual takes the delta of the whole to zero when the account is struck.
    """

    name: str
    kind: Literal[
        "outright", "naked_short", "covered", "straddle", "strangle", "delta_hedged", "condor", "butterfly",
        "risk_reversal", "calendar", "ratio_spread", "spread", "basis", "long_option", "market_maker",
        "directional_long", "directional_short", "covered_call_vault", "cash_and_carry", "protective_put",
        "strangle_seller", "collar", "box", "whale",
    ]  # fmt: skip
    legs: tuple[Leg, ...]
    delta_hedged: bool = False

    def __post_init__(self) -> None:
        if not self.legs:
            raise ValueError(f"legs of {self.name} must hold at least one position, got none")

    @property
    def coins(self) -> float:
        """Size of the account, coins: its largest leg.  Requirements are told as a share of this times spot."""
        return max(abs(leg.quantity) for leg in self.legs)
