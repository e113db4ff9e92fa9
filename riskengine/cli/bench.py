"""``riskengine bench``: a quick measurement anywhere, the full benchmarks from a checkout."""

import sys
from pathlib import Path

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--json", "json_", is_flag=True, help="As JSON (quick measurement and list).")
def bench(name: str | None, arguments: tuple[str, ...], json_: bool) -> int:
    """Measure this machine; with NAME, run that benchmark of the checkout (further arguments are passed on)."""
    from riskengine.cli.output import as_json, table
    from riskengine.errors import UsageError
    from riskengine.registry import suggest

    scripts = benchmarks()
    if name is not None:
        if name not in scripts:
            known = ", ".join(scripts) or "none: benchmarks are in the source checkout, not in the package"
            raise UsageError(f"benchmark must be one of {known}, got {name!r}{suggest(name, scripts)}")
        import subprocess

        words = [*arguments, *(["--json"] if json_ else [])]
        return subprocess.run([sys.executable, str(scripts[name]), *words], check=False).returncode
    rows = quick()
    if json_:
        as_json({"quick": dict(rows), "benchmarks": list(scripts)})
        return 0
    table([(what, f"{rate / 1e6:,.1f} million per second") for what, rate in rows])
    if scripts:
        click.echo(f"\nbenchmarks of this checkout: {', '.join(scripts)}")
    return 0


def benchmarks() -> dict[str, Path]:
    """Benchmark scripts by name; none where the package is installed without its checkout."""
    from riskengine.config.locate import shipped_root

    folder = shipped_root() / "benchmarks"
    return {f.stem: f for f in sorted(folder.glob("*.py")) if not f.stem.startswith("_")}


def quick() -> list[tuple[str, float]]:
    """Rates on one thread: uniform draws, and asset steps of simulated paths."""
    import numpy as np

    from riskengine.market.grid import TimeGrid
    from riskengine.random import DrawKeys, fill_uniforms
    from riskengine.scenario.gbm import Gbm

    out = np.empty(65_536)
    grid = TimeGrid(86_400, 30)
    world = Gbm(("A", "B"), (1.0, 1.0), (0.0, 0.0), (0.6, 0.8), ((1.0, 0.8), (0.8, 1.0)))
    zero = np.uint64(0)
    return [
        ("uniform draws", _rate(lambda: fill_uniforms(out, 0, 0, 0, 0, zero, zero), out.size)),
        ("asset steps of paths", _rate(lambda: world.sample(grid, 0, 4096, DrawKeys(1)), 4096 * 30 * 2)),
    ]


def _rate(work, items: int) -> float:
    """Items per second, the best of a few calls, after one that compiles."""
    import time

    from riskengine.cli.progress import compile_notice

    with compile_notice():
        work()
    best = float("inf")
    for _ in range(20):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return items / best


COMMANDS = {"bench": bench}
