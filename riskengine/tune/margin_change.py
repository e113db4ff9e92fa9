"""What moved a requirement from yesterday to today: time, market, implied volatility, positions, parameters.

The requirement is a function of the five, each as it was or as it is.  What one contributes is the mean, over all 120
orders in which they could have changed, of what the requirement does when it changes: its Shapley value,

    phi_i = sum over groups S without i of |S|! (4 - |S|)! / 5! (M(S and i) - M(S)),

so that contributions add up to the whole change exactly, whatever the interplay, and no order is preferred.  Reference:
Shapley, A value for n-person games (1953).
"""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.portfolio import Portfolio
from riskengine.engine.today import Today
from riskengine.instrument.terms import Instrument
from riskengine.roles import MarginModel
from riskengine.scenario.world import World
from riskengine.tune.sensitivity import shapley_from_explained

CAUSES = ("time", "market", "implied volatility", "positions", "parameters")


@dataclass(frozen=True)
class Day:
    """A book under a model in a market.

    Attributes
    ----------
    book : Portfolio
        Expiries count from the day itself.
    model : MarginModel
    spot : ndarray, shape (A,)
        Factor on the world's prices.
    volatility : ndarray, shape (A,)
        Factor on the world's implied volatility (on the square root of its variance state).
    """

    book: Portfolio
    model: MarginModel
    spot: Floats
    volatility: Floats


@dataclass(frozen=True)
class MarginChange:
    """Change of the initial margin of each account in USD.

    Attributes
    ----------
    accounts : tuple of str
        Of both days, those of yesterday first.
    before, after : ndarray, shape (K,)
        0 for an account that was not there.
    contributions : ndarray, shape (K, 5)
        By `CAUSES`; each row adds up to after - before.
    """

    accounts: tuple[str, ...]
    before: Floats
    after: Floats
    contributions: Floats


def margin_change(
    world: World, before: Day, after: Day, hours: float, windows: int = 500, seed: int = 1
) -> MarginChange:
    """Attribute the change of every account's initial margin, at the first level of the models.

    Parameters
    ----------
    world : World
    before, after : Day
    hours : float
        Between the two.
    windows, seed : int
        Of models that read a window of returns.

    Raises
    ------
    ValueError
        Where an option of yesterday has expired since, a book is marked by a venue, the world's volatility does not
        move, or a model cannot take a book.
    """
    for day in (before, after):
        if day.book.marks is not None:
            raise ValueError("books must be valued by the world, got one that a venue has marked")
    gone = [x.name for x in before.book.instruments if getattr(x, "expiry_hours", np.inf) <= hours]
    if gone:
        raise ValueError(
            f"instruments must outlive {hours:g} h, got {', '.join(gone)}: what expired is no position today"
        )
    if world.surface.static and (before.volatility != after.volatility).any():
        raise ValueError("implied volatility must be the same on both days where the world's surface is static")
    old, new = _joined(before.book, shifted(after.book, hours))

    def asked(group: tuple[int, ...]) -> Floats:
        changed = {CAUSES[i] for i in group}
        day = after if "parameters" in changed else before
        today = Today(day.model, world, getattr(day.model, "margin_period_hours", 24.0), windows, seed)
        return today.moved(
            new if "positions" in changed else old,
            (after if "market" in changed else before).spot,
            (after if "implied volatility" in changed else before).volatility,
            hours if "time" in changed else 0.0,
        )

    count = len(CAUSES)
    value = {g: asked(g) for size in range(count + 1) for g in combinations(range(count), size)}
    rows = [shapley_from_explained(lambda g, k=k: float(value[g][k]), count) for k in range(old.accounts)]
    return MarginChange(old.names, value[()], value[tuple(range(count))], np.array(rows))


def shifted(book: Portfolio, hours: float) -> Portfolio:
    """The book with every expiry `hours` later (earlier where negative), as counted from its own time 0."""
    moved = tuple(
        replace(x, expiry_hours=x.expiry_hours + hours) if hasattr(x, "expiry_hours") else x for x in book.instruments
    )
    return replace(book, instruments=moved)


def _joined(old: Portfolio, new: Portfolio) -> tuple[Portfolio, Portfolio]:
    """Both books over the same accounts and instruments."""
    instruments = tuple(dict.fromkeys((*old.instruments, *new.instruments)))
    names = tuple(dict.fromkeys((*old.names, *new.names)))
    return _over(old, instruments, names), _over(new, instruments, names)


def _over(book: Portfolio, instruments: tuple[Instrument, ...], names: tuple[str, ...]) -> Portfolio:
    quantity, entry = np.zeros((2, len(names), len(instruments)))
    cash = np.zeros((len(names), book.cash.shape[1]))
    rows = [names.index(n) for n in book.names]
    columns = [instruments.index(x) for x in book.instruments]
    quantity[np.ix_(rows, columns)], entry[np.ix_(rows, columns)] = book.quantity, book.entry
    cash[rows] = book.cash
    kinds = dict(zip(book.names, book.kinds, strict=True))
    return replace(
        book, instruments=instruments, quantity=quantity, entry=entry, cash=cash, names=names,
        kinds=tuple(kinds.get(n, "account") for n in names),
    )  # fmt: skip
