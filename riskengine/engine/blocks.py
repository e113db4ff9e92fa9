"""The block is the only unit: what threads run, what a checkpoint stores, what is merged, always in block order."""

from dataclasses import dataclass

# Large enough that a step of one asset fills the vector units and call overhead vanishes, small enough that the
# arrays of a step, and of the accounts that live on it, stay in the second-level cache.
BLOCK_PATHS = 1024

# Prices that a block may hold where nothing but the market lives on its paths: one megabyte.  A thread asks for the
# interpreter between kernels, so blocks that are over in 70 microseconds keep a second thread waiting
# (`benchmarks/threads.py`).
_MARKET_VALUES = 131_072
# Figures of accounts at one step that a block may hold, each kept several times over: 16 megabytes.
_ACCOUNT_VALUES = 2**21
_FEWEST = 128  # lanes below which kernels no longer fill their vectors for long enough


@dataclass(frozen=True)
class Block:
    """Paths ``first`` to ``first + count - 1``."""

    index: int
    first: int
    count: int


def market_block(values_per_path: int) -> int:
    """Paths of a block on which only the market itself is looked at, where a path has `values_per_path` prices."""
    size = BLOCK_PATHS
    while 2 * size * values_per_path <= _MARKET_VALUES and size < 8 * BLOCK_PATHS:
        size *= 2
    return size


def account_block(accounts: int) -> int:
    """Paths of a block on which `accounts` accounts or loans live."""
    size = BLOCK_PATHS
    while size * accounts > _ACCOUNT_VALUES and size > _FEWEST:
        size //= 2
    return size


def plan(paths: int, size: int = BLOCK_PATHS) -> list[Block]:
    """Blocks of `size` that cover `paths` paths.  A longer plan starts with the full blocks of a shorter one."""
    return [Block(i, first, min(size, paths - first)) for i, first in enumerate(range(0, paths, size))]
