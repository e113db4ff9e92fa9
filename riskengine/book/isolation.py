"""Cross and isolated margin: an account whose parts are margined apart becomes one account for each of them.

``cross``     all positions and all collateral stand together.
``asset``     the positions and coins of each asset stand together, apart from those of other assets.
``position``  each position stands alone; coins of an asset go with its positions, in proportion to their size.

What is apart has collateral of its own, so a gain here does not pay for a loss there, is called by itself and is closed
by itself: exactly what separate accounts are, which is why nothing else in the engine knows of isolation.  USD cash is
shared in proportion to notional at the reference spot.  Positions, coins and cash add up to those of the account.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.portfolio import Portfolio

Margining = Literal["cross", "asset", "position"]


def isolated(book: Portfolio, choices: Sequence[Margining], spot: Floats) -> Portfolio:
    """The book with every account split as `choices` says, one a account; parts are named after what they hold.

    Parameters
    ----------
    book : Portfolio
    choices : sequence of {"cross", "asset", "position"}
    spot : ndarray, shape (A,)
        USD; matters only where an account is split.
    """
    sizes = book.sizes(spot)
    rows = [part for k, choice in enumerate(choices) for part in _parts(book, k, choice, spot, sizes[k])]
    quantity, cash, owner, names = zip(*rows, strict=True)
    return replace(
        book,
        quantity=np.array(quantity),
        entry=np.where(np.array(quantity) != 0.0, book.entry[list(owner)], 0.0),
        cash=np.array(cash),
        names=names,
        kinds=tuple(book.kinds[k] for k in owner),
    )


def _parts(
    book: Portfolio, k: int, choice: Margining, spot: Floats, sizes: Floats
) -> list[tuple[Floats, Floats, int, str]]:
    """(quantity, cash, account, name) of each part of account `k`, whose positions are of `sizes` (M,) coins."""
    quantity, cash = book.quantity[k], book.cash[k]
    whole = [(quantity, cash, k, book.names[k])]
    if choice == "cross":
        return whole
    held = np.flatnonzero(quantity)
    owner = book.asset_index
    if choice == "asset":
        groups = [(a, held[owner[held] == a], book.assets[a]) for a in range(len(book.assets))]
    else:
        groups = [(int(owner[m]), np.array([m]), book.instruments[m].name) for m in held]
        groups += [(a, held[:0], f"{name} coins") for a, name in enumerate(book.assets) if not (owner[held] == a).any()]
    groups = [g for g in groups if g[1].size or cash[1 + g[0]] != 0.0]
    if len(groups) < 2:
        return whole
    size = np.array([sizes[m].sum() for _, m, _ in groups])
    asset = np.array([a for a, _, _ in groups])
    notional = size * spot[asset]
    share = notional / notional.sum() if notional.any() else np.full(len(groups), 1.0 / len(groups))
    out = []
    for i, (a, members, name) in enumerate(groups):
        own, money = np.zeros_like(quantity), np.zeros_like(cash)
        own[members] = quantity[members]
        money[0] = share[i] * cash[0]
        among = size[asset == a].sum()
        money[1 + a] = cash[1 + a] * (size[i] / among if among else 1.0)
        out.append((own, money, k, f"{book.names[k]} {name}"))
    return out
