"""What a second thread brings, beside what the machine allows.

    python benchmarks/threads.py [--quick]

Wall time of one thread over that of two, the same work.  ``engine``: blocks of paths through
`riskengine.engine.executor.run_blocks`, of the size that a study of the market alone gives them.  The ceilings are
taken in the same rounds: the same kernel in two processes that share nothing (what the cores allow), a loop of integer
arithmetic (whether two cores are there at all), and stores alone, to an array in the second-level cache and to one far
beyond all caches (what memory allows where every byte is written to it: blocks stay in the cache, one array of all
paths does not).  A busy machine shows in the arithmetic loop, which should read 2.0; the smallest times over many short
rounds are taken.
"""

import argparse
import multiprocessing
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import _one_core  # noqa: F401
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _timing import alternate, compare, emit
from paths import BATES, GRID, KOU, KOU_FOUR, MERTON

from riskengine.engine.blocks import market_block, plan
from riskengine.engine.executor import run_blocks
from riskengine.jit import kernel
from riskengine.random import DrawKeys

SEED = DrawKeys(1)
NEAR, FAR = 32_768, 8_000_000  # float64: 256 KB, 64 MB


@kernel
def count(out, rounds):
    """A chain of integer arithmetic that no vector unit shortens and no memory delays."""
    x = out[0]
    for _ in range(rounds):
        x = x * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        x ^= x >> np.uint64(17)
    out[0] = x


@kernel
def store(out, rounds):
    """Write all of ``out``, `rounds` times."""
    for k in range(rounds):
        for i in range(out.size):
            out[i] = np.float64(k)


def market_blocks(model, paths: int):
    """Blocks as a study of the market alone has them."""
    return plan(paths, market_block((GRID.steps + 1) * len(model.assets)))


def sample(model, blocks) -> None:
    """Sample blocks of paths one after the other."""
    for block in blocks:
        model.sample(GRID, block.first, block.count, SEED)


def engine_job(model, paths: int):
    """Two threads, as the engine runs them."""

    def job() -> None:
        for _ in run_blocks(market_blocks(model, paths), lambda b: model.sample(GRID, b.first, b.count, SEED), 2):
            pass

    return job


class Processes:
    """Two processes that sample their half of the paths each time they are told to."""

    def __init__(self, model, paths: int) -> None:
        blocks = market_blocks(model, paths)
        context = multiprocessing.get_context("fork")
        self.ends, self.members = [], []
        for half in (blocks[::2], blocks[1::2]):
            here, there = context.Pipe()
            member = context.Process(target=self._serve, args=(there, model, half), daemon=True)
            member.start()
            self.ends.append(here)
            self.members.append(member)

    @staticmethod
    def _serve(end, model, blocks) -> None:
        while end.recv():
            sample(model, blocks)
            end.send(True)

    def __call__(self) -> None:
        for end in self.ends:
            end.send(True)
        for end in self.ends:
            end.recv()

    def close(self) -> None:
        """End both."""
        for end, member in zip(self.ends, self.members, strict=True):
            end.send(False)
            member.join()


def main() -> None:
    """Time all pairs and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 4 if parser.parse_args().quick else 12
    paths = 3_276_800  # a fifth of a second and more: starting a thread costs a millisecond
    pool = ThreadPoolExecutor(2)
    results = {}
    for name, model, n in (
        ("merton", MERTON, paths),
        ("kou", KOU, paths),
        ("bates", BATES, paths),
        ("kou, 4 assets", KOU_FOUR, paths // 4),
    ):
        sample(model, plan(1024))  # compiled before processes part
        processes = Processes(model, n)
        jobs = {
            "one": lambda m=model, n=n: sample(m, market_blocks(m, n)),
            "engine": engine_job(model, n),
            "processes": processes,
        }
        seconds = alternate(jobs, rounds, wall=True)
        cpu = alternate({k: jobs[k] for k in ("one", "engine")}, rounds)
        processes.close()
        results[name] = {
            "two threads": compare(seconds, "one", "engine", n * GRID.steps),
            "two processes, the ceiling": compare(seconds, "one", "processes", n * GRID.steps),
            "processor time, one over two threads": compare(cpu, "one", "engine", n * GRID.steps),
        }
    chains = [np.ones(8, dtype=np.uint64) for _ in range(2)]
    near, far = ([np.empty(size) for _ in range(2)] for size in (NEAR, FAR))
    for name, call, arrays, work in (
        ("arithmetic", count, chains, 6_000_000),
        ("stores, second-level cache", store, near, 2_000),
        ("stores, memory", store, far, 4),
    ):
        jobs = {
            "one": lambda call=call, a=arrays, w=work: call(a[0], w),
            "two": lambda call=call, a=arrays, w=work: list(pool.map(call, a, (w // 2, w // 2))),
        }
        results[name] = {"two threads": compare(alternate(jobs, rounds, wall=True), "one", "two", work)}
    emit("threads", results, unit="ns per item, wall", paths=paths, steps=GRID.steps)


if __name__ == "__main__":
    main()
