"""Default waterfall: who pays what an insolvent account owes.

The insurance fund pays first; what is left once it is empty is socialised over the accounts with equity, in
proportion to it.  Everything is per lane, and conserved: shortfall = paid by the fund + socialised.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats


@dataclass(frozen=True)
class Draw:
    """One call on the insurance fund, per lane.

    Attributes
    ----------
    fund : ndarray, shape (P,)
        Fund after the draw, USD.
    paid : ndarray, shape (P,)
        Paid by the fund.
    socialised : ndarray, shape (P,)
        Left for other accounts.
    """

    fund: Floats
    paid: Floats
    socialised: Floats

    @property
    def exhausted(self) -> np.ndarray:
        """Whether a loss was left after the fund had paid, shape (P,)."""
        return self.socialised > 0.0


def draw(fund: Floats, shortfall: Floats) -> Draw:
    """Let the fund meet `shortfall`.

    Parameters
    ----------
    fund : ndarray, shape (P,)
        Size of the fund, USD, not negative.
    shortfall : ndarray, shape (P,)
        Owed by insolvent accounts, USD, not negative.
    """
    paid = np.minimum(fund, shortfall)
    return Draw(fund - paid, paid, shortfall - paid)


def socialise(loss: Floats, equity: Floats) -> Floats:
    """Charge of each account, shape (K, P), for `loss` (P,): in proportion to positive equity.

    Never more than the equity there is; where no account has equity nothing is charged, and the loss stays with the
    venue: ``loss - charge.sum(axis=0)``.
    """
    standing = np.maximum(equity, 0.0)
    total = standing.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(total > 0.0, np.minimum(loss / total, 1.0), 0.0)
    return standing * share
