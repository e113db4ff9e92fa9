"""The smiles of a chain: an SVI slice per expiry with its arbitrage checks, and one arbitrage-free SSVI surface.

A smile interpolates; it is no law and says nothing about how prices move.  It is the check that a chain is clean, and
the yardstick for how near to the quotes a law could be.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.pricing_law.fit import Quality
from riskengine.calibrate.pricing_law.objective import scales
from riskengine.calibrate.pricing_law.quotes import Chain
from riskengine.calibrate.svi import SsviSurface, SviSlice, calendar_gap, fit_ssvi, fit_svi
from riskengine.pricing.black import black76

_STRIKES = 5


@dataclass(frozen=True)
class SmileFit:
    """Smiles of one chain.

    Attributes
    ----------
    chain : Chain
    slices : dict of int to SviSlice
        By position of the expiry; an expiry with fewer than five strikes has none.
    gaps : dict of tuple of int to tuple of float
        Per pair of neighbouring slices, the smallest increase of total variance and the log-moneyness of it.
    surface : SsviSurface or None
        None where fewer than two expiries have a slice.
    slice_quality, surface_quality : Quality or None
        On the quotes of the expiries that have a slice.
    """

    chain: Chain
    slices: dict[int, SviSlice]
    gaps: dict[tuple[int, int], tuple[float, float]]
    surface: SsviSurface | None
    slice_quality: Quality
    surface_quality: Quality | None

    @property
    def arbitrage(self) -> list[str]:
        """Butterflies and calendar spreads of the slices, in words."""
        days = 365.0 * self.chain.tau
        out = [
            f"butterfly: {days[e]:.0f} days, g = {s.lowest_g:.3g} at log-moneyness {s.lowest_at:+.2f}"
            for e, s in self.slices.items()
            if not s.free_of_butterflies
        ]
        return out + [
            f"calendar: total variance falls by {-gap:.3g} from {days[a]:.0f} to {days[b]:.0f} days "
            f"at log-moneyness {at:+.2f}"
            for (a, b), (gap, at) in self.gaps.items()
            if gap < 0.0
        ]

    def record(self) -> dict[str, Any]:
        """Plain values for a file or for JSON."""
        stamps = [f"{np.datetime64(int(e), 's')}Z" for e in self.chain.expiries]
        record: dict[str, Any] = {
            "title": f"{self.chain.quotes.asset}: smiles of {np.datetime64(self.chain.quotes.seconds, 's')}Z",
            "slices": [
                {"expiry": stamps[e], "days": round(365.0 * s.tau, 4)}
                | {n: float(f"{getattr(s, n):.9g}") for n in ("a", "b", "rho", "m", "sigma", "rmse", "lowest_g")}
                for e, s in self.slices.items()
            ],
            "without_a_slice": [stamps[e] for e in range(len(stamps)) if e not in self.slices],
            "inside_bid_ask": round(self.slice_quality.inside, 4),
            "arbitrage": self.arbitrage,
        }
        if self.surface is not None:
            s = self.surface
            record["ssvi"] = {n: float(f"{getattr(s, n):.9g}") for n in ("rho", "eta", "gamma", "rmse")}
            record["ssvi"]["theta"] = [float(f"{v:.9g}") for v in s.theta]
            record["ssvi"]["inside_bid_ask"] = round(self.surface_quality.inside, 4)
        return record


def fit_smiles(chain: Chain) -> SmileFit:
    """Fit slices and surface to the out-of-the-money quotes of `chain`, weighted by spread in volatility.

    Raises
    ------
    ValueError
        Where no expiry has five strikes.
    """
    out = chain.quotes.sign * chain.log_moneyness >= 0.0
    usable = out & np.isfinite(chain.volatility) & (chain.volatility > 0.0)
    # half spread over the price of one volatility point: the quote's uncertainty in volatility
    weight = (scales(chain, "vega") / scales(chain, "spread")) ** 2
    slices = {}
    for e in range(chain.expiries.size):
        rows = np.flatnonzero(usable & (chain.expiry == e))
        if np.unique(chain.quotes.strike[rows]).size >= _STRIKES:
            slices[e] = fit_svi(chain.log_moneyness[rows], chain.volatility[rows], chain.tau[e], weight[rows])
    if not slices:
        raise ValueError(
            f"a smile must have at least {_STRIKES} strikes out of the money in one expiry, got at most "
            f"{np.bincount(chain.expiry[usable], minlength=1).max()} of {chain.count} quotes"
        )
    kept = list(slices)
    gaps = {(a, b): calendar_gap(slices[a], slices[b]) for a, b in zip(kept[:-1], kept[1:], strict=True)}
    rows = np.flatnonzero(np.isin(chain.expiry, kept))
    volatility = np.zeros(chain.count)
    for e, found in slices.items():
        mine = chain.expiry == e
        volatility[mine] = found.volatility(chain.log_moneyness[mine])
    surface, quality = None, None
    if len(kept) > 1:
        fitted = np.flatnonzero(usable & np.isin(chain.expiry, kept))
        place = np.searchsorted(kept, chain.expiry)
        surface = fit_ssvi(
            chain.log_moneyness[fitted], chain.volatility[fitted], place[fitted], chain.tau[kept], weight[fitted]
        )
        total = np.zeros(chain.count)
        total[rows] = surface.total_variance(chain.log_moneyness[rows], place[rows])
        quality = Quality.of(chain, _prices(chain, np.sqrt(total / chain.tau[chain.expiry])), rows)
    return SmileFit(chain, slices, gaps, surface, Quality.of(chain, _prices(chain, volatility), rows), quality)


def _prices(chain: Chain, volatility: Floats) -> Floats:
    return black76(1.0, np.exp(chain.log_moneyness), chain.tau[chain.expiry], volatility, chain.quotes.sign)
