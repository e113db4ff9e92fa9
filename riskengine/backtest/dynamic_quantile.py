"""Dynamic quantile test (Engle and Manganelli 2004): can a breach be predicted from what was known the day before?

Hit_t = 1{breach} - p regressed on X = (1, VaR_t, Hit_{t-1} ... Hit_{t-lags}):

    DQ = Hit' X (X'X)^{-1} X' Hit / (p (1 - p)) ~ chi-square(columns of X) under the null.

A VaR that does not move is collinear with the constant and is left out.  With few breaches chi-square over-rejects, so
the p-value is simulated: breaches are drawn at the nominal rate and the VaR series is kept.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc

from riskengine.arrays import Floats, check_range, check_shape
from riskengine.backtest.result import TestResult, breach_series, simulated_p_value


def _statistic(b: Floats, var: Floats | None, p: float, lags: int) -> tuple[float, int]:
    hit = b - p
    columns = [np.ones(b.size - lags)] + ([] if var is None else [var[lags:]])
    columns += [hit[lags - k : b.size - k] for k in range(1, lags + 1)]
    x, y = np.stack(columns, axis=1), hit[lags:]
    fitted, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
    return float(y @ (x @ fitted)) / (p * (1.0 - p)), int(rank)


def dynamic_quantile(
    breaches: ArrayLike,
    tail_prob: float,
    var: ArrayLike | None = None,
    lags: int = 4,
    replicates: int | None = 999,
    seed: int = 1,
) -> TestResult:
    """Test that breaches cannot be predicted.

    Parameters
    ----------
    breaches : array_like of 0 and 1, shape (n,)
    tail_prob : float
    var : array_like, shape (n,), optional
        The forecasts; a regressor where given and not constant.
    lags : int
        Of the hits.
    replicates : int or None
        Of the simulated p-value; None for the asymptotic one.
    seed : int
    """
    b = breach_series(breaches)
    check_range("tail_prob", tail_prob, 0.0, 1.0, open_low=True, open_high=True)
    check_range("lags", lags, 0, b.size // 4)
    level = None if var is None else np.asarray(var, dtype=np.float64)
    if level is not None:
        check_shape("var", level, b.shape)
        level = None if np.ptp(level) == 0.0 else (level - level.mean()) / level.std()
    statistic, rank = _statistic(b, level, tail_prob, lags)
    if replicates is None:
        return TestResult(statistic, float(chdtrc(rank, statistic)), f"asymptotic chi-squared({rank})", b.size)

    def draw(random: np.random.Generator) -> float:
        return _statistic((random.random(b.size) < tail_prob).astype(np.float64), level, tail_prob, lags)[0]

    p_value, method = simulated_p_value(statistic, draw, replicates, seed)
    return TestResult(statistic, p_value, method, b.size)
