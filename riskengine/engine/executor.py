"""Threads over blocks.  Kernels release the interpreter lock; no result depends on which thread drew which block."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from queue import SimpleQueue

from riskengine.engine.blocks import Block


def default_workers() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def run_blocks(blocks: Iterable[Block], work: Callable[[Block], None], workers: int) -> Iterator[Block]:
    """Call `work` on every block on `workers` threads; yield each block once it is done, in any order.

    The calling thread is one of the workers: one that only waited would have to be woken for every block, and where
    blocks are cheap that costs more than the second core brings.  The first error keeps further blocks from being
    started and is raised after the running ones have ended; so does a caller that stops asking.
    """
    queue, lock, stopped = iter(blocks), threading.Lock(), False
    done: SimpleQueue[Block] = SimpleQueue()

    def take() -> Block | None:
        with lock:
            return None if stopped else next(queue, None)

    def serve() -> None:
        nonlocal stopped
        try:
            while (block := take()) is not None:
                work(block)
                done.put(block)
        finally:
            stopped = True  # no block is left, or this one failed

    with ThreadPoolExecutor(max(1, workers - 1), "blocks") as pool:
        helpers = [pool.submit(serve) for _ in range(workers - 1)]
        try:
            while (block := take()) is not None:
                work(block)
                yield block
                while not done.empty():
                    yield done.get()
        finally:
            stopped = True
        wait(helpers)
        while not done.empty():
            yield done.get()
        for helper in helpers:
            helper.result()
