"""Threads over blocks.  Kernels release the interpreter lock; results arrive in block order whatever the workers do."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from riskengine.engine.blocks import Block


def default_workers() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def run_blocks(blocks: Iterable[Block], work: Callable[[Block], None], workers: int) -> Iterator[Block]:
    """Call `work` on every block on `workers` threads; yield each block as it is done.

    At most two blocks per worker are waiting, so memory does not grow with the number of paths.  The first error stops
    the submission of new blocks and is raised after the running ones have ended.
    """
    if workers == 1:
        for block in blocks:
            work(block)
            yield block
        return
    queue = iter(blocks)
    running: dict[Future, Block] = {}
    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            for block in queue:
                running[pool.submit(work, block)] = block
                if len(running) < 2 * workers:
                    continue
                yield from _collect(running)
            while running:
                yield from _collect(running)
        finally:
            for future in running:
                future.cancel()


def _collect(running: dict[Future, Block]) -> Iterator[Block]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        block = running.pop(future)
        future.result()
        yield block
