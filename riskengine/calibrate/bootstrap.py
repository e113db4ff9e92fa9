"""Circular block bootstrap of a time series of overlapping returns.

Blocks of consecutive hours are drawn with replacement, wrapping round the end (Politis and Romano 1992), and the same
blocks serve every horizon, asset and statistic, so that joint errors are kept.  What is resampled are the h-hour
returns themselves, each with its own start: aggregating resampled hourly returns would cut every return that crosses
the edge of a block.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, Ints

_CHUNK = 64


@dataclass(frozen=True)
class BlockBootstrap:
    """Draws of block starts.

    Attributes
    ----------
    length : int
        Hours N of the sample.
    block : int
        Hours of a block; several times the longest horizon, and long enough to hold a cluster of volatility.
    replicates : int
    seed : int
    """

    length: int
    block: int
    replicates: int = 1000
    seed: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.block <= self.length // 2:
            raise ValueError(f"block must lie in [1, {self.length // 2}] hours, got {self.block}")
        if self.replicates < 2:
            raise ValueError(f"replicates must be at least 2, got {self.replicates}")

    @property
    def starts(self) -> Ints:
        """First hour of every block, shape (replicates, blocks)."""
        blocks = -(-self.length // self.block)
        return np.random.default_rng(self.seed).integers(0, self.length, (self.replicates, blocks))

    def sums(self, values: Floats) -> Floats:
        """Sum of `values`, shape (N, M), over each resample, shape (replicates, M)."""
        values = np.asarray(values, dtype=np.float64)
        wrapped = np.concatenate([values, values[: self.block - 1]])
        total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(wrapped, axis=0)])
        starts, out = self.starts, np.empty((self.replicates, values.shape[1]))
        for i in range(0, self.replicates, _CHUNK):
            s = starts[i : i + _CHUNK]
            out[i : i + _CHUNK] = (total[s + self.block] - total[s]).sum(axis=1)
        return out

    def worst(self, orders: list[Ints], exists: list[np.ndarray], tail_probs: list[Floats]) -> list[Ints]:
        """Order statistics of every resample.

        Parameters
        ----------
        orders : list of ndarray of int
            Per series: hours of its worst observations, worst first, long enough to reach the tail probabilities.
        exists : list of ndarray of bool, shape (N,)
            Per series: which hours have an observation.
        tail_probs : list of ndarray, shape (Q,)
            Per series: the fractions of the worst that are cut off.

        Returns
        -------
        list of ndarray of int, shape (replicates, Q)
            Per series: index into its `orders` of the value that is exceeded by at most that fraction.
        """
        starts = self.starts
        out = [np.empty((self.replicates, len(q)), dtype=np.int64) for q in tail_probs]
        for r in range(self.replicates):
            edges = np.bincount(starts[r], minlength=self.length)
            total = np.cumsum(np.concatenate([[0], edges[self.length - self.block + 1 :], edges]))
            counts = total[self.block :] - total[: self.length]  # blocks of this resample that hold each hour
            for series, (order, exist, q) in enumerate(zip(orders, exists, tail_probs, strict=True)):
                taken = np.cumsum(counts[order])
                cut = np.floor(np.asarray(q) * counts[exist].sum() * (1 + 1e-12))
                out[series][r] = np.minimum(np.searchsorted(taken, cut, side="right"), order.size - 1)
        return out
