"""Independent draws from an exact law: a uniform of the counter-based stream through the tabulated quantile.

A cell of `riskengine.law.table.TabulatedCdf` holds the cdf as a quintic; the cell of a uniform is found through an
index of buckets, the point inside it by Newton's method from the chord.  Cells are s / 40 wide, so the cdf is nearly
straight in each and three steps leave rounding.  A draw is a pure function of (seed, group, lane, row), whatever block
it is made in, and n observations are the first n of any longer sample: sample sizes share their numbers.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.jit import kernel, wide_vectors
from riskengine.law.lanes import StatelessLanes
from riskengine.random import DrawKeys, Purpose, fill_uniforms
from riskengine.roles import Law

_BUCKETS = 1 << 14


@kernel
def _invert(u, low, step, value, first, second, guide):
    """Replace each uniform of ``u`` by the point where the tabulated cdf reaches it; beyond the table by its end."""
    wide_vectors()
    buckets, last = guide.size, value.size - 2
    for k in range(u.size):
        target = u[k]
        i = guide[min(buckets - 1, int(target * buckets))]
        while i < last and value[i + 1] < target:
            i += 1
        f, d, s = value[i], first[i], second[i]
        rise, d1, s1 = value[i + 1] - f, first[i + 1], second[i + 1]
        c3 = 10.0 * rise - 6.0 * d - 4.0 * d1 - 1.5 * s + 0.5 * s1
        c4 = -15.0 * rise + 8.0 * d + 7.0 * d1 + 1.5 * s - s1
        c5 = 6.0 * rise - 3.0 * (d + d1) + 0.5 * (s1 - s)
        gap = target - f
        t = min(1.0, max(0.0, gap / rise)) if rise > 0.0 else 0.0
        for _ in range(3):
            above = t * (d + t * (0.5 * s + t * (c3 + t * (c4 + t * c5)))) - gap
            slope = d + t * (s + t * (3.0 * c3 + t * (4.0 * c4 + t * 5.0 * c5)))
            if slope > 0.0:
                t = min(1.0, max(0.0, t - above / slope))
        u[k] = low + step * (i + t)


@dataclass(frozen=True)
class ExactSampler:
    """Draws from one law.

    Attributes
    ----------
    law : Law
    """

    law: Law

    @cached_property
    def _table(self):
        return StatelessLanes(self.law).table

    @cached_property
    def _guide(self) -> Ints:
        """First cell that a uniform of each bucket can lie in."""
        edges = np.arange(_BUCKETS) / _BUCKETS
        # rounding of a series may make a far tail fall by 1e-15: the search walks over a cdf that does not
        below = np.searchsorted(np.maximum.accumulate(self._table.value), edges, side="right") - 1
        return np.clip(below, 0, self._table.value.size - 2).astype(np.int64)

    def quantile(self, probability: Floats) -> Floats:
        """Point that each probability belongs to, shape of `probability`; the ends of the table beyond it."""
        table, u = self._table, np.array(probability, dtype=np.float64)
        if table is None:
            return np.asarray(self.law.quantile(u.ravel())).reshape(u.shape)
        _invert(u.reshape(-1), table.low, table.step, table.value, table.first, table.second, self._guide)
        return u

    def draw(self, rows: int, first_lane: int, lanes: int, keys: DrawKeys, asset: int = 0) -> Floats:
        """Independent draws, shape (rows, lanes), of lanes ``first_lane`` and up."""
        u = np.empty((rows, lanes))
        words = keys.words()
        for row in range(rows):
            fill_uniforms(u[row], first_lane, row, int(Purpose.LAB_SAMPLE), asset, *words)
        return self.quantile(u)
