"""What each position adds to a requirement: left out, and at the margin.

    left out:     M(account) - M(account without the position)
    at the margin: q dM/dq, by a central difference of one part in 10^5

A hedge has negative figures.  Left-out figures need not add up to the requirement: two positions that offset each other
are each worth more than half.  Marginal ones do, where the model is proportional to size (Euler's theorem).  At a kink,
where two scenarios bind equally or a perfect hedge requires nothing, more and less of a position are two different
questions and there is no marginal figure.  Reference: Tasche, Risk contributions and performance measurement (1999).
"""

from dataclasses import dataclass, replace

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.portfolio import Portfolio

_STEP = 1e-5


@dataclass(frozen=True)
class Position:
    """One position of an account: number of the account, name of instrument or coin, signed coins."""

    account: int
    name: str
    quantity: float


@dataclass(frozen=True)
class Variants:
    """A book and, as further accounts, each account without each of its positions and with slightly more and less.

    Attributes
    ----------
    book : Portfolio
        The accounts, then three for each of `positions`.
    accounts : int
        How many are the original ones.
    positions : tuple of Position
    """

    book: Portfolio
    accounts: int
    positions: tuple[Position, ...]

    def contributions(self, requirement: Floats) -> tuple[Floats, Floats]:
        """(left out, at the margin) of each position, shape (N, P) each, from requirements of `book`, shape (K, P).

        The second is NaN at a kink.
        """
        owner = np.array([p.account for p in self.positions], dtype=np.int64)
        without, more, less = requirement[self.accounts :].reshape(-1, 3, requirement.shape[1]).transpose(1, 0, 2)
        now = requirement[owner]
        up, down = more - now, now - less
        kink = np.abs(up - down) > 0.01 * (np.abs(up) + np.abs(down)) + 1e-12 * np.abs(now)
        return now - without, np.where(kink, np.nan, (more - less) / (2.0 * _STEP))


def variants(book: Portfolio) -> Variants:
    """The accounts of `book` with what `Variants.contributions` needs beside them."""
    quantity, cash, positions = [*book.quantity], [*book.cash], []
    for k in range(book.accounts):
        held = [(m, x.name, quantity) for m, x in enumerate(book.instruments)]
        held += [(1 + a, f"{asset} coins", cash) for a, asset in enumerate(book.assets)]
        for column, name, rows in held:
            amount = float(rows[k][column])
            if amount == 0.0:
                continue
            positions.append(Position(k, name, amount))
            for factor in (0.0, 1.0 + _STEP, 1.0 - _STEP):
                quantity.append(book.quantity[k].copy())
                cash.append(book.cash[k].copy())
                rows[-1][column] = factor * amount
    owner = [*range(book.accounts), *np.repeat([p.account for p in positions], 3).astype(int)]
    grown = replace(
        book,
        quantity=np.array(quantity),
        entry=np.ascontiguousarray(book.entry[owner]),
        cash=np.array(cash),
        names=tuple(book.names[k] if n < book.accounts else f"{book.names[k]} {n}" for n, k in enumerate(owner)),
        kinds=tuple(book.kinds[k] for k in owner),
    )
    return Variants(grown, book.accounts, tuple(positions))
