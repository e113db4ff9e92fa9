"""The step loop: margin accounts and lending markets in one market; with feedback each shocks the other."""

from typing import Protocol

import numpy as np

from riskengine.arrays import Floats
from riskengine.market.paths import MarketPaths


class Participant(Protocol):
    """Someone who lives on a path and may sell into the market.

    One whose sales move the price for good has `moved`: the log-price that those of the last step moved, (A, P), beside
    what the coins it reports sold move; None for nothing.  One who can make use of knowing that nothing moves the
    prices has `foresee`, called before the first step.
    """

    def step(self, step: int, spot: Floats) -> Floats | None:
        """Live through one step at prices `spot` (A, P); return net coins sold (A, P), or None for nothing."""


class Impact:
    """Decaying log-price impact that sales leave behind, carried on top of exogenous paths.

    A sale of q coins at price S moves the log-price by ``-0.01 q S / depth``; what is left of it halves every
    `half_life` steps.

    Parameters
    ----------
    depth : ndarray, shape (A,)
        USD that moves the price by one percent.
    half_life : float
        In steps.
    """

    def __init__(self, depth: Floats, half_life: float):
        self._per_usd = 0.01 / np.asarray(depth)[:, None]
        self._keep = 0.5 ** (1.0 / half_life)

    def after(self, impact: Floats, sold: Floats, spot: Floats, relative_depth: Floats | None = None) -> Floats:
        """Log-impact at the next step; `relative_depth` (A, P) is the depth now relative to the one given."""
        moved = self._per_usd * sold * spot
        return (impact - (moved if relative_depth is None else moved / relative_depth)) * self._keep


def run_loop(paths: MarketPaths, participants: list[Participant], impact: Impact | None = None) -> None:
    """Walk `participants` through the block.

    Without `impact` the participants see the exogenous prices themselves, so switching feedback off recovers the
    uncoupled result exactly; with it, all of them see prices moved by what any of them sold.
    """
    displaced = np.zeros(paths.spot_lanes.shape[1:])
    for_good = np.zeros_like(displaced)
    for participant in participants if impact is None else ():
        foresee = getattr(participant, "foresee", None)
        if foresee is not None:
            foresee()
    for step in range(paths.grid.steps + 1):
        spot = paths.spot_lanes[step] if impact is None else paths.spot_lanes[step] * np.exp(displaced + for_good)
        sold = np.zeros_like(displaced)
        for participant in participants:
            sales = participant.step(step, spot)
            if sales is not None:
                sold += sales
            moved = getattr(participant, "moved", None)
            if moved is not None:
                for_good += moved
        if impact is not None:
            depth = paths.depth_lanes
            displaced = impact.after(displaced, sold, spot, None if depth is None else depth[step])
