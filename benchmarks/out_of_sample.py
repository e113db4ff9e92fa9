"""Fit to one period, judge on the next: `python benchmarks/out_of_sample.py PRICES [--split 2024-01-01]`.

Fits every model to hourly prices before the split and holds its exact unconditional losses against the block-bootstrap
bands of the prices after it.  The band of the second period says what that period could have shown; the level of
variance of two years is itself uncertain (by a fifth for a half-life of two weeks), which bands of two-week blocks do
not hold, so cells outside are to be expected, and the table says to which side.  "Level matched" multiplies the model's
log-returns by the ratio of the hourly standard deviations of the two periods: what is left outside then is shape.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from riskengine.calibrate.bands import check_fit, loss_bands
from riskengine.calibrate.returns import fit_returns
from riskengine.calibrate.sample import ReturnSample
from riskengine.data.prices import load_prices

START = {"BTC": "2021-01-01", "ETH": "2021-01-01"}


def sample(file: Path, asset: str, start: str, end: str) -> ReturnSample:
    """Hourly closes of one asset between two dates."""
    found = load_prices(file, (asset,), start=start, end=end, max_missing_share=0.03)
    return ReturnSample(found.assets, found.seconds // 3600, found.prices, found.flat_bars)


def hourly_sd(data: ReturnSample) -> float:
    """Standard deviation of hourly log-returns."""
    values, exist = data.returns(1)
    return float(values[exist].std())


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prices", type=Path)
    parser.add_argument("--split", default="2024-01-01")
    parser.add_argument("--end", default="2025-12-01")
    parser.add_argument("--assets", default="BTC,ETH,SOL,LINK,AAVE,UNI")
    options = parser.parse_args()
    print(
        "| asset | model | in sample | after | too small | too large | level matched | 24 h 99 %: model, data, band |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for asset in options.assets.split(","):
        before = sample(options.prices, asset, START.get(asset, "2021-04-05"), options.split)
        later = sample(options.prices, asset, options.split, options.end)
        bands, level = loss_bands(later), hourly_sd(later) / hourly_sd(before)
        for kind, components in (("gbm", 1), ("merton", 1), ("bates", 1), ("bates", 2)):
            fit = fit_returns(before, kind, refits=0, components=components)
            rows = [r for r in check_fit(fit.model, bands).rows if r.band.side == "long"]
            day = next(r for r in rows if (r.band.horizon_hours, r.band.level) == (24, 0.99))
            matched = [r.band.lower <= -np.expm1(level * np.log1p(-r.model)) <= r.band.upper for r in rows]
            name = kind + (", two components" if components == 2 else "")
            print(
                f"| {asset} | {name} | {10 - len(fit.report.outside)} of 10 | {sum(r.inside for r in rows)} of 10 | "
                f"{sum(r.model < r.band.lower for r in rows)} | {sum(r.model > r.band.upper for r in rows)} | "
                f"{sum(matched)} of 10 | {100 * day.model:.2f}, {100 * day.band.data:.2f} [{100 * day.band.lower:.2f}, "
                f"{100 * day.band.upper:.2f}] |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
