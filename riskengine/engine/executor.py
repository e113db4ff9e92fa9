"""Threads over blocks.  Kernels release the interpreter lock; no result depends on which thread drew which block."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
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
    queue, lock = iter(blocks), threading.Lock()
    done: SimpleQueue[Block] = SimpleQueue()
    errors: list[BaseException] = []
    stopped = False

    def take() -> Block | None:
        with lock:
            return None if stopped or errors else next(queue, None)

    def serve() -> None:
        try:
            while (block := take()) is not None:
                work(block)
                done.put(block)
        except BaseException as error:
            errors.append(error)  # whatever it is: the calling thread raises it

    helpers = [threading.Thread(target=serve, name=f"blocks-{i}") for i in range(1, workers)]
    for helper in helpers:
        helper.start()
    try:
        while (block := take()) is not None:
            work(block)
            yield block
            while not done.empty():
                yield done.get()
    finally:
        stopped = True
        for helper in helpers:
            helper.join()
    while not done.empty():
        yield done.get()
    if errors:
        raise errors[0]
