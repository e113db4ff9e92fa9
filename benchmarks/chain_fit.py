"""How much of a real option chain each pricing law prices inside the market, out of sample.

    python benchmarks/chain_fit.py CHAINS.parquet --out chain_fit.jsonl [--every 1] [--models bates,bates++]
    python benchmarks/chain_fit.py CHAINS.parquet --published

CHAINS holds the columns that `riskengine fit chain` reads.  Of every day the first snapshot is taken; the default
rules choose the quotes; each quote goes to the fit with probability 0.7, by numpy.random.default_rng(42 + split), and
the rest is the test.  Figures are of the test quotes: share inside bid and ask, root-mean-square and mean absolute
error against the mid in coin, for the model and for the exchange's own mark on the same quotes.  One line of JSON per
fit, appended; a second call does what is missing.  At the end a table: means over days, with the standard error of the
mean over days (of daily means over splits; days are treated as independent, which they are not quite).

``--published`` fits the first BTC snapshot of the file with the split of the published figures.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from riskengine.calibrate.pricing_law.fit import Quality, fit_law
from riskengine.calibrate.pricing_law.objective import FitRules
from riskengine.calibrate.pricing_law.quotes import part, select
from riskengine.data.chains import load_chains

# name -> (family, rules, splits)
MODELS = {
    "black": ("black", FitRules(weights="coin"), 3),
    "black++": ("black", FitRules(shift=True), 3),
    "merton": ("merton", FitRules(), 3),
    "kou": ("kou", FitRules(), 3),
    "heston": ("heston", FitRules(), 3),
    "bates": ("bates", FitRules(), 3),
    "svcj": ("svcj", FitRules(), 1),
    "heston++": ("heston", FitRules(shift=True), 3),
    "bates++": ("bates", FitRules(shift=True), 3),
    "svcj++": ("svcj", FitRules(shift=True), 1),
}
FIGURES = ("inside", "rmse", "mae", "mark_inside", "mark_rmse", "mark_mae")


def split_rows(count: int, split: int) -> tuple[np.ndarray, np.ndarray]:
    """Quotes of the fit and of the test."""
    fitted = np.random.default_rng(42 + split).random(count) < 0.7
    return np.flatnonzero(fitted), np.flatnonzero(~fitted)


def one(chain, name: str, split: int) -> dict:
    """Figures of one model on one chain and split."""
    family, rules, _ = MODELS[name]
    fitted, test = split_rows(chain.count, split)
    start = time.process_time()
    fit = fit_law(part(chain, fitted), family, rules)
    seconds = time.process_time() - start
    price = fit.law.prices(chain)
    out = {"seconds": seconds, "settled": fit.settled}
    for label, rows in (("", test), ("train_", fitted)):
        model, mark = Quality.of(chain, price, rows), Quality.of(chain, chain.quotes.mark, rows)
        out |= {f"{label}{k}": getattr(model, k) for k in ("quotes", "inside", "rmse", "mae")}
        out |= {f"{label}mark_{k}": getattr(mark, k) for k in ("inside", "rmse", "mae")}
    return out


def daily(file: Path, asset: str) -> list:
    """The first snapshot of every day."""
    days: dict[int, object] = {}
    for quotes in load_chains(file, asset):
        days.setdefault(quotes.seconds // 86400, quotes)
    return list(days.values())


def run(file: Path, out: Path, every: int, models: list[str]) -> None:
    """Fit what `out` does not hold yet."""
    done = set()
    if out.exists():
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        done = {(r["asset"], r["day"], r["model"], r["split"]) for r in lines}
    with out.open("a", encoding="utf-8") as sink:
        for asset in ("BTC", "ETH"):
            for quotes in daily(file, asset)[::every]:
                day = str(np.datetime64(quotes.seconds, "s"))[:10]
                chain = select(quotes)
                for name in models:
                    for split in range(MODELS[name][2]):
                        if (asset, day, name, split) not in done:
                            row = {"asset": asset, "day": day, "model": name, "split": split} | one(chain, name, split)
                            sink.write(json.dumps(row) + "\n")
                sink.flush()


def table(out: Path) -> None:
    """Print the means."""
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    print("| asset | model | days x splits | inside | mark | RMSE | mark | ratio | MAE | mark | s per fit |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for asset in ("BTC", "ETH"):
        for name in MODELS:
            splits = MODELS[name][2]
            mine = [r for r in rows if r["asset"] == asset and r["model"] == name and r["split"] < splits]
            if not mine:
                continue
            days = sorted({r["day"] for r in mine})
            means = np.array([[np.mean([r[f] for r in mine if r["day"] == d]) for f in FIGURES] for d in days])
            m, e = means.mean(axis=0), means.std(axis=0, ddof=1) / np.sqrt(len(days))
            print(
                f"| {asset} | {name} | {len(days)} x {splits} | {m[0]:.1%} ± {e[0]:.1%} | {m[3]:.1%} "
                f"| {1e4 * m[1]:.2f} ± {1e4 * e[1]:.2f} | {1e4 * m[4]:.2f} | {m[1] / m[4]:.3f} "
                f"| {1e4 * m[2]:.2f} ± {1e4 * e[2]:.2f} | {1e4 * m[5]:.2f} "
                f"| {np.mean([r['seconds'] for r in mine]):.2f} |"
            )


def published(file: Path) -> None:
    """The figures of the published fit of one chain, on its own terms."""
    chain = select(daily(file, "BTC")[0])
    MODELS["svcj (coin)"] = ("svcj", FitRules(weights="coin"), 1)
    MODELS["heston (coin)"] = ("heston", FitRules(weights="coin"), 1)
    print("| model | RMSE fitted | MAE fitted | RMSE test | MAE test | inside fitted | inside test |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    rows = [(name, one(chain, name, 0)) for name in MODELS]
    mark = {k: rows[0][1][k.replace("train_", "train_mark_") if "train" in k else f"mark_{k}"] for k in
            ("train_rmse", "train_mae", "rmse", "mae", "train_inside", "inside")}  # fmt: skip
    for name, r in [("exchange's mark", mark), *rows]:
        cells = (f"{r[k]:.6f}" for k in ("train_rmse", "train_mae", "rmse", "mae"))
        print(f"| {name} | {' | '.join(cells)} | {r['train_inside']:.3f} | {r['inside']:.3f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chains", type=Path)
    parser.add_argument("--out", type=Path, default=Path("chain_fit.jsonl"))
    parser.add_argument("--every", type=int, default=1, help="every n-th day")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--loss", help="instead of each model's own")
    parser.add_argument("--weights", help="instead of each model's own")
    parser.add_argument("--published", action="store_true")
    given = parser.parse_args()
    other = {name: value for name in ("loss", "weights") if (value := getattr(given, name)) is not None}
    MODELS = {name: (family, replace(rules, **other), splits) for name, (family, rules, splits) in MODELS.items()}
    if given.published:
        published(given.chains)
    else:
        run(given.chains, given.out, given.every, given.models.split(","))
        table(given.out)
