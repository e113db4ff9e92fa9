"""Bad debt by the token that is owed.

Debt written off counts for the tokens that it was owed in.  What a loan i with collateral C_i and debts D_ir at the
prices of the close falls short by, D_i - C_i, is shared over its debts in proportion to them:
``sum_i (D_i - C_i)+ D_ir / D_i`` for token r.  A book that owes one token owes all of it in that one: nothing is split.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.jit import kernel, wide_vectors
from riskengine.lending.closing import worth
from riskengine.lending.due import GROUP
from riskengine.lending.sale import REPAID_OF

if TYPE_CHECKING:
    from riskengine.lending.block_market import BookState


def split(tokens: Sequence[Any], debt: Floats, paths: int) -> dict[str, Any]:
    """What `BookState.own` keeps of a book that owes `debt` (L, R) in several of `tokens`; nothing for one token.

    ``owed``: the row of each token owed, by its symbol; ``written_off`` (R, P): USD of each token written off so far.
    """
    owed = {tokens[r].symbol: int(r) for r in np.flatnonzero(debt.any(axis=0))}
    return {"owed": owed, "written_off": np.zeros((len(tokens), paths))} if len(owed) > 1 else {}


def empty_sums(state: "BookState", paths: int) -> Floats:
    """Zeros for a step's sums (K, P): with pools, or with several tokens owed, a row per token for what was repaid of
    it, and in the latter case another for what was written off of it."""
    blocks = 2 if "owed" in state.own else 1 if "pools" in state.own else 0
    return np.zeros((REPAID_OF + blocks * len(state.reserve_asset), paths))


def write_off(state: "BookState", sums: Floats) -> None:
    """Keep what a step wrote off."""
    if "owed" in state.own:
        state.own["written_off"] += sums[REPAID_OF + len(state.reserve_asset) :]


@kernel
def share_out(start_collateral, start_debt, collateral, debt, touched, enabled, owing, out, room):
    """Add to `out` (R, P) what each loan falls short by, shared over its debts; arguments as of `closing.stand`."""
    wide_vectors()
    tokens, lanes = owing.shape
    held, owed = room[0], room[1]
    for low in range(0, lanes, GROUP):
        width = min(GROUP, lanes - low)
        for loan in range(touched.size):
            filled = touched[loan] > 0
            worth(loan, start_collateral, collateral, filled, enabled, low, width, held)
            worth(loan, start_debt, debt, filled, owing, low, width, owed)
            number = 0
            for p in range(width):
                gap = owed[p] - held[p]
                # the NaN of a failed path stays one
                number += 0 if gap <= 0.0 else 1
                held[p] = 0.0 if gap <= 0.0 else gap / owed[p]
            if number == 0:
                continue
            for r in range(tokens):
                own, price = out[r, low : low + width], owing[r, low : low + width]
                for p in range(width):
                    balance = debt[loan, r, low + p] if filled else start_debt[loan, r]
                    own[p] += held[p] * (balance * price[p])


def bad_debt_by_token(state: "BookState", spot: Floats) -> dict[str, Floats]:
    """USD of bad debt at prices `spot` (A, P) in each token owed, (P,); empty for a book that owes one token.

    They add up to the ``bad_debt`` of `BlockMarket.close`.
    """
    if "owed" not in state.own:
        return {}
    price, out = state.prices(spot), state.own["written_off"].copy()
    held = (state.indices[0] * (state.parameters[0] > 0))[:, None] * price
    book = state.start_collateral, state.start_debt, state.collateral_lanes, state.debt_lanes, state.touched
    share_out(*book, held, state.indices[1][:, None] * price, out, np.empty((2, GROUP)))
    return {symbol: out[r] for symbol, r in state.own["owed"].items()}
