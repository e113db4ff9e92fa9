"""Worlds made of small data files, for the tests of configuration and command line."""

import numpy as np
from toys import STUDY, WORLD, write

MODEL = WORLD[WORLD.index("  kind: gbm") : WORLD.index("surface:")]
PLAIN = STUDY[: STUDY.index("calibration:")].replace("history_windows: 40", "history_windows: 4")
BLOCKS = """\
  kind: block_bootstrap
  assets: [BTC, ETH]
  spot: [34500, 1810.0]
  prices: {file: p.csv}
  block_hours: 12
"""
FILTERED = BLOCKS.replace("block_bootstrap", "filtered_bootstrap").replace(
    "  block_hours: 12\n", "  filter: {kind: ewma, decay: 0.94}\n"
)
HISTORY = BLOCKS.replace("block_bootstrap", "history").replace("  block_hours: 12\n", "")
PATHS = "  kind: paths\n  assets: [BTC, ETH]\n  paths: {file: p.npz, step_hours: 24, history_step_hours: 24}\n"


def prices(hours=800, missing=(), step=3600):
    """CSV of two assets; `missing` bars left out."""
    moves = np.random.default_rng(3).normal(0.0, 0.005, (hours, 2))
    level = np.array([34_500.0, 1_810.0]) * np.exp(np.cumsum(moves, axis=0))
    kept = [i for i in range(hours) if i not in missing]
    return "timestamp,BTC,ETH\n" + "".join(f"{1609459200 + i * step},{level[i, 0]},{level[i, 1]}\n" for i in kept)


def world(model):
    return WORLD.replace(MODEL, model)


def folder_with(path, model, text=None, study=PLAIN):
    (path / "p.csv").write_text(prices() if text is None else text)
    spot = np.array([34_500.0, 1_810.0]) * np.ones((3, 64, 1))
    np.savez(path / "p.npz", spot=spot, history_spot=spot[0] * np.ones((5, 1, 1)))
    return write(path, world=world(model), study=study)
