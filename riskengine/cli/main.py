"""``riskengine``: finds the command, runs it, turns every error into one message and an exit code.

0 ok, 1 run failed, 2 bad usage, config or data, 3 a declared criterion failed, 4 one is inconclusive, 130 interrupted.
"""

import errno
import os
import sys
import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import click

from riskengine import __version__
from riskengine.errors import RepairWarning, RiskEngineError

# command -> (module, what it does): help is printed without importing any of them
COMMANDS = {
    "run": ("riskengine.cli.run", "Run a study: the name of a shipped one, or a file."),
    "init": ("riskengine.cli.project", "Make a folder with a study, its world and its books to start from."),
    "check": ("riskengine.cli.project", "Check files and run nothing."),
    "list": ("riskengine.cli.project", "List scenarios, studies, books, protocols, margin, lending or estimators."),
    "copy": ("riskengine.cli.project", "Copy a shipped file here, to edit."),
    "fit": (
        "riskengine.cli.fit",
        "Fit a world to prices, a pricing law to options, or liquidity to books; with errors.",
    ),
    "tune": ("riskengine.cli.run", "Run a study that ends in a choice or a search."),
    "margin": ("riskengine.cli.margin", "Margin of a portfolio under one model or all, explained."),
    "attribute": ("riskengine.cli.attribute", "What moved a requirement from yesterday to today, by cause."),
    "hedge": ("riskengine.cli.hedge", "Trades that leave an account the least margin for its exposure."),
    "reverse": ("riskengine.cli.reverse", "The most likely move that breaks a limit of a study."),
    "manipulate": ("riskengine.cli.manipulate", "Whether moving an oracle's price pays for a loan at the wrong one."),
    "payload": ("riskengine.cli.payload", "The next step of a chosen parameter set, executable and checked."),
    "compare": ("riskengine.cli.runs", "Compare two runs: which figures moved by more than their errors."),
    "report": ("riskengine.cli.runs", "Write the reports of a run again."),
    "verify": ("riskengine.cli.verify", "Hold reference cases against this engine, one line each."),
    "doctor": ("riskengine.cli.doctor", "Check the installation."),
    "bench": ("riskengine.cli.bench", "Measure this machine."),
    "explain": ("riskengine.cli.explain", "Say what a term means here."),
}
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


class _Commands(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return import_module(COMMANDS[name][0]).COMMANDS[name]

    def resolve_command(self, context: click.Context, args: list[str]):
        if args and args[0] not in COMMANDS:
            from riskengine.registry import suggest

            message = f"no such command {args[0]!r}{suggest(args[0], COMMANDS)}; riskengine --help lists them"
            raise click.UsageError(message, context)
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="riskengine")
def cli() -> None:
    """Calibration simulator for risk engines.

    Start with `riskengine run quickstart`.
    """


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    Every error ends in one message on stderr.  ``RISKENGINE_DEBUG=1`` shows tracebacks instead.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("always", RepairWarning)
        warnings.showwarning = partial(_show, warnings.showwarning)
        return _main(arguments)


def _show(otherwise: Callable[..., None], message: Warning | str, category: type[Warning], *place: Any) -> None:
    """A repair of the user's own input as one line on stderr; any other warning as Python shows it."""
    if issubclass(category, RepairWarning):
        click.echo(f"warning: {message}", err=True)
    else:
        otherwise(message, category, *place)


def _main(arguments: list[str] | None) -> int:
    try:
        # in standalone mode click would print errors and exit by itself; a closed pipe it ends silently in either
        code = cli.main(args=arguments, prog_name="riskengine", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except (KeyboardInterrupt, click.exceptions.Abort):
        click.echo("\ninterrupted; finished blocks are kept, --resume continues", err=True)
        return 130
    except Exception as error:  # the one broad handler: a traceback never reaches a user
        if os.environ.get("RISKENGINE_DEBUG") == "1":
            raise
        message, code = _explained(error)
        prefix = "" if isinstance(error, click.exceptions.NoArgsIsHelpError) else "error: "
        click.echo(f"{prefix}{message}", err=True)
        return code


def _explained(error: Exception) -> tuple[str, int]:
    """Message and exit code of an error."""
    if isinstance(error, RiskEngineError):
        return str(error), error.exit_code
    if isinstance(error, click.ClickException):
        return error.format_message(), 2
    if isinstance(error, OSError) and error.errno is not None:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}", 1 if error.errno in _DISK else 2
    if isinstance(error, MemoryError):
        return "out of memory; fewer --workers need less", 1
    text = str(error).splitlines()
    what = f"{type(error).__name__}: {text[0] if text else ''}"
    return f"internal error ({what}); RISKENGINE_DEBUG=1 shows where, please report it", 1


if __name__ == "__main__":
    sys.exit(main())
