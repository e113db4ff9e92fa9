"""Chains of a market that is known: spot as given, one volatility for every strike and tenor, forwards with a carry."""

import numpy as np

from riskengine.market.chain import ChainSeries, ChainSnapshot
from riskengine.pricing.black import black76

DAY = 86_400
START = 1_767_258_000  # 2026-01-01 09:00 UTC
RATIOS = (0.7, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.3)


def snapshot(asset, seconds, spot, volatility=0.6, carry=0.0, days=(7, 30, 90, 180), strikes=None, expiries=None):
    """Calls and puts at RATIOS of spot (or at `strikes`), expiring at 08:00 some days later (or at `expiries`)."""
    midnight = seconds // DAY * DAY
    ends = [midnight + d * DAY + 8 * 3600 for d in days] if expiries is None else list(expiries)
    strikes = [r * spot for r in RATIOS] if strikes is None else strikes
    rows = [(e, k, s) for e in ends if e > seconds for k in strikes for s in (1.0, -1.0)]
    expiry, strike, sign = (np.array(c, dtype=float) for c in zip(*rows, strict=True))
    tau = (expiry - seconds) / (365.0 * DAY)
    forward = spot * np.exp(carry * tau)
    mark = black76(forward, strike, tau, volatility, sign) / forward
    return ChainSnapshot(
        asset, int(seconds), float(spot), expiry, strike, forward, sign, mark, 0.98 * mark, 1.02 * mark
    )


def series(asset, spots, volatility=0.6, **settings):
    """One snapshot a day; listed strikes and expiries stay those of the first day where `strikes` are given."""
    vols = np.broadcast_to(np.asarray(volatility, dtype=float), (len(spots),))
    chains = [
        snapshot(asset, START + i * DAY, s, v, **settings) for i, (s, v) in enumerate(zip(spots, vols, strict=True))
    ]
    return ChainSeries(asset, tuple(chains), "chains.csv", "0" * 64)


def table(found):
    """The same as lines of a CSV file."""
    lines = ["timestamp,underlying,expiry,strike,type,bid,ask,mark,underlying_price,index_price"]
    for s in found:
        for c in s.snapshots:
            for q in range(c.strike.size):
                kind = "C" if c.sign[q] > 0 else "P"
                prices = f"{c.bid[q]!r},{c.ask[q]!r},{c.mark[q]!r},{c.forward[q]!r},{c.index!r}"
                prices = prices.replace("np.float64(", "").replace(")", "")
                lines.append(f"{c.seconds},{s.asset},{c.expiry[q]},{c.strike[q]},{kind},{prices}")
    return "\n".join(lines) + "\n"
