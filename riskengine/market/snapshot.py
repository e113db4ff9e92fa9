"""`MarketSnapshot`: the market at one instant as valuation and margin models read it."""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, Ints


@dataclass(frozen=True)
class MarketSnapshot:
    """Spot, forwards and implied volatilities for a list of instruments, on P lanes (paths, windows, or one).

    Attributes
    ----------
    spot : ndarray, shape (A, P)
        USD.
    forward : ndarray, shape (E, P)
        Forward of each expiry, USD.
    seconds : ndarray, shape (E,)
        Seconds to each expiry.
    rate : ndarray, shape (E,)
        Continuously compounded rate to each expiry.
    expiry_asset : ndarray of int, shape (E,)
        Asset of each expiry.
    volatility : ndarray, shape (O, P)
        Implied volatility of each option (decimal per square-root year).
    perpetual : ndarray, shape (A, P)
        Mark price of each asset's perpetual, USD.
    elapsed_hours : float
        Hours since time 0, over which pool tokens have earned fees.
    """

    spot: Floats
    forward: Floats
    seconds: Floats
    rate: Floats
    expiry_asset: Ints
    volatility: Floats
    perpetual: Floats
    elapsed_hours: float = 0.0

    @property
    def count(self) -> int:
        """Number of lanes P."""
        return self.spot.shape[1]

    @property
    def tau(self) -> Floats:
        """Years to each expiry, shape (E,)."""
        return np.asarray(self.seconds) / 31_536_000.0
