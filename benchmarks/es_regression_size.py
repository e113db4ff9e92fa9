"""How often the strict ES regression rejects right forecasts, by the covariance that it uses.

    python benchmarks/es_regression_size.py [histories]

GARCH(1,1) volatility, normal or t5 innovations, forecasts exact; share rejected at 5 %.
"""

import sys

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from riskengine.backtest.es_regression import es_regression

P = 0.025


def history(n: int, law: str, random: np.random.Generator):
    """(losses, ES forecasts) of one history."""
    scale = np.sqrt(3 / 5)
    z = random.standard_normal(n) if law == "normal" else random.standard_t(5, n) * scale
    if law == "normal":
        es = norm.pdf(norm.ppf(P)) / P
    else:
        q = student.ppf(1 - P, 5)
        es = scale * student.pdf(q, 5) * (5 + q * q) / 4 / P
    loss, volatility, variance = np.empty(n), np.empty(n), 1.0
    for t in range(n):
        volatility[t] = np.sqrt(variance)
        loss[t] = volatility[t] * z[t]
        variance = 0.05 + 0.1 * loss[t] ** 2 + 0.85 * variance
    return loss, es * volatility


def main() -> None:
    """Print one line for each law and length."""
    histories = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    kinds = ("null", "specified", "robust")
    print("law     days", *kinds)
    for law in ("normal", "t5"):
        for n in (500, 1000, 2500):
            random = np.random.default_rng(n)
            made = [history(n, law, random) for _ in range(histories)]
            found = [np.mean([es_regression(*h, P, covariance=c).p_value <= 0.05 for h in made]) for c in kinds]
            print(f"{law:7s} {n:4d}", *(f"{v:.3f}" for v in found))


if __name__ == "__main__":
    main()
