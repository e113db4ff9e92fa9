"""Block files: atomic, checksummed, read back column by column."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.blocks import Block
from riskengine.engine.outcomes import Key, PathOutcomes
from riskengine.errors import RunError

_GROUP_BYTES = 48 * 2**20  # columns read at once: bounds memory whatever the number of paths


class BlockStore:
    """Outcome columns of a run in ``<folder>/blocks``.

    A block file is one line with the SHA-256 of the rest, one JSON line (block, keys), then the columns as
    little-endian float64, the last of them the failed flags.  It appears under its name only when complete.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._starts: dict[Block, int] = {}  # where the columns of a block begin in its file

    def path(self, block: Block) -> Path:
        """File of a block; the count is part of the name, so a shorter last block never passes for a full one."""
        return self._folder / f"{block.index:08d}-{block.count:04d}.block"

    def write(self, block: Block, outcomes: PathOutcomes) -> None:
        """Store the columns of a block.  Raises RunError naming the file where the disk refuses."""
        head = json.dumps({"first": block.first, "count": block.count, "keys": outcomes.keys}).encode() + b"\n"
        body = outcomes.values.astype("<f8").tobytes() + outcomes.failed.astype("<f8").tobytes()
        digest = hashlib.sha256(head + body).hexdigest().encode() + b"\n"
        target = self.path(block)
        partial = target.with_suffix(".partial")
        try:
            with open(partial, "wb") as file:
                file.write(digest + head + body)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise RunError(
                f"{target}: block could not be written: {error.strerror}; free space and use --resume"
            ) from None

    def check(self, block: Block) -> bool:
        """Whether the block is there; RunError where it is there and damaged."""
        target = self.path(block)
        if not target.is_file():
            return False
        with open(target, "rb") as file:
            digest = file.readline().strip()
            if hashlib.file_digest(file, "sha256").hexdigest().encode() != digest:
                raise RunError(f"{target}: block file is damaged (checksum differs); delete it and use --resume")
        return True

    def keys(self, block: Block) -> tuple[Key, ...]:
        """Column keys of a stored block."""
        with open(self.path(block), "rb") as file:
            file.readline()
            return tuple(tuple(k) for k in json.loads(file.readline())["keys"])

    def _rows(self, block: Block, start: int, stop: int) -> Floats:
        with open(self.path(block), "rb") as file:
            if block not in self._starts:
                file.readline()
                file.readline()
                self._starts[block] = file.tell()
            file.seek(self._starts[block] + start * block.count * 8)
            data = np.frombuffer(file.read((stop - start) * block.count * 8), dtype="<f8")
        return data.reshape(stop - start, block.count)

    def failed(self, blocks: list[Block]) -> np.ndarray:
        """Failed flags of all paths, shape (N,)."""
        count = len(self.keys(blocks[0]))
        return np.concatenate([self._rows(b, count, count + 1)[0] for b in blocks]) != 0

    def columns(self, blocks: list[Block]) -> Iterator[tuple[Key, Floats]]:
        """Each column over all blocks, shape (N,), in stored order; a few at a time are held in memory."""
        keys = self.keys(blocks[0])
        paths = sum(b.count for b in blocks)
        group = max(1, _GROUP_BYTES // (8 * paths))
        for start in range(0, len(keys), group):
            stop = min(start + group, len(keys))
            data = np.concatenate([self._rows(b, start, stop) for b in blocks], axis=1)
            yield from zip(keys[start:stop], data, strict=True)

    def select(self, blocks: list[Block], wanted: list[Key]) -> list[Floats]:
        """The columns `wanted`, each (N,): for measures that join several columns."""
        index = {k: i for i, k in enumerate(self.keys(blocks[0]))}
        return [np.concatenate([self._rows(b, index[k], index[k] + 1)[0] for b in blocks]) for k in wanted]
