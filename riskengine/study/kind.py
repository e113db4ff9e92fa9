"""What every kind of study has in common.  A kind is one record here, one runner, and one line in the registry."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from riskengine.book.loans import Loans
from riskengine.errors import UsageError
from riskengine.scenario.world import World
from riskengine.study.checks import Found
from riskengine.study.result import StudyResult


class Study:
    """Base of the frozen records of ``configs/studies``: the YAML of a study has exactly the fields of its record.

    Attributes
    ----------
    kind, title : str
    named : str
        The kind in a sentence: "an estimator lab".
    runner : str
        ``module:function``, called as ``runner(study, resolved, name, **options)``; returns (run folder, StudyResult).
    verb : str
        The command that is for it: ``tune`` where it ends in a choice, else ``run``.
    options : tuple of str
        What the runner takes beside the study: of ``out``, ``workers``, ``resume``, ``progress``, ``command``, and
        ``history`` (real prices of the assets in `priced`), ``records`` (every series of the files), ``chains`` (option
        chains, with prices of the time before) or ``happened`` (real liquidations, after the prices).
    """

    kind: str
    title: str
    named: ClassVar[str]
    runner: ClassVar[str]
    verb: ClassVar[str] = "run"
    options: ClassVar[tuple[str, ...]] = ("out", "workers", "progress", "command")

    def all_worlds(self) -> tuple[World, ...]:
        """Every world that the study is on."""
        return (self.world,)

    @property
    def priced(self) -> tuple[str, ...]:
        """Assets whose real prices the study reads."""
        return tuple(self.world.model.assets)

    @property
    def imported(self) -> Loans | None:
        """The borrower book of the study where it comes from an account dump."""
        lending = getattr(getattr(self, "study", self), "lending", None)
        return lending.book if lending is not None and "as_of" in lending.book.origin else None

    @property
    def awaits_book(self) -> str:
        """What to do where the study names an account dump whose file is still to be given; empty elsewhere."""
        if self.imported is None or not self.imported.awaited:
            return ""
        return f"{self.named} on an account dump needs its file: --data FILE, or file: in its book"

    def plan(self) -> dict[str, Any]:
        """What would run, for ``--dry-run``."""
        return {}

    def faults(self) -> Iterator[Found]:
        """(message, place in the file) of what no record can see alone."""
        return iter(())

    def run(self, resolved: dict[str, Any], name: str, **options: Any) -> tuple[Path, StudyResult]:
        """Answer the study; imports its runner.

        Parameters
        ----------
        resolved : dict
            The study as plain values with every default filled in: what is hashed and stored.
        name : str
            Short name; part of the folder's name.
        **options
            Those that ``options`` does not name are left out.

        Raises
        ------
        UsageError
            Where the file of an account dump is still to be given.
        """
        if self.awaits_book:
            raise UsageError(self.awaits_book)
        module, _, function = self.runner.partition(":")
        taken = {key: value for key, value in options.items() if key in self.options}
        return getattr(import_module(module), function)(self, resolved, name, **taken)
