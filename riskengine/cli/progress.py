"""Progress on stderr: one line when kernels are compiled, and on a terminal a bar with what is left."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

_WIDTH = 24


@contextmanager
def compile_notice() -> Iterator[None]:
    """Say once, also where stderr is not a terminal, that kernels are being compiled."""
    from riskengine import jit

    told = False

    def tell(_name: str) -> None:
        nonlocal told
        if not told:
            told = True
            click.echo("compiling kernels (first run only, well under a minute) ...", err=True)

    before, jit.on_compile = jit.on_compile, tell
    try:
        yield
    finally:
        jit.on_compile = before


class Bar:
    """A progress bar that is silent where stderr is not a terminal; call it with a `Progress`."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()
        self._first: tuple[int, float] | None = None

    def __call__(self, at: Any) -> None:
        if not self._on:
            return
        # paths taken over from an earlier run are no measure of speed
        if self._first is None:
            self._first = (at.done, at.seconds)
        click.echo(f"\r{line(at, self._first)}\x1b[K", err=True, nl=False)

    def close(self) -> None:
        """End the line."""
        if self._on and self._first is not None:
            click.echo(err=True)


def line(at: Any, first: tuple[int, float]) -> str:
    """The bar as text: share, paths, time left, and the main measure with its interval."""
    share = at.done / at.total
    filled = round(_WIDTH * share)
    done, seconds = at.done - first[0], at.seconds - first[1]
    left = f" {duration((at.total - at.done) * seconds / done)} left" if done > 0 and at.done < at.total else ""
    watch = f"  {at.watch}" if at.watch else ""
    return f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {share:4.0%}  {at.done:,}/{at.total:,} paths{left}{watch}"


def duration(seconds: float) -> str:
    """``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
