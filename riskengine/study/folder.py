"""A run is a folder."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riskengine.errors import RunError, UsageError
from riskengine.study.manifest import question_hash


@dataclass(frozen=True)
class RunFolder:
    """``runs/<study>-<hash8>/`` and what is written into it, each file whole or not at all."""

    path: Path

    @classmethod
    def open(cls, name: str, resolved: dict[str, Any], out: Path | None, resume: bool) -> "RunFolder":
        """Make the folder of a run, or take up an earlier one.

        Raises
        ------
        UsageError
            Where the folder cannot be written, or holds the run of another question or files that are no run's.
        """
        digest = question_hash(resolved)
        path = out if out is not None else Path("runs") / f"{name}-{digest[:8]}"
        folder = cls(path)
        if path.is_dir() and not (path / "question.sha256").exists() and any(path.iterdir()):
            raise UsageError(f"{path}: must be a new or empty folder, or one that holds a run, got other files in it")
        try:
            (path / "blocks").mkdir(parents=True, exist_ok=True)
            probe = path / ".write-test"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise UsageError(f"{path}: output folder must be writable, got: {error.strerror}") from None
        marker = path / "question.sha256"
        known = marker.read_text().strip() if marker.exists() else None
        if known is not None and known != digest:
            if out is not None:
                raise UsageError(
                    f"{path}: holds the run of another question ({known[:8]}, this one is {digest[:8]}); "
                    "choose another --out or delete it"
                )
            known = None
        if not resume:
            for file in (path / "blocks").rglob("*.block"):
                file.unlink()
        for file in (path / "blocks").rglob("*.partial"):
            file.unlink()
        folder.write_bytes("question.sha256", digest.encode() + b"\n")
        return folder

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Write a file whole: under another name first, then moved into place."""
        target = self.path / name
        partial = target.with_name(target.name + ".partial")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(content)
            os.replace(partial, target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise RunError(f"{target}: could not be written: {error.strerror}") from None
        return target

    def write_json(self, name: str, value: Any) -> Path:
        """Write a JSON file with stable bytes, one value a line."""
        return self.write_bytes(name, json.dumps(value, indent=0, ensure_ascii=False, allow_nan=False).encode() + b"\n")
