"""What a venue's name of an instrument says: asset, settlement, expiry and strike, without any size or price."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

# every venue read here lets its dated contracts expire at this hour, UTC
_HOUR = 8
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True)
class Terms:
    """Terms of one instrument of a venue.

    Attributes
    ----------
    asset : str
    kind : {"perpetual", "future", "option"}
    currency : str
        What it settles in: the asset itself (inverse) or a dollar (linear).
    expiry : int or None
        Unix seconds.
    strike : float or None
        USD.
    type : {"call", "put"} or None
    """

    asset: str
    kind: Literal["perpetual", "future", "option"]
    currency: str
    expiry: int | None = None
    strike: float | None = None
    type: Literal["call", "put"] | None = None

    @property
    def settlement(self) -> Literal["linear", "inverse"]:
        """Whether it settles in dollars or in its own coin."""
        return "inverse" if self.currency == self.asset else "linear"


def dated(asset: str, currency: str, day: str, strike: str = "", side: str = "") -> Terms | None:
    """A future, or an option where there is a strike; None where the day, strike or side is none.

    Parameters
    ----------
    asset, currency, day : str
        The day as ``27MAR26``, ``260327`` or ``20260327``.
    strike : str
        A number; ``0d55`` is 0.55, as `Deribit <https://docs.deribit.com>`_ writes it.
    side : str
        ``C`` or ``P``.
    """
    expiry = _expiry(day)
    if expiry is None:
        return None
    if not strike and not side:
        return Terms(asset, "future", currency, expiry)
    text = strike.replace("d", ".")
    if side not in ("C", "P") or not re.fullmatch(r"\d+(\.\d+)?", text) or float(text) <= 0.0:
        return None
    return Terms(asset, "option", currency, expiry, float(text), "call" if side == "C" else "put")


def _expiry(day: str) -> int | None:
    named = re.fullmatch(r"(\d{1,2})([A-Z]{3})(\d{2})", day)
    try:
        if named:
            parts = 2000 + int(named[3]), _MONTHS.index(named[2]) + 1, int(named[1])
        elif re.fullmatch(r"\d{6}|\d{8}", day):
            parts = int(day[:-4]) + (2000 if len(day) == 6 else 0), int(day[-4:-2]), int(day[-2:])
        else:
            return None
        return int(datetime(*parts, _HOUR, tzinfo=UTC).timestamp())
    except ValueError:
        return None
