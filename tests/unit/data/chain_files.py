"""Chain files, made from a known law."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "calibrate"))

from synthetic_chains import BATES, HESTON, START, quotes  # noqa: E402

__all__ = ["BATES", "HESTON", "START", "frame", "quotes"]


def frame(laws, **more):
    """Snapshots of several laws as the rows of a file."""
    import pandas

    parts = []
    for law in laws:
        q = quotes(law, seconds=law.seconds, **more)
        parts.append(
            pandas.DataFrame(
                {
                    "timestamp": str(np.datetime64(q.seconds, "s")) + "Z",
                    "underlying": q.asset,
                    "expiry": [str(np.datetime64(int(e), "s")) + "Z" for e in q.expiry_seconds],
                    "strike": q.strike,
                    "type": np.where(q.sign > 0, "C", "P"),
                    "bid": np.where(q.bid > 0, q.bid, np.nan),
                    "ask": q.ask,
                    "mark": q.mark,
                    "underlying_price": q.forward,
                    "open_interest": q.open_interest,
                    "source": "made",
                }
            )
        )
    return pandas.concat(parts, ignore_index=True)
