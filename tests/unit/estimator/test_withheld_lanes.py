"""VaR and ES on many lanes as single fits give them, refusals included."""

import numpy as np
import pytest

from riskengine.registry import kinds, load

PLAIN = {"historical", "normal", "ewma"}  # without a rule of their own for lanes
SLOW = {"caviar", "model_monte_carlo", "isotonic_recalibration", "garch_filtered"}
FAST = sorted(set(kinds("estimators")) - PLAIN - SLOW)
LEVELS = (0.95, 0.99, 0.999)


@pytest.mark.parametrize("kind", FAST)
def test_lanes_are_single_fits(kind):
    losses = np.random.default_rng(3).standard_t(3, (520, 2))
    estimator = load("estimators", kind)()
    levels = LEVELS[:2] if kind == "quantile_regression" else LEVELS
    lanes = estimator.withheld_lanes(losses, levels, 0.95)
    for i, level in enumerate(levels):
        for lane in range(2):
            single = estimator.fit(losses[:, lane], level, 0.95)
            # a single fit that withholds VaR may still say the largest loss as ES
            shown = 2 if np.isfinite(single[0].value) else 1
            for k in range(shown):
                assert lanes[k][i, lane] == pytest.approx(single[k].value, rel=1e-12, nan_ok=True)
