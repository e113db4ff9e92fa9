"""The log of a law that follows a market: one JSON line per snapshot, and beside it the state to go on from.

``LOG`` holds the lines, ``LOG.state`` the state and how long the log was when it was written.  The line is written
first; where a run stops between the two, the line without a state is cut off on resuming and the snapshot is taken
again, so a resumed log has the same bytes as one that was never interrupted.
"""

import json
import os
from pathlib import Path
from typing import Any

from riskengine.errors import Fault, InputError


class FollowLog:
    """A log open for appending.

    Parameters
    ----------
    path : Path
        Created where it is not there; otherwise continued.

    Raises
    ------
    InputError
        Where there is a log without a readable state, which cannot be continued.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._beside = path.with_name(path.name + ".state")
        self.state: dict[str, Any] | None = None
        self.seen = -1
        if not path.exists():
            path.write_bytes(b"")
            self._beside.unlink(missing_ok=True)
            return
        if not self._beside.exists():
            if path.stat().st_size == 0:
                return
            raise InputError(
                Fault(f"a log can only be continued with its state {self._beside.name} beside it", str(path))
            )
        try:
            saved = json.loads(self._beside.read_text(encoding="utf-8"))
            size, self.seen, self.state = int(saved["bytes"]), int(saved["seen"]), saved["state"]
        except (ValueError, KeyError, TypeError):
            raise InputError(Fault("must hold the state of a log", str(self._beside))) from None
        if path.stat().st_size < size:
            raise InputError(Fault(f"must hold at least the {size} bytes its state knows of", str(path)))
        with path.open("r+b") as log:
            log.truncate(size)

    def append(self, record: dict[str, Any], seconds: int, state: dict[str, Any]) -> None:
        """Write one line for the snapshot at `seconds`, then the state after it."""
        with self.path.open("ab") as log:
            log.write(json.dumps(record, allow_nan=False).encode() + b"\n")
            log.flush()
            size = log.tell()
        self.state, self.seen = state, seconds
        part = self._beside.with_name(self._beside.name + ".part")
        part.write_text(json.dumps({"bytes": size, "seen": seconds, "state": state}), encoding="utf-8")
        os.replace(part, self._beside)
