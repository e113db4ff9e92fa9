"""`Reaction`: what borrowers do before keepers come: add collateral, or sell some of it to repay debt.

An attentive borrower whose loan is still healthy on the protocol's oracle, but whose health factor h = W / D is below a
trigger, restores a target t, before keepers act in the same step.  With W the collateral times its thresholds, C its
value and D the debt, all at oracle prices:

    top_up      every collateral grows by the factor t D / W
    deleverage  v = (t D - W) / (t - W / C) of collateral is sold at the oracle price and repays as much of D

A loan that falls through the trigger and through 1 in one step is left to the keepers.  Sales of `deleverage` are
reported as sold, so they move prices where feedback is on; a borrower pays no slippage.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.jit import kernel, wide_vectors
from riskengine.lending.due import LESS


@dataclass(frozen=True)
class Reaction:
    """How borrowers react.

    Attributes
    ----------
    action : {"top_up", "deleverage"}
    trigger : float
        Health factor below which a borrower acts.
    target : float
        Health factor that is restored; above the trigger.
    attentive_share : float
        Share of borrowers who act at all; who they are follows from their names, not from their order.
    most_added : float
        With ``top_up``: what a borrower may hold at most, as a multiple of the collateral at the start.
    """

    action: Literal["top_up", "deleverage"]
    trigger: float = 1.1
    target: float = 1.25
    attentive_share: float = 0.5
    most_added: float = 2.0

    def __post_init__(self) -> None:
        check_range("trigger", self.trigger, 1.0, 10.0, open_low=True)
        check_range("target", self.target, self.trigger, 100.0, open_low=True)
        check_range("attentive_share", self.attentive_share, 0.0, 1.0)
        check_range("most_added", self.most_added, 1.0, 1e6)

    def attentive(self, names: tuple[str, ...]) -> np.ndarray:
        """Who of `names` acts, uint8, shape (borrowers,): a name acts or not whatever the book around it."""
        drawn = [int.from_bytes(sha256(name.encode()).digest()[:8], "big") for name in names]
        return np.array([d < self.attentive_share * 2.0**64 for d in drawn], dtype=np.uint8)

    def act(self, state, attentive: np.ndarray, reacted: np.ndarray, published: Floats, sold: Floats) -> None:
        """Let borrowers act on the block of `state` at oracle prices `published` (R, P).

        Changes balances; marks who acted in `reacted` (borrowers, P) and adds coins sold to `sold` (A, P).
        """
        react(
            self.action == "deleverage",
            self.trigger,
            self.target,
            self.most_added,
            attentive,
            reacted,
            state.owner,
            state.start_collateral,
            state.start_debt,
            state.collateral_lanes,
            state.debt_lanes,
            state.touched,
            state.indices,
            state.parameters[0],
            state.reserve_asset,
            published,
            sold,
        )


@kernel
def react(
    sells,
    trigger,
    target,
    most,
    attentive,
    reacted,
    owner,
    start_collateral,
    start_debt,
    collateral,
    debt,
    touched,
    indices,
    threshold,
    reserve_asset,
    oracle,
    sold,
):
    """One step of reaction on all loans and lanes; arrays as in `riskengine.lending.due.find_due`."""
    wide_vectors()
    reserves, lanes = oracle.shape
    for loan in range(touched.size):
        if attentive[owner[loan]] == 0:
            continue
        for p in range(lanes):
            own = touched[loan] > 0
            weighted = 0.0
            value = 0.0
            owed = 0.0
            base = 0.0
            for r in range(reserves):
                held = collateral[loan, r, p] if own else start_collateral[loan, r]
                due = debt[loan, r, p] if own else start_debt[loan, r]
                worth = held * indices[0, r] * oracle[r, p] * (1.0 if threshold[r] > 0.0 else 0.0)
                weighted += worth * threshold[r]
                value += worth
                owed += due * indices[1, r] * oracle[r, p]
                base += start_collateral[loan, r] * indices[0, r] * oracle[r, p] * threshold[r]
            # comparisons with the NaN of a failed path are false: nobody acts on it
            if not (owed > 0.0 and weighted >= owed * LESS and weighted < trigger * owed):
                continue
            if sells:
                paid = (target * owed - weighted) / (target - weighted / value)
                paid = min(paid, owed, value)
                keep = 1.0 - paid / value
                left = 1.0 - paid / owed
            else:
                keep = min(target * owed / weighted, most * base / weighted)
                left = 1.0
                if not keep > 1.0:
                    continue
            if not own:
                for r in range(reserves):
                    for q in range(lanes):
                        collateral[loan, r, q] = start_collateral[loan, r]
                        debt[loan, r, q] = start_debt[loan, r]
            touched[loan] = 2
            reacted[owner[loan], p] = 1
            for r in range(reserves):
                if threshold[r] > 0.0:
                    if sells and reserve_asset[r] >= 0:
                        sold[reserve_asset[r], p] += collateral[loan, r, p] * indices[0, r] * (1.0 - keep)
                    collateral[loan, r, p] *= keep
                debt[loan, r, p] *= left
