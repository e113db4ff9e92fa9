"""Block bootstrap of the quantiles of overlapping sums of a time series.

Losses over h periods from overlapping windows are many but dependent: their quantiles need bands that keep the order
in time.  The h-period sums are formed once from the data and blocks of *sums* are resampled (blocks of blocks: Kuensch
1989; circular: Politis, Romano 1992; geometric lengths: stationary bootstrap, Politis, Romano 1994), so no sum ever
spans a join.  A replicate is a vector of counts; its quantile is read off the sorted sums, in the tail only.
A percentile interval cannot exceed the largest loss of the sample, and says nothing about what never happened in it.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, as_floats, check_range
from riskengine.estimate import Estimate
from riskengine.stats.proportion import check_confidence
from riskengine.stats.quantile import quantile_rank


def overlapping_sums(values: ArrayLike, horizon: int) -> Floats:
    """Sums of `horizon` consecutive values, shape (N - horizon + 1,)."""
    x = as_floats("values", values, 1)
    if not 1 <= horizon <= x.size:
        raise ValueError(f"horizon must lie in [1, {x.size}], got {horizon}")
    total = np.concatenate([[0.0], np.cumsum(x)])
    return total[horizon:] - total[:-horizon]


def _block_counts(
    size: int, block: float, kind: Literal["circular", "stationary"], generator: np.random.Generator
) -> np.ndarray:
    """How often each of `size` positions is drawn in one replicate; the counts sum to `size`."""
    if kind == "circular":
        lengths = np.full(math.ceil(size / block), int(block))
    else:
        # expected number of blocks and room to spare; what is beyond `size` is cut off below
        expected = size / block
        lengths = generator.geometric(1.0 / block, int(expected + 6 * math.sqrt(expected) + 30))
        while lengths.sum() < size:
            lengths = np.concatenate([lengths, generator.geometric(1.0 / block, lengths.size)])
        lengths = lengths[: int(np.searchsorted(np.cumsum(lengths), size)) + 1]
    lengths = np.minimum(lengths, size)
    lengths[-1] -= lengths.sum() - size
    first = generator.integers(0, size, lengths.size)
    last = first + lengths
    change = np.bincount(first, minlength=2 * size + 1) - np.bincount(last, minlength=2 * size + 1)
    unrolled = np.cumsum(change[: 2 * size])
    return unrolled[:size] + unrolled[size:]


def bootstrap_quantiles(
    losses: ArrayLike,
    levels: Sequence[float],
    block: int,
    replicates: int,
    generator: np.random.Generator,
    kind: Literal["circular", "stationary"] = "circular",
) -> Floats:
    """Quantiles of block-resampled losses, shape (replicates, len(levels)).

    Parameters
    ----------
    losses : array_like, shape (N,)
        In time order, typically ``-overlapping_sums(returns, h)``.
    levels : sequence of float
    block : int
        Length of a block (its mean for ``stationary``): several times the horizon and the memory of volatility.
    replicates : int
    generator : numpy.random.Generator
        Given explicitly: the same generator state gives the same bits.
    kind : {"circular", "stationary"}
    """
    x = as_floats("losses", losses, 1)
    for level in levels:
        check_range("level", level, 0.0, 1.0, open_low=True, open_high=True)
    if not 1 <= block <= x.size:
        raise ValueError(f"block must lie in [1, {x.size}], got {block}")
    if kind not in ("circular", "stationary"):
        raise ValueError(f"kind must be circular or stationary, got {kind!r}")
    order = np.argsort(-x, kind="stable")  # largest first
    # losses at or beyond the quantile: n - rank + 1 of n
    depth = np.array([x.size - quantile_rank(x.size, level) + 1 for level in levels])
    out = np.empty((replicates, depth.size))
    for r in range(replicates):
        counts = _block_counts(x.size, block, kind, generator)
        # a tail of depth d is reached within the first positions unless few of them were drawn: look further only then
        reach = min(x.size, int(4 * depth.max()) + 64)
        total = np.cumsum(counts[order[:reach]])
        while total[-1] < depth.max():
            reach = min(x.size, 4 * reach)
            total = np.cumsum(counts[order[:reach]])
        out[r] = x[order[np.searchsorted(total, depth)]]
    return out


def bootstrap_quantile_bands(
    losses: ArrayLike,
    levels: Sequence[float],
    block: int,
    replicates: int,
    generator: np.random.Generator,
    confidence: float = 0.95,
    kind: Literal["circular", "stationary"] = "circular",
) -> tuple[Estimate, ...]:
    """Sample quantile with its block-bootstrap percentile interval, one `Estimate` per level.

    `n_effective` is the number of blocks.  The interval is widened to hold the sample quantile where the percentiles
    leave it out.
    """
    check_confidence(confidence)
    x = as_floats("losses", losses, 1)
    drawn = bootstrap_quantiles(x, levels, block, replicates, generator, kind)
    side = 0.5 * (1.0 - confidence)
    low, high = np.quantile(drawn, [side, 1.0 - side], axis=0)
    result = []
    for i, level in enumerate(levels):
        rank = quantile_rank(x.size, level)
        value = float(np.partition(x, rank - 1)[rank - 1])
        result.append(
            Estimate(
                value,
                float(drawn[:, i].std(ddof=1)) if replicates > 1 else math.nan,
                min(float(low[i]), value),
                max(float(high[i]), value),
                confidence,
                x.size,
                x.size / block,
                f"{kind} block bootstrap, block {block}, {replicates} replicates",
            )
        )
    return tuple(result)
