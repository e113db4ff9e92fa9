"""`MarketPaths`: one block of market paths."""

from dataclasses import dataclass, field

import numpy as np

from riskengine.arrays import Floats
from riskengine.market.grid import TimeGrid


@dataclass(frozen=True)
class MarketPaths:
    """One block of paths, time-major.

    Every array is held as (time, asset, path) so that a step of one asset is a contiguous run of lanes for the
    kernels; the properties without the suffix give the same memory as (time, path, asset).

    Attributes
    ----------
    grid : TimeGrid
    assets : tuple of str
        Names, in the order of the asset axis.
    first_path : int
        Number of the block's first path in the study.
    spot_lanes : ndarray, shape (T + 1, A, P)
        Prices in USD.
    variance_lanes : ndarray, shape (T + 1, A, P), or None
        Instantaneous variance per year, where the world has one.
    history_spot_lanes, history_variance_lanes : ndarray, shape (H + 1, A, P), or None
        The path before time 0, same law; the last entry is time 0.
    depth_lanes : ndarray, shape (T + 1, A, P), or None
        Market depth relative to its usual level: 1 is usual, 0.2 a fifth of it.
    funding_lanes : ndarray, shape (T + 1, A, P), or None
        Perpetual funding rate per year, paid by longs where positive.
    basis_lanes : ndarray, shape (T + 1, A, P), or None
        log(perpetual or futures mark / spot).
    borrow_rate_lanes : ndarray, shape (T + 1, A, P), or None
        Rate per year, continuously compounded, at which the asset is borrowed.
    oracle_lanes : ndarray, shape (T + 1, A, P), or None
        Price in USD that an on-chain consumer sees; None where it is the spot price.
    log_weight : ndarray, shape (P,), or None
        log of the likelihood ratio of the world's law to the law that was sampled, over the whole path; None where
        sampling was plain.  Minus infinity: impossible under the world.
    tilt_statistics : ndarray, shape (K, P), or None
        Sufficient statistics of tilted sampling, from which the likelihood of any other tilt follows.
    attempts : ndarray, shape (P,), or None
        Candidates that a world given an event drew for each path.
    failed : ndarray of bool, shape (P,)
        Paths with numerical trouble; they are reported, never dropped.
    """

    grid: TimeGrid
    assets: tuple[str, ...]
    first_path: int
    spot_lanes: Floats
    variance_lanes: Floats | None = None
    history_spot_lanes: Floats | None = None
    history_variance_lanes: Floats | None = None
    depth_lanes: Floats | None = None
    funding_lanes: Floats | None = None
    basis_lanes: Floats | None = None
    borrow_rate_lanes: Floats | None = None
    oracle_lanes: Floats | None = None
    log_weight: Floats | None = None
    tilt_statistics: Floats | None = None
    attempts: Floats | None = None
    failed: np.ndarray = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        t, a, p = self.spot_lanes.shape
        if (t, a) != (self.grid.steps + 1, len(self.assets)):
            raise ValueError(
                f"spot must have shape ({self.grid.steps + 1}, {len(self.assets)}, paths), got {self.spot_lanes.shape}"
            )
        for name in ("depth_lanes", "funding_lanes", "basis_lanes", "borrow_rate_lanes", "oracle_lanes"):
            lanes = getattr(self, name)
            if lanes is not None and lanes.shape != self.spot_lanes.shape:
                raise ValueError(f"{name} must have the shape of spot {self.spot_lanes.shape}, got {lanes.shape}")
        if self.log_weight is not None and self.log_weight.shape != (p,):
            raise ValueError(f"log_weight must have shape ({p},), got {self.log_weight.shape}")
        if self.failed is None:
            bad = ~np.isfinite(self.spot_lanes).all(axis=(0, 1)) | ~(self.spot_lanes > 0).all(axis=(0, 1))
            object.__setattr__(self, "failed", bad)

    @property
    def count(self) -> int:
        """Number of paths P in the block."""
        return self.spot_lanes.shape[2]

    @property
    def spot(self) -> Floats:
        """Prices, shape (T + 1, P, A)."""
        return self.spot_lanes.transpose(0, 2, 1)

    @property
    def variance(self) -> Floats | None:
        """Instantaneous variance per year, shape (T + 1, P, A), or None."""
        return None if self.variance_lanes is None else self.variance_lanes.transpose(0, 2, 1)
