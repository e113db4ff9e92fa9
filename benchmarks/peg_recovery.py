"""How well the fit of a peg finds known parameters: simulated two-year histories of quotes, fitted again.

    python benchmarks/peg_recovery.py [histories]

Prints, for each parameter, its value, the mean and spread of the estimates, the mean stated standard error, and how
many 95 % intervals (estimate times e^{+-1.96 relative error}) hold the value.
"""

import sys

import numpy as np

from riskengine.calibrate.peg import QuoteSample, fit_peg
from riskengine.law.peg import Dislocation, PegNoise
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.pegged import Peg, deviations

TRUE = {
    "noise.sd": 0.0012,
    "noise.half_life_hours": 72.0,
    "frequent.intensity": 3000.0,
    "frequent.mean": 0.002,
    "frequent.half_life_hours": 0.5,
    "rare.intensity": 150.0,
    "rare.mean": 0.01,
    "rare.half_life_hours": 2.0,
}


def peg(v: dict[str, float]) -> Peg:
    """The peg of a set of numbers, as the fit names them."""
    kinds = [
        [v[f"{kind}.{name}"] for name in ("intensity", "mean", "half_life_hours")] for kind in ("frequent", "rare")
    ]
    shots = tuple(Dislocation(rate, sign * mean, life) for rate, mean, life in kinds for sign in (-1.0, 1.0))
    return Peg("X", "USD", (PegNoise(v["noise.sd"], v["noise.half_life_hours"]),), shots)


def main(histories: int) -> None:
    """Simulate, fit, count."""
    hours = 2 * 8760
    _, d = deviations(peg(TRUE), 0, TimeGrid(3600, hours), 0, histories, DrawKeys(11))
    fits = [
        fit_peg(QuoteSample(("X",), np.arange(hours + 1), np.exp(d[:, [i]])), replicates=300) for i in range(histories)
    ]
    print(f"{'parameter':28} {'true':>10} {'mean':>10} {'spread':>10} {'stated':>10} {'held':>8}")
    for name, value in TRUE.items():
        found = np.array([f.numbers[name] for f in fits])
        error = np.array([f.standard_errors[name] for f in fits])
        held = int((np.abs(np.log(found / value)) <= 1.96 * error / found).sum())
        row = f"{value:10.5g} {found.mean():10.5g} {found.std(ddof=1):10.2g} {np.median(error):10.2g}"
        print(f"{name:28} {row} {held:4d}/{histories}")
    print("FIT", sum(f.report.verdict == "FIT" for f in fits), "of", histories)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
