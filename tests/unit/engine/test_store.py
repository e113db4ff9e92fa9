import numpy as np
import pytest

from riskengine.engine.blocks import Block
from riskengine.engine.outcomes import PathOutcomes
from riskengine.engine.store import BlockStore
from riskengine.errors import RunError

KEYS = [("margin", "m", 0.99, 1.0, "all", "capital"), ("lending", "p", None, 0.0, "all", "bad_debt")]


@pytest.fixture
def store(tmp_path):
    store = BlockStore(tmp_path)
    for index, first, count in ((0, 0, 4), (1, 4, 3)):
        numbers = np.arange(first, first + count, dtype=float)
        columns = {KEYS[0]: numbers, KEYS[1]: -numbers}
        store.write(Block(index, first, count), PathOutcomes.from_columns(columns, numbers == 5))
    return store


BLOCKS = [Block(0, 0, 4), Block(1, 4, 3)]


def test_columns_come_back_in_order_over_blocks(store):
    read = dict(store.columns(BLOCKS))
    assert list(read) == KEYS
    assert read[KEYS[0]].tolist() == list(range(7))
    assert store.select(BLOCKS, [KEYS[1]])[0].tolist() == [-x for x in range(7)]


def test_failed_flags_are_kept(store):
    assert store.failed(BLOCKS).tolist() == [False] * 5 + [True, False]


def test_a_missing_block_is_not_there(store):
    assert not store.check(Block(2, 7, 4))
    assert not store.check(Block(1, 4, 4)), "a shorter last block must not pass for a longer one"


def test_a_damaged_block_is_named(store):
    path = store.path(BLOCKS[0])
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match=path.name):
        store.check(BLOCKS[0])


def test_a_truncated_block_is_damaged(store):
    path = store.path(BLOCKS[0])
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(RunError, match="damaged"):
        store.check(BLOCKS[0])


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    import riskengine.engine.store as module

    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", refuse)
    block = Block(0, 0, 1)
    with pytest.raises(RunError, match="No space left"):
        BlockStore(tmp_path).write(block, PathOutcomes.from_columns({KEYS[0]: np.zeros(1)}, np.zeros(1, dtype=bool)))
    assert list(tmp_path.iterdir()) == []
