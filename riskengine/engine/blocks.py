"""The block is the only unit: what threads run, what a checkpoint stores, what is merged, always in block order."""

from dataclasses import dataclass

# Large enough that a step of one asset fills the vector units and call overhead vanishes, small enough that the
# arrays of a step stay in the second-level cache.
BLOCK_PATHS = 1024


@dataclass(frozen=True)
class Block:
    """Paths ``first`` to ``first + count - 1``."""

    index: int
    first: int
    count: int


def plan(paths: int) -> list[Block]:
    """Blocks that cover `paths` paths.  A longer plan starts with the full blocks of a shorter one."""
    return [Block(i, first, min(BLOCK_PATHS, paths - first)) for i, first in enumerate(range(0, paths, BLOCK_PATHS))]
