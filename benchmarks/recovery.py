"""Do the intervals of a fit cover the truth?  `python benchmarks/recovery.py [--model bates] [--histories 100]`.

Simulates independent histories of a model, of the length of the real ones (4.9 years of hours), fits each as
`riskengine fit returns --model NAME` does, and counts for every parameter how many 95 % intervals hold the truth, and
how many fits call it identified by the rule of `riskengine.calibrate.identified`.  Exit code 1 where a parameter that
most fits call identified is covered by fewer than 90 % of the intervals of those fits.

Histories are those of the world itself (paths 0, 1, ... of one seed), refits use another seed.  Each history is written
to --out as a line of JSON (estimates and errors) when it is done, and is not computed again; intervals and verdicts are
formed from these lines.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from riskengine.calibrate.identified import not_identified
from riskengine.calibrate.parameters import published_names, scenario_model
from riskengine.calibrate.returns import REFITS, fit_returns
from riskengine.calibrate.sample import ReturnSample
from riskengine.calibrate.uncertainty import interval_95
from riskengine.errors import RunError
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys

HOURS = 42_848  # of BTC from 2021-01-01 to 2025-11-30
_JUMPS = {"jumps_own.intensity[A]": 60.0, "jumps_own.mean[A]": -0.003, "jumps_own.sd[A]": 0.03}
_VARIANCE = {"kappa": 20.0, "xi[A]": 4.5, "theta[A]": 0.29, "rho[A]": -0.3}
TRUTH = {
    "bates": _VARIANCE | _JUMPS,  # near the world fitted to BTC
    "heston": _VARIANCE,
    "kou": {
        "volatility[A]": 0.5, "jumps_own.intensity[A]": 400.0, "jumps_own.up_share[A]": 0.45,
        "jumps_own.eta_up[A]": 80.0, "jumps_own.eta_down[A]": 60.0,
    },
    "svcj": {"kappa": 20.0, "xi[A]": 3.0, "theta[A]": 0.2, "rho[A]": -0.3} | _JUMPS
    | {"jumps_own.variance_mean[A]": 0.15, "jumps_own.slope[A]": -0.02},
    "regime_switching": {
        "volatility[A,calm]": 0.4, "volatility[A,stress]": 1.0, "generator[calm,stress]": 10.0,
        "generator[stress,calm]": 30.0,
    } | _JUMPS,
}  # fmt: skip


def one(model: str, history: int, seed: int, refits: int) -> dict:
    """Fit history number `history`; plain values."""
    world = scenario_model(model, ("A",), TRUTH[model], (100.0,))
    paths = world.sample(TimeGrid(3600, HOURS), history, 1, DrawKeys(seed))
    sample = ReturnSample(("A",), np.arange(HOURS + 1), paths.spot[:, 0, :])
    start = time.process_time()
    try:
        fit = fit_returns(sample, model, replicates=300, seed=1000 + history, refits=refits)
    except RunError as error:
        return {"history": history, "error": str(error)}
    return {
        "history": history,
        "values": fit.numbers,
        "errors": fit.standard_errors,
        "refits": fit.known.refits,
        "on_bound": list(fit.on_bound),
        "verdict": fit.report.verdict,
        "seconds": time.process_time() - start,
    }


def table(model: str, rows: list[dict]) -> tuple[list[str], bool]:
    """Lines of the table and whether every parameter called identified is covered."""
    good = [r for r in rows if "values" in r]
    lines = [
        f"{len(rows)} histories, {len(rows) - len(good)} fits refused, "
        f"{np.mean([r['seconds'] for r in good]):.1f} s each",
        "",
        "| parameter | truth | median fit | covered by 95 % interval | called identified | covered of those |",
        "|---|---|---|---|---|---|",
    ]
    fine = len(good) >= 0.9 * len(rows)
    for name, truth in TRUTH[model].items():
        ends = [interval_95(name, r["values"][name], r["errors"][name], r["refits"]) for r in good]
        inside = [low <= truth <= high for low, high in ends]
        known = [
            not not_identified(
                name, r["values"], e, on_bound=any(name in published_names(model, ("A",), b) for b in r["on_bound"])
            )
            for r, e in zip(good, ends, strict=True)
        ]
        both = [i for i, k in zip(inside, known, strict=True) if k]
        lines.append(
            f"| {name.removesuffix('[A]')} | {truth:g} | {np.median([r['values'][name] for r in good]):.3g} | "
            f"{sum(inside)} of {len(good)} | {sum(known)} of {len(good)} | {sum(both)} of {len(both)} |"
        )
        if sum(known) > 0.5 * len(good):
            fine &= sum(both) >= 0.9 * len(both)
    return lines, fine


def main() -> int:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=sorted(TRUTH), default="bates")
    parser.add_argument("--histories", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="number of the first history, to split the work")
    parser.add_argument("--refits", type=int, default=REFITS)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--out", type=Path, default=Path("recovery.jsonl"))
    options = parser.parse_args()
    done = {}
    if options.out.exists():
        done = {r["history"]: r for r in map(json.loads, options.out.read_text(encoding="utf-8").splitlines())}
    wanted = range(options.first, options.first + options.histories)
    for history in wanted:
        if history not in done:
            done[history] = one(options.model, history, options.seed, options.refits)
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[history]) + "\n")
    lines, fine = table(options.model, [done[h] for h in wanted])
    print("\n".join(lines))
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
