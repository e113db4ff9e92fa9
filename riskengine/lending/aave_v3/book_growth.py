"""`BookGrowth`: how large the book is under other caps and rate curves, borrower by borrower.

A cap stops new supply and new debt and touches nothing that is there, so it decides how far a book may grow; a curve
decides how much debt is wanted (`riskengine.rates.equilibrium`).  The people are the same under every parameter set:
each keeps the composition and the health that they start with, and only the size of the whole position differs,

    m = min( demand * q,  max(1, room) ),     room = least of cap / (what is there today)

over the tokens that a loan supplies (supply caps) and borrows (borrow caps); q is the debt that borrowers want of what
they want today, the mean over the tokens they owe.  A lowered cap shrinks nobody; who wants less than today gets it.
Room is shared in proportion to today's positions, and who is stopped by one cap leaves their share of another unused.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.book.loans import Loans
from riskengine.lending.aave_v3.rules import AaveV3Rules
from riskengine.rates.equilibrium import settled

# cap -> field that says what is there today
_THERE = {"supply_cap": "supplied", "borrow_cap": "borrowed"}


@dataclass(frozen=True)
class BookGrowth:
    """What borrowers and suppliers want.

    Attributes
    ----------
    demand : float
        Size that the book would grow to at today's rates if no cap stopped it, as a multiple of today's.
    supplied, borrowed : dict of str to float
        Whole tokens that are in the market, and lent out, today; a token that is left out stands at its cap.
    borrower_elasticity, supplier_elasticity : float
        Fall of the debt wanted, and rise of the supply, in per cent for a rise of their rate by one per cent.
    """

    demand: float = 1.0
    supplied: dict[str, float] = field(default_factory=dict)
    borrowed: dict[str, float] = field(default_factory=dict)
    borrower_elasticity: float = 0.0
    supplier_elasticity: float = 0.0

    def __post_init__(self) -> None:
        check_range("demand", self.demand, 1.0, 1e3)
        check_range("borrower_elasticity", self.borrower_elasticity, 0.0, 10.0)
        check_range("supplier_elasticity", self.supplier_elasticity, 0.0, 10.0)
        for name in _THERE.values():
            for symbol, amount in getattr(self, name).items():
                check_range(f"{name} of {symbol}", amount, 0.0, 1e18, open_low=True)

    @property
    def said(self) -> str:
        """The rule in a sentence, for a report."""
        return (
            f"Each keeps composition and health: a position grows to {self.demand:g} times today's, less where a cap "
            "of a token it supplies or borrows leaves no room, and answers the rate it pays with elasticity "
            f"{self.borrower_elasticity:g}; suppliers answer theirs with {self.supplier_elasticity:g}. A lowered cap "
            "shrinks nobody."
        )

    def faults(self, now: AaveV3Rules, new: AaveV3Rules) -> list[str]:
        """Why the book's size under `new` cannot be told; empty where it can."""
        found = []
        for own in now.reserves:
            other = new.reserve(own.symbol)
            for cap, name in _THERE.items():
                there, asked = getattr(self, name).get(own.symbol), getattr(other, cap)
                if asked != getattr(own, cap) and self.demand == 1.0:
                    found.append(
                        f"growth demand must be above 1 where a cap of {own.symbol} changes: a cap stops growth only"
                    )
                if asked is not None and getattr(own, cap) is None and there is None:
                    found.append(f"growth {name} must say how much {own.symbol} there is, which has no cap today")
            if own.rates != other.rates and own.utilisation <= 0.0:
                found.append(f"{own.symbol} utilisation must be above 0 where its curve changes, got 0")
            try:
                self._settled(now, new, own.symbol)
            except ValueError as error:
                found.append(f"{own.symbol}: {error}")
        return found

    def _settled(self, now: AaveV3Rules, new: AaveV3Rules, symbol: str) -> tuple[float, float]:
        a, b = now.reserve(symbol), new.reserve(symbol)
        if a.rates == b.rates:
            return a.utilisation, 1.0
        return settled(a.rates, b.rates, a.utilisation, self.borrower_elasticity, self.supplier_elasticity)

    def market(self, now: AaveV3Rules, new: AaveV3Rules) -> AaveV3Rules:
        """`new` at the utilisation at which each reserve settles under its curve."""
        at = {r.symbol: self._settled(now, new, r.symbol)[0] for r in now.reserves}
        return replace(new, reserves=tuple(replace(r, utilisation=at[r.symbol]) for r in new.reserves))

    def sizes(self, now: AaveV3Rules, new: AaveV3Rules, loans: Loans, price: Floats) -> Floats:
        """Size of every loan under `new` as a multiple of today's, shape (L,); `price` (R,) is USD today."""
        wanted = np.array([self._settled(now, new, s)[1] for s in loans.reserves])
        owed = loans.debt * price
        total = owed.sum(axis=1)
        q = np.divide(owed @ wanted, total, out=np.ones(len(total)), where=total > 0)
        room = np.full(len(total), np.inf)
        for cap, held in (("supply_cap", loans.collateral), ("borrow_cap", loans.debt)):
            for r, symbol in enumerate(loans.reserves):
                limit = getattr(new.reserve(symbol), cap)
                if limit is not None:
                    there = getattr(self, _THERE[cap]).get(symbol, getattr(now.reserve(symbol), cap))
                    room = np.where(held[:, r] > 0, np.minimum(room, limit / there), room)
        size: Floats = np.minimum(self.demand * q, np.maximum(1.0, room))
        return size
