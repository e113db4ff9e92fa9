"""Exceptions, each with the exit code of the command line, so no caller has to translate; the nearest legal name."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


class RiskEngineError(Exception):
    """Base of every error raised on purpose.  ``exit_code`` is what the command line returns."""

    exit_code = 1


class RepairWarning(UserWarning):
    """An input that could not stand was replaced by the nearest that can; the message says by how much it moved."""


class RunError(RiskEngineError):
    """A run failed: numerical trouble above the stated share, a corrupted block file, a full disk."""

    exit_code = 1


class UsageError(RiskEngineError):
    """Bad input from the user: a command line, a file, a value.  Nothing was written."""

    exit_code = 2


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an input file: where it is, what was found, what would be legal."""

    message: str
    file: str = ""
    line: int | None = None
    path: str = ""

    def __str__(self) -> str:
        place = self.file + (f":{self.line}" if self.line is not None else "")
        head = ": ".join(part for part in (place, self.path) if part)
        return f"{head}: {self.message}" if head else self.message


class InputError(UsageError):
    """A configuration or data file with one or more faults, all reported at once.

    Parameters
    ----------
    faults : list of Fault or str
        Every fault found.
    """

    def __init__(self, faults: "list[Fault | str] | Fault | str"):
        if isinstance(faults, (str, Fault)):
            faults = [faults]
        self.faults = [f if isinstance(f, Fault) else Fault(f) for f in faults]
        super().__init__("\n".join(str(f) for f in self.faults))


def refuse_pointer(content: bytes | str, file: str) -> None:
    """InputError where `content` is what Git LFS leaves of a large file that was not fetched: nothing is made of it."""
    head = "version https://git-lfs.github.com/spec/"
    start = content[: len(head)]
    if (start.decode("latin-1") if isinstance(start, bytes) else start) == head:
        raise InputError(Fault("is a pointer of Git LFS, not the data: fetch it with `git lfs pull`", file))


def suggest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """``"; did you mean 'x'?"`` with the known name nearest to `name`, or nothing where none is near."""
    close = get_close_matches(str(name), list(known), n=1, cutoff=cutoff)
    return f"; did you mean {close[0]!r}?" if close else ""
