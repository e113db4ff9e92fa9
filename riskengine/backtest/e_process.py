"""E-processes: backtests that may be looked at every day (Wang, Wang and Ziegel).

An e-statistic is not negative and has mean at most 1 where the forecast is no understatement:

    VaR:  e = 1{x > v} / p,                ES:  e = (x - v)+ / (p (ES - v)).

M_t = prod (1 - b_s + b_s e_s) with bets b_s in [0, 1/2] that depend on the past only is a supermartingale, so P(M ever
>= 1 / q) <= q (Ville): reject when it gets there, at any time, without a sample size fixed beforehand.  Bets maximise
the mean log growth over the past (GREE).  The mirrored statistic e = (1 - 1{x > v}) / (1 - p), with mean at most 1
where VaR is not overstated, tests margin that is too high.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats, check_range
from riskengine.jit import kernel

_MOST = 0.5  # largest bet: a day without a breach loses at most half of what was won


@dataclass(frozen=True)
class EProcess:
    """What a sequential test has seen.

    Attributes
    ----------
    wealth : ndarray, shape (n,)
        M_t after each day; 1 / wealth bounds an any-time p-value.
    level : float
        Of the test.
    alarm : int or None
        First day (counted from 1) with M_t >= 1 / level.
    """

    wealth: Floats
    level: float
    alarm: int | None

    @property
    def p_value(self) -> float:
        """Any-time valid: 1 / max M, at most 1."""
        return float(min(1.0, 1.0 / self.wealth.max()))


def e_statistics(
    loss: ArrayLike, var: ArrayLike, tail_prob: float, es: ArrayLike | None = None,
    against: Literal["understated", "overstated"] = "understated",
) -> Floats:  # fmt: skip
    """e-statistic of each day, shape (n,).

    Parameters
    ----------
    loss, var : array_like, shape (n,) or numbers
    tail_prob : float
    es : array_like, optional
        With it the statistic of the pair (VaR, ES), else of VaR alone.
    against : {"understated", "overstated"}
        Overstated is for VaR alone.
    """
    check_range("tail_prob", tail_prob, 0.0, 1.0, open_low=True, open_high=True)
    x, v = np.broadcast_arrays(np.asarray(loss, dtype=np.float64), np.asarray(var, dtype=np.float64))
    if against == "overstated":
        if es is not None:
            raise ValueError("the mirrored statistic is of VaR alone, got ES forecasts too")
        return (x <= v) / (1.0 - tail_prob)
    if against != "understated":
        raise ValueError(f"against must be understated or overstated, got {against!r}")
    if es is None:
        return (x > v) / tail_prob
    e = np.broadcast_to(np.asarray(es, dtype=np.float64), x.shape)
    if not (e > v).all():
        raise ValueError("ES forecasts must exceed VaR, got some that do not")
    return np.maximum(x - v, 0.0) / (tail_prob * (e - v))


def e_process(statistics: ArrayLike, level: float = 0.05) -> EProcess:
    """Run the test over e-statistics in time order.

    The bet of day t maximises sum over s < t of log(1 - b + b e_s) on [0, 1/2]: its derivative falls in b, so a
    bisection on the running past finds it.
    """
    check_range("level", level, 0.0, 1.0, open_low=True, open_high=True)
    e = np.asarray(statistics, dtype=np.float64)
    if e.ndim != 1 or e.size == 0 or not (e >= 0).all():
        raise ValueError(f"e-statistics must be a series that is not negative, got shape {e.shape}")
    log_wealth = np.empty(e.size)
    _log_wealth(e - 1.0, log_wealth)
    with np.errstate(over="ignore"):
        wealth = np.exp(log_wealth)
    crossed = np.flatnonzero(log_wealth >= np.log(1.0 / level))
    return EProcess(wealth, level, int(crossed[0]) + 1 if crossed.size else None)


@kernel
def _slope(other, count, quiet, bet):
    """Derivative of the past log growth at a bet: days with gain -1 are counted, the others summed."""
    total = -quiet / (1.0 - bet)
    for i in range(count):
        total += other[i] / (1.0 + bet * other[i])
    return total


@kernel(scratch=True)
def _log_wealth(gain, out):
    """Fill `out` (n,) with log wealth after each day, from gains e - 1 (n,)."""
    other = np.empty(gain.size)
    count, quiet, total, wealth, alike = 0, 0.0, 0.0, 0.0, True
    for t in range(gain.size):
        bet = 0.0
        if total > 0.0:
            if alike:  # k equal gains g and q days with -1: the maximum is known
                bet = min(_MOST, (count * other[0] - quiet) / (other[0] * (count + quiet)))
            elif _slope(other, count, quiet, _MOST) >= 0.0:
                bet = _MOST
            else:
                low, high = 0.0, _MOST
                for _ in range(40):
                    middle = 0.5 * (low + high)
                    if _slope(other, count, quiet, middle) > 0.0:
                        low = middle
                    else:
                        high = middle
                bet = low
        wealth += np.log1p(bet * gain[t])
        out[t] = wealth
        total += gain[t]
        if gain[t] == -1.0:
            quiet += 1.0
        else:
            other[count] = gain[t]
            alike = alike and gain[t] == other[0]
            count += 1
