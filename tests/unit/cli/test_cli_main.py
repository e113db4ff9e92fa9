"""The front door: light help, one message for every error, exit codes."""

import errno
import subprocess
import sys

import click
import pytest
from cli_files import call

from riskengine import __version__
from riskengine.cli import main as front
from riskengine.errors import Fault, InputError, RunError

HEAVY = ("numba", "numpy", "scipy", "pandas", "matplotlib", "pydantic", "yaml", "jinja2")


def test_help_and_version_import_nothing_heavy():
    code = (
        "import sys\nfrom riskengine.cli.main import main\n"
        "a, b = main(['--help']), main(['--version'])\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], a, b)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] 0 0"
    assert f"riskengine, version {__version__}" in done.stdout
    for name in front.COMMANDS:
        assert name in done.stdout


@pytest.mark.parametrize("name", list(front.COMMANDS))
def test_every_command_has_help(capsys, name):
    code, out, _ = call(capsys, name, "--help")
    assert code == 0
    assert out.startswith(f"Usage: riskengine {name}")


def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "riskengine.cli.main", "lst"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no such command 'lst'; did you mean 'list'?; riskengine --help lists them\n"


def test_no_command_shows_help_and_is_bad_usage(capsys):
    code, _, err = call(capsys)
    assert code == 2
    assert err.startswith("Usage: riskengine")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (RunError("too many paths failed"), 1, "error: too many paths failed\n"),
        (InputError([Fault("a", "f", 1), Fault("b", "f", 2, "x.y")]), 2, "error: f:1: a\nf:2: x.y: b\n"),
        (click.UsageError("no such option"), 2, "error: no such option\n"),
        (OSError(errno.ENOSPC, "No space left on device", "out/x"), 1, "error: out/x: No space left on device\n"),
        (OSError(errno.EACCES, "Permission denied", "out"), 2, "error: out: Permission denied\n"),
        (MemoryError(), 1, "error: out of memory; fewer --workers need less\n"),
        (KeyError("x"), 1, "error: internal error (KeyError: 'x'); RISKENGINE_DEBUG=1 shows where, please report it\n"),
        (KeyboardInterrupt(), 130, "\ninterrupted; finished blocks are kept, --resume continues\n"),
    ],
)
def test_every_error_is_one_message_and_a_code(capsys, monkeypatch, error, code, message):
    @click.command()
    def broken():
        raise error

    monkeypatch.setattr(front._Commands, "get_command", lambda self, context, name: broken)
    got, out, err = call(capsys, "doctor")
    assert (got, out) == (code, "")
    assert err == message or (code == 130 and err.lstrip("\n") == message.lstrip("\n"))


def test_debug_shows_tracebacks(monkeypatch):
    @click.command()
    def broken():
        raise KeyError("x")

    monkeypatch.setattr(front._Commands, "get_command", lambda self, context, name: broken)
    monkeypatch.setenv("RISKENGINE_DEBUG", "1")
    with pytest.raises(KeyError):
        front.main(["doctor"])


def test_a_closed_pipe_ends_silently():
    code = (
        "import sys\nfrom riskengine.cli import main as front\nimport click\n"
        "def gone(*a, **k): raise BrokenPipeError(32, 'Broken pipe')\n"
        "front._Commands.get_command = lambda s, c, n: click.Command('list', callback=gone)\n"
        "sys.exit(front.main(['list']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
