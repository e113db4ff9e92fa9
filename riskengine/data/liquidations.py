"""A file of real liquidations: when, whose, and for how much."""

from pathlib import Path

import numpy as np

from riskengine.data.table import is_csv, numbers, read_frame, seconds_of
from riskengine.errors import Fault, InputError, suggest
from riskengine.study.lending_replay import RealLiquidations
from riskengine.study.lending_replay_spec import LiquidationColumns


def load_liquidations(file: Path, columns: LiquidationColumns) -> RealLiquidations:
    """Liquidations of a CSV or parquet file by the names of its `columns`.

    Raises
    ------
    InputError
        With every fault: missing columns, words that no row holds, stamps that are none, amounts that are not
        finite and >= 0.
    """
    frame, digest = read_frame(file)
    name, known = str(file), [str(c) for c in frame.columns]
    wanted = (columns.time, columns.usd, columns.account, *columns.where)
    faults = [
        Fault(f"column {c!r} must be in the file, got {', '.join(known)}{suggest(c, known)}", name)
        for c in dict.fromkeys(wanted)
        if c not in known
    ]
    if faults:
        raise InputError(faults)
    for column, words in columns.where.items():
        held = frame[column].astype(str)
        faults += [
            Fault(f"{column} must be one of {', '.join(sorted(set(held))[:20])}, got {word!r}", name)
            for word in words
            if not (held == word).any()
        ]
        frame = frame[held.isin(words)]
    if faults:
        raise InputError(faults)
    first = 2 if is_csv(file) else 0
    usd = numbers(frame[columns.usd])
    bad = np.flatnonzero(~(np.isfinite(usd) & (usd >= 0)))
    if bad.size:
        said = f"{columns.usd} must be a finite number >= 0, got {bad.size} that are not, first {usd[bad[0]]!r}"
        raise InputError(Fault(said, name, int(frame.index[bad[0]]) + first))
    seconds = seconds_of(frame[columns.time], first, name)
    return RealLiquidations(seconds, usd, frame[columns.account].astype(str).to_numpy(dtype=object), file.name, digest)
