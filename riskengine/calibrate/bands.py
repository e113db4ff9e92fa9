"""Bands of the data's tail losses, and the verdict on a world: FIT, or UNFIT and where.

For every asset, horizon h and level the band is the percentile interval of the h-hour loss 1 - e^X (or e^X - 1 for a
short position) under a circular block bootstrap of overlapping returns.  A world is FIT where the exact unconditional
law (stationary start) puts every long loss inside its band.

Confidence.  The bands are 90 % each, not jointly: with 20 correlated cells a true law with parameters known beforehand
would miss about two of them, so the rule is strict for a law that was not fitted and no proof for one that was.  A
family-wise band (99.5 % a cell) would be so wide at 99.9 % that a Merton law fitted at one hour, whose 24-hour loss is
a third too small, would pass; a narrower one would ask for more than five years of data can say.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.bootstrap import BlockBootstrap
from riskengine.calibrate.sample import ReturnSample
from riskengine.roles import HasLaw

HORIZONS_HOURS = (1, 4, 12, 24, 72)
LEVELS = (0.99, 0.999)
CONFIDENCE = 0.90
BLOCK_HOURS = 14 * 24


@dataclass(frozen=True)
class Band:
    """One cell: what the data say about one loss.

    Attributes
    ----------
    asset : str
    side : {"long", "short"}
        Position that loses.
    horizon_hours : int
    level : float
        0.99: the loss exceeded in 1 % of the windows.
    data, lower, upper : float
        Loss as a fraction of the value at the start, and its interval.
    """

    asset: str
    side: str
    horizon_hours: int
    level: float
    data: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Bands:
    """All cells, and how they were made.

    Attributes
    ----------
    cells : tuple of Band
    confidence : float
        Of each cell on its own.
    block_hours, replicates, seed : int
    """

    cells: tuple[Band, ...]
    confidence: float
    block_hours: int
    replicates: int
    seed: int


@dataclass(frozen=True)
class FitRow:
    """A cell with the model's exact value; ``inside`` is ``lower <= model <= upper``."""

    band: Band
    model: float

    @property
    def inside(self) -> bool:
        """Whether the model's loss lies in the band."""
        return self.band.lower <= self.model <= self.band.upper


@dataclass(frozen=True)
class FitReport:
    """Every cell; the verdict rests on the long side, the short side is reported beside it."""

    rows: tuple[FitRow, ...]

    @property
    def outside(self) -> tuple[FitRow, ...]:
        """Long cells whose model value lies outside the band."""
        return tuple(r for r in self.rows if r.band.side == "long" and not r.inside)

    def verdict_of(self, asset: str) -> str:
        """``FIT`` where every long cell of `asset` lies inside its band, else ``UNFIT``."""
        return "UNFIT" if any(r.band.asset == asset for r in self.outside) else "FIT"

    @property
    def verdict(self) -> str:
        """``FIT`` where every long cell lies inside its band, else ``UNFIT``."""
        return "UNFIT" if self.outside else "FIT"


def loss_bands(
    sample: ReturnSample,
    horizons_hours: tuple[int, ...] = HORIZONS_HOURS,
    levels: tuple[float, ...] = LEVELS,
    confidence: float = CONFIDENCE,
    block_hours: int = BLOCK_HOURS,
    replicates: int = 1000,
    seed: int = 1,
) -> Bands:
    """Block-bootstrap bands of the data's losses, long and short.

    Parameters
    ----------
    sample : ReturnSample
    horizons_hours : tuple of int
    levels : tuple of float
        In (0, 1); each needs at least 10 observations in its tail, or ValueError.
    confidence : float
        Nominal coverage of each band.
    block_hours, replicates, seed : int
        Of the circular block bootstrap.

    References
    ----------
    Politis and Romano (1992), in Exploring the Limits of Bootstrap, 263-270; Kuensch, Annals of Statistics 17 (1989).
    """
    bootstrap = BlockBootstrap(sample.count, block_hours, replicates, seed)
    tail_probs = 1.0 - np.asarray(levels, dtype=np.float64)
    names, series, orders, exists = [], [], [], []
    for horizon in horizons_hours:
        values, exist = sample.returns(horizon)
        if exist.sum() * tail_probs.min() < 10:
            raise ValueError(
                f"levels must leave at least 10 observations in the tail, got {exist.sum()} returns over {horizon} h"
            )
        # a resample can be poorer in bad days: keep three times the observations its worst tail would need
        keep = min(int(3 * exist.sum() * tail_probs.max()) + 100, int(exist.sum()))
        for a, asset in enumerate(sample.assets):
            for side, loss in (("long", -np.expm1(values[:, a])), ("short", np.expm1(values[:, a]))):
                loss = np.where(exist, loss, -np.inf)
                names.append((asset, side, horizon))
                series.append(loss)
                orders.append(np.argsort(-loss, kind="stable")[:keep])
                exists.append(exist)
    drawn = bootstrap.worst(orders, exists, [tail_probs] * len(orders))
    cells = []
    for (asset, side, horizon), loss, order, exist, index in zip(names, series, orders, exists, drawn, strict=True):
        values = loss[order]
        for q, level in enumerate(levels):
            at_data = values[int(np.floor(tail_probs[q] * exist.sum() * (1 + 1e-12)))]
            lower, upper = np.quantile(values[index[:, q]], [(1 - confidence) / 2, (1 + confidence) / 2])
            cells.append(Band(asset, side, horizon, level, float(at_data), float(lower), float(upper)))
    cells.sort(key=lambda c: (c.side, sample.assets.index(c.asset), c.horizon_hours, c.level))
    return Bands(tuple(cells), confidence, block_hours, replicates, seed)


def model_losses(model: HasLaw, cells: tuple[Band, ...]) -> Floats:
    """Exact unconditional loss of `model` for every cell, shape (cells,)."""
    out = np.empty(len(cells))
    groups: dict[tuple[str, int], list[int]] = {}
    for i, cell in enumerate(cells):
        groups.setdefault((cell.asset, cell.horizon_hours), []).append(i)
    for (asset, hours), members in groups.items():
        law = model.law(asset, hours / 8760.0)
        long = np.array([cells[i].side == "long" for i in members])
        level = np.array([cells[i].level for i in members])
        moved = np.expm1(law.quantile(np.where(long, 1.0 - level, level)))
        out[members] = np.where(long, -moved, moved)
    return out


def check_fit(model: HasLaw, bands: Bands) -> FitReport:
    """Hold the exact law of `model` against every cell of `bands`."""
    values = model_losses(model, bands.cells)
    return FitReport(tuple(FitRow(cell, float(v)) for cell, v in zip(bands.cells, values, strict=True)))
