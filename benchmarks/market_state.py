"""Figures behind the market state of `scenarios/baseline/btc_eth_market.yaml`, from public data beside the checkout.

    python benchmarks/market_state.py DATA_FOLDER

Prints the premium behind funding (Tobit on the venue's formula), basis of the mark over spot, and book depth.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from riskengine.calibrate.bootstrap import BlockBootstrap
from riskengine.calibrate.premium import fit_premium


def premium(folder: Path) -> None:
    """Mean, sd and half-life of the premium by venue, coin and year."""
    rates = pd.read_parquet(folder / "funding_rates.parquet")
    print("premium behind funding, basis points per 8 h (standard error)")
    cases = [("binance_usdm", "BTC", "2022", "2026"), ("binance_usdm", "BTC", "2023-11", "2025")]
    cases += [("binance_usdm", coin, "2024-12-31", "2026") for coin in ("BTC", "ETH", "SOL")]
    for venue, coin, start, end in cases:
        mine = rates[(rates.venue == venue) & (rates.symbol == coin)].drop_duplicates("timestamp")
        mine = mine[(mine.timestamp >= pd.Timestamp(start, tz="UTC")) & (mine.timestamp < pd.Timestamp(end, tz="UTC"))]
        f = mine.sort_values("timestamp").funding_rate.to_numpy()
        r = fit_premium(f)
        figures = [(1e4 * r.mean, 1e4 * r.mean_error), (1e4 * r.sd, 1e4 * r.sd_error)]
        figures.append((r.half_life_hours, r.half_life_error))
        text = "".join(
            f"{n} {v:.2f} ({e:.2f})  " for n, (v, e) in zip(("mean", "sd", "half-life h"), figures, strict=True)
        )
        shares = f"at interest {r.at_interest:.3f}, model {r.at_interest_model:.3f}"
        print(f"  {venue} {coin} {start} to {end} n {r.count}  {text}{shares}")


def basis(folder: Path) -> None:
    """Basis of the mark over spot: level, spread, persistence, answer to returns and to variance."""
    perpetual = pd.read_parquet(folder / "prices_perp_1h.parquet")
    spot = pd.read_parquet(folder / "prices_spot_1h.parquet")
    print("basis log(mark / spot), hourly, basis points")
    for coin in ("BTC", "ETH"):
        mark = perpetual[perpetual.symbol == coin].drop_duplicates("timestamp").set_index("timestamp").mark_close
        price = spot[spot.symbol == coin].drop_duplicates("timestamp").set_index("timestamp").close
        both = pd.concat([np.log(mark), np.log(price)], axis=1, keys=["mark", "spot"], sort=True).dropna()
        b, r = 1e4 * (both["mark"] - both["spot"]).to_numpy(), both["spot"].diff().to_numpy()[1:]
        auto = [np.corrcoef(b[h:], b[:-h])[0, 1] for h in (1, 8, 24, 72)]
        change = np.diff(b)
        x = np.stack([np.ones_like(r), r, change, r * r, r * change], axis=1)
        drawn = BlockBootstrap(r.size, 336, 500, 1).sums(x)
        slope = (x.sum(0)[4] - x.sum(0)[1] * x.sum(0)[2] / r.size) / (x.sum(0)[3] - x.sum(0)[1] ** 2 / r.size)
        slopes = (drawn[:, 4] - drawn[:, 1] * drawn[:, 2] / drawn[:, 0]) / (
            drawn[:, 3] - drawn[:, 1] ** 2 / drawn[:, 0]
        )
        fast = b - pd.Series(b).rolling(24).mean().to_numpy()
        v = pd.Series(r**2).ewm(halflife=24).mean().to_numpy()
        keep = np.isfinite(fast[1:])
        # two-week means of log |noise| against those of log variance
        blocks = np.arange(r.size)[keep] // 336
        y = pd.Series(np.log(np.abs(fast[1:][keep]) + 0.01)).groupby(blocks).mean()
        u = pd.Series(np.log(v[keep])).groupby(blocks).mean()
        fit, cov = np.polyfit(u, y, 1, cov=True)
        tails = np.quantile(b, (0.001, 0.999))
        print(f"  {coin} n {b.size}  mean {b.mean():.2f} sd {b.std():.2f}  0.1 % {tails[0]:.1f} 99.9 % {tails[1]:.1f}")
        print(f"    autocorrelation at 1, 8, 24, 72 h {', '.join(f'{a:.2f}' for a in auto)}")
        print(f"    change per unit of return {1e-4 * slope:.5f} ({1e-4 * slopes.std(ddof=1):.5f})")
        print(f"    log noise on log variance {fit[0]:.2f} ({np.sqrt(cov[0, 0]):.2f})")


def depth(folder: Path) -> None:
    """USD within 1 % of mid on each side, and how much it moves within five minutes."""
    book = pd.read_csv(folder / "orderbook_depth_binance_20240808.csv.gz")
    print("book depth on 2024-08-08, five minutes in steps of 10 s")
    for (venue, coin), part in book[~book.venue.str.contains("coin")].groupby(["venue", "instrument"]):
        # the first snapshots are taken before the book is rebuilt; 25 bp is covered by all later ones
        whole = part[(part.max_bid_depth_bp > 100) & (part.max_ask_depth_bp > 100)]
        mid = 0.5 * (whole.best_bid + whole.best_ask)
        for width in (25, 100):
            sides = {side: np.log(whole[f"{side}_qty_{width}bp"] * mid) for side in ("bid", "ask")}
            text = ", ".join(
                f"{s} {np.exp(v).mean() / 1e6:.1f}m USD, sd of log {v.std():.3f}, change in 10 s {v.diff().std():.3f}"
                for s, v in sides.items()
            )
            print(f"  {venue:14} {coin:9} within {width} bp, n {len(whole)}: {text}")


if __name__ == "__main__":
    data = Path(sys.argv[1])
    premium(data)
    basis(data)
    depth(data)
