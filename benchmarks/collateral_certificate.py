"""Is the certificate of a collateral factor true?  A thousand choices on a market whose risk is known exactly.

One loan, a lognormal price, monitored twice (`riskengine.tune.one_loan`): the liquidation threshold is chosen from
simulated paths, its true chance of bad debt is read from the closed form.
"""

import _one_core  # noqa: F401
import numpy as np

from riskengine.stats.mean import mean
from riskengine.stats.proportion import clopper_pearson
from riskengine.tune.certify import allowed_breaches
from riskengine.tune.one_loan import OneLoan

REPLICATIONS, TARGET, DELTA = 1000, 0.005, 0.05


def main() -> None:
    """Print the table."""
    market = OneLoan(tuple(np.round(np.arange(0.81, 0.9501, 0.001), 4).tolist()))
    best = int(np.flatnonzero(market.risks <= TARGET)[-1])
    print(f"target {TARGET}, delta {DELTA}, {REPLICATIONS} replications, thresholds {len(market.thresholds)}")
    print(f"largest safe threshold {market.thresholds[best]} (risk {market.risks[best]:.6f})")
    for n in (1024, 4096, 16384):
        chosen = market.choices(20231031, REPLICATIONS, n, TARGET, DELTA)
        made = chosen[chosen >= 0]
        risk = market.risks[made]
        wrong = clopper_pearson(int((risk > TARGET).sum()), REPLICATIONS, 0.95)
        level = mean(np.array(market.thresholds)[made], 0.95)
        true = mean(risk, 0.95)
        ideal = (allowed_breaches(n, TARGET, DELTA) + 1) / (n + 1)
        print(
            f"n {n:6d}: certified {made.size}, violated {wrong.value:.4f} [{wrong.lower:.4f}, {wrong.upper:.4f}] "
            f"exact {market.violation(n, TARGET, DELTA):.4f}; mean true risk {true.value:.5f} "
            f"[{true.lower:.5f}, {true.upper:.5f}], with all real thresholds {ideal:.5f}; "
            f"mean threshold {level.value:.4f}"
        )


if __name__ == "__main__":
    main()
