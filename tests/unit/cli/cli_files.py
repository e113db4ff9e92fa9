"""Files and helpers for the tests of the command line."""

import sys
from pathlib import Path

from riskengine.cli.main import main

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "config"))

from toys import BACKTEST, BOOK, STUDY, WORLD, write  # noqa: E402

__all__ = ["BACKTEST", "BOOK", "STUDY", "WORLD", "call", "prices", "write"]


def call(capsys, *arguments):
    """(exit code, stdout, stderr) of one command."""
    capsys.readouterr()
    code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out, captured.err


def prices(days=40, start=1609459200, step=86400):
    """A CSV of two assets that move a little each bar."""
    rows = [
        f"{start + i * step},{100 * (1 + 0.01 * ((7 * i) % 5))},{20 * (1 + 0.02 * ((3 * i) % 4))}" for i in range(days)
    ]
    return "timestamp,BTC,ETH\n" + "\n".join(rows) + "\n"
