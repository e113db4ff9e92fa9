import threading

import pytest

from riskengine.engine.blocks import plan
from riskengine.engine.executor import run_blocks


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_block_is_worked_once(workers):
    seen, lock = [], threading.Lock()

    def work(block):
        with lock:
            seen.append(block.index)

    blocks = plan(20_000)
    done = list(run_blocks(blocks, work, workers))
    assert sorted(seen) == sorted(b.index for b in done) == [b.index for b in blocks]


@pytest.mark.parametrize("workers", [1, 3])
def test_the_first_error_reaches_the_caller(workers):
    def work(block):
        if block.index == 2:
            raise RuntimeError("block two")

    with pytest.raises(RuntimeError, match="block two"):
        list(run_blocks(plan(30_000), work, workers))
