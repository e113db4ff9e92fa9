"""`Columns`: the outcome columns of a finished run as measures read them."""

from collections.abc import Iterator

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.blocks import Block
from riskengine.engine.outcomes import Key
from riskengine.engine.store import BlockStore
from riskengine.errors import RunError


class Columns:
    """Columns over all blocks, without the paths that failed numerically.

    Failed paths stay in the block files and are counted in the result; a figure's own `n` says how many paths it rests
    on.  Their number is bounded by the study, so leaving them out cannot move a figure by more than that share.

    Parameters
    ----------
    store : BlockStore
    blocks : list of Block
    allowed : float
        Share of paths that may have failed.

    Raises
    ------
    RunError
        Where more did, or fewer than two are left.
    """

    def __init__(self, store: BlockStore, blocks: list[Block], allowed: float):
        self._store, self._blocks = store, blocks
        failed = store.failed(blocks)
        self.failures = {"paths": int(failed.sum()), "share": float(failed.mean())}
        if self.failures["share"] > allowed:
            raise RunError(
                f"{self.failures['paths']} of {failed.size} paths failed numerically ({self.failures['share']:.3%}), "
                f"more than the stated share of {allowed:.3%}; the first is path {int(np.argmax(failed))}"
            )
        self._good = None if not failed.any() else ~failed
        if failed.size - failed.sum() < 2:
            raise RunError(f"figures need at least two good paths, got {failed.size - failed.sum()}")
        self.keys: tuple[Key, ...] = store.keys(blocks[0])

    def _keep(self, column: Floats) -> Floats:
        return column if self._good is None else column[self._good]

    def each(self) -> Iterator[tuple[Key, Floats]]:
        """(key, column) in stored order; a few columns at a time are held in memory."""
        for key, column in self._store.columns(self._blocks):
            yield key, self._keep(column)

    def select(self, *keys: Key) -> list[Floats]:
        """The columns `keys`: for figures that join several."""
        return [self._keep(column) for column in self._store.select(self._blocks, list(keys))]
