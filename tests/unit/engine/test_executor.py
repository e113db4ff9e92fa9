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


@pytest.mark.parametrize("in_helper", [True, False])
def test_an_error_stops_every_thread_and_keeps_what_is_done(in_helper):
    caller, both = threading.current_thread(), threading.Barrier(2, timeout=30)
    failed, seen = threading.Event(), []

    def work(block):
        if block.index < 2:
            both.wait()  # one block on each thread
            if (threading.current_thread() is not caller) == in_helper:
                failed.set()
                raise RuntimeError(f"block {block.index}")
            assert failed.wait(30)
        seen.append(block)

    done = []
    with pytest.raises(RuntimeError, match="block [01]"):
        for block in run_blocks(plan(1_000_000), work, 2):
            done.append(block)
    # the other thread may have begun one block more before it saw the error
    assert 1 <= len(seen) < 10 and set(done) <= set(seen)
    assert not [t for t in threading.enumerate() if t.name.startswith("blocks")]


def test_blocks_stop_when_the_caller_does():
    taken = []

    def endless():
        while True:
            yield from plan(1)

    running = run_blocks(endless(), taken.append, 3)
    next(running)
    running.close()
    assert taken and not [t for t in threading.enumerate() if t.name.startswith("blocks")]


def test_both_threads_work():
    both = threading.Barrier(2, timeout=30)
    assert len(list(run_blocks(plan(2_048), lambda block: both.wait(), 2))) == 2
