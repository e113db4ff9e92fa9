"""Counter-based random numbers: a draw is a pure function of its key.

Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011).  The 128-bit counter is (path, step, purpose, asset), the 64-bit key
comes from (seed, draw group).  No draw depends on the number of workers, on the block a path is in, or on how many
draws another component took: adding a component, an asset or a jump moves nothing else.  Worlds and candidate
parameters of one study share a draw group, which is what common random numbers are.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np

from riskengine.jit import kernel, wide_vectors
from riskengine.vecmath import log, root, sincos_turn, uniform

_LOW32 = np.uint64(0xFFFFFFFF)
_S32 = np.uint64(32)
_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint64(0x9E3779B9)
_W1 = np.uint64(0xBB67AE85)


class Purpose(IntEnum):
    """What a draw is for: the third word of its counter.  Values are part of the bits of every run; never renumber."""

    DIFFUSION = 1
    JUMP_TIME = 2
    JUMP_SIZE = 3
    COMMON_JUMP_TIME = 4
    COMMON_JUMP_SIZE = 5
    INITIAL_STATE = 6
    REGIME = 7
    JUMP_COUNT = 8
    VARIANCE_JUMP = 10
    COMMON_VARIANCE_JUMP = 11
    RESAMPLE = 12
    RESAMPLE_NEXT = 13
    HISTORY_DIFFUSION = 17
    HISTORY_JUMP_TIME = 18
    HISTORY_JUMP_SIZE = 19
    HISTORY_COMMON_JUMP_TIME = 20
    HISTORY_COMMON_JUMP_SIZE = 21
    HISTORY_REGIME = 22
    HISTORY_VARIANCE_JUMP = 25
    HISTORY_COMMON_VARIANCE_JUMP = 26
    HISTORY_RESAMPLE = 27
    HISTORY_RESAMPLE_NEXT = 28
    BOOTSTRAP = 32
    DEPTH = 40
    PREMIUM = 41
    BASIS_NOISE = 42
    BORROW_RATE = 43
    PEG_START = 48
    PEG_NOISE = 49
    PEG_JUMP_TIME = 50
    PEG_JUMP_SIZE = 51
    HISTORY_PEG_NOISE = 52
    HISTORY_PEG_JUMP_TIME = 53
    HISTORY_PEG_JUMP_SIZE = 54
    LAB_SAMPLE = 64
    KEEPER_DELAY = 70
    ORACLE_MISS = 71


@dataclass(frozen=True)
class DrawKeys:
    """Key of all draws of a study.

    Attributes
    ----------
    seed : int
        0 <= seed < 2**64.
    group : int
        Draw group; what shares a group shares its random numbers.
    """

    seed: int
    group: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"seed must lie in [0, 2**64), got {self.seed}")
        if not 0 <= self.group < 2**32:
            raise ValueError(f"group must lie in [0, 2**32), got {self.group}")

    def words(self) -> tuple[np.uint64, np.uint64]:
        """The two 32-bit key words, each in a uint64: seed and group mixed by SplitMix64 (Steele, Lea, Flood 2014)."""
        return self._words

    @cached_property
    def _words(self) -> tuple[np.uint64, np.uint64]:
        mask = 2**64 - 1
        z = (self.seed + (self.group + 1) * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        z ^= z >> 31
        return np.uint64(z & 0xFFFFFFFF), np.uint64(z >> 32)


@kernel(inline=True)
def philox(c0, c1, c2, c3, k0, k1):
    """Philox4x32-10 of a counter of four 32-bit words and a key of two (all held in uint64); two 64-bit words."""
    for _ in range(10):
        # high halves left over from the last round fall to the masks, which the multiplication instruction implies
        p0 = _M0 * (c0 & _LOW32)
        p1 = _M1 * (c2 & _LOW32)
        c0 = (p1 >> _S32) ^ c1 ^ k0
        c2 = (p0 >> _S32) ^ c3 ^ k1
        c1 = p1
        c3 = p0
        k0 = (k0 + _W0) & _LOW32
        k1 = (k1 + _W1) & _LOW32
    return (c0 << _S32) | (c1 & _LOW32), (c2 << _S32) | (c3 & _LOW32)


@kernel(inline=True)
def draw(path, step, purpose, asset, k0, k1):
    """Two 64-bit words for (path, step, purpose, asset); path below 2**48, asset below 2**16."""
    high = (np.uint64(path) >> _S32) | (np.uint64(asset) << np.uint64(16))
    return philox(np.uint64(path) & _LOW32, np.uint64(step) & _LOW32, np.uint64(purpose), high, k0, k1)


@kernel
def fill_words(a, b, first_path, step, purpose, asset, k0, k1):
    """Write the two words of each lane: lane i is path ``first_path + i``."""
    wide_vectors()
    for i in range(a.size):
        a[i], b[i] = draw(first_path + i, step, purpose, asset, k0, k1)


@kernel
def scattered_words(a, b, first_path, lane, number, n, purpose, asset, k0, k1):
    """Write the two words of draw ``number[i]`` of path ``first_path + lane[i]``, i < `n`: for what happens on few."""
    wide_vectors()
    for i in range(n):
        a[i], b[i] = draw(first_path + lane[i], number[i], purpose, asset, k0, k1)


@kernel
def normals_from_words(a, b, z1, z2):
    """Box-Muller: two independent standard normals for each pair of words."""
    wide_vectors()
    for i in range(a.size):
        r = root(-2.0 * log(uniform(a[i])))
        s, c = sincos_turn(uniform(b[i]))
        z1[i] = r * c
        z2[i] = r * s


@kernel
def fill_uniforms(out, first_path, step, purpose, asset, k0, k1):
    """Write one uniform in (0, 1) for each lane."""
    wide_vectors()
    for i in range(out.size):
        word, _ = draw(first_path + i, step, purpose, asset, k0, k1)
        out[i] = uniform(word)


@dataclass(frozen=True)
class PathDraws:
    """What is drawn along paths by those who live on them rather than by the world: a block's keys and first path.

    Attributes
    ----------
    keys : DrawKeys
    first_path : int
        Number of the block's first path in the study.
    """

    keys: DrawKeys = DrawKeys(0)
    first_path: int = 0

    def uniforms(self, count: int, number: int, purpose: Purpose, asset: int = 0) -> np.ndarray:
        """One uniform in (0, 1) for each of `count` paths, shape (count,): draw `number` of `purpose` and `asset`."""
        out = np.empty(count)
        fill_uniforms(out, self.first_path, number, int(purpose), asset, *self.keys.words())
        return out


# what is drawn where no study says how: the same always
FIXED = PathDraws()
