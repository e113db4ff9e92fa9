"""`Columns`: the outcome columns of a finished run as measures read them."""

from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.blocks import Block
from riskengine.engine.coverage import severity_name
from riskengine.engine.outcomes import WEIGHT, Key
from riskengine.engine.store import BlockStore
from riskengine.errors import RunError
from riskengine.scenario.proposal import Proposal
from riskengine.stats.control import ControlVariates, KnownMean
from riskengine.stats.figures import ControlledFigures, Figures, PlainFigures, WeightedFigures
from riskengine.stats.weighted import PathWeights


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
    confidence : float
        Of every interval.
    proposal : Proposal or None
        What the paths were drawn from, where not from the world's own law.
    known : mapping of Key to KnownMean, optional
        Columns whose expectation is known exactly: they correct the means of plain paths.

    Raises
    ------
    RunError
        Where more did, or fewer than two are left.
    """

    def __init__(
        self,
        store: BlockStore,
        blocks: list[Block],
        allowed: float,
        confidence: float = 0.95,
        proposal: Proposal | None = None,
        known: Mapping[Key, KnownMean] | None = None,
    ):
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
        self.keys: tuple[Key, ...] = tuple(k for k in store.keys(blocks[0]) if k != WEIGHT)
        # what a history alone decides was never tilted: plain figures of all paths
        self.plain = PlainFigures(confidence)
        self.figures: Figures = self.plain
        if proposal is not None:
            component = self._keep(proposal.component(blocks[0].first, failed.size))
            weights = PathWeights(self.select(WEIGHT)[0], component, proposal.bound)
            self.figures = WeightedFigures(weights, confidence)
        elif known:
            controls = ControlVariates((mean, self.select(key)[0]) for key, mean in known.items())
            self.figures = ControlledFigures(confidence, controls=controls)

    def _keep(self, column: Floats) -> Floats:
        return column if self._good is None else column[self._good]

    def each(self) -> Iterator[tuple[Key, Floats]]:
        """(key, column) in stored order; a few columns at a time are held in memory."""
        for key, column in self._store.columns(self._blocks):
            if key != WEIGHT:
                yield key, self._keep(column)

    def select(self, *keys: Key) -> list[Floats]:
        """The columns `keys`: for figures that join several."""
        return [self._keep(column) for column in self._store.select(self._blocks, list(keys))]

    def severity(self, key: Key) -> Floats | None:
        """How near each path comes to the event of a share, where the run kept it."""
        name = (*key[:-1], severity_name(key[-1]))
        return self.select(name)[0] if name in self._index else None

    @cached_property
    def _index(self) -> frozenset[Key]:
        return frozenset(self.keys)
