"""Compiled parts of `riskengine.backtest.lanes`: Weibull durations and e-processes, one history at a time.

Bets of an e-process maximise the mean log growth of the past.  With breaches as e-statistics that maximum is known:
after k breaches in t days b = (k / t - p) / (1 - p), kept inside [0, 1/2]; for the mirrored statistic
b = (1 - k / t - (1 - p)) / p.  With sizes as e-statistics Newton starts from the bet of the day before.
"""

import numpy as np

from riskengine.arrays import Floats
from riskengine.backtest.lanes import BreachLanes
from riskengine.jit import kernel

_MOST = 0.5


@kernel(scratch=True)
def _weibull(at, count, n, out):
    """Likelihood ratio of a free shape against shape 1 for the durations of each lane."""
    depth, paths = at.shape
    log_d = np.empty(depth + 1)
    for i in range(paths):
        k = count[i]
        if k < 2:
            out[i] = np.nan
            continue
        m = 0
        total_log = 0.0
        for j in range(1, k):
            log_d[m] = np.log(at[j, i] - at[j - 1, i])
            total_log += log_d[m]
            m += 1
        complete = m
        log_d[m] = np.log(at[0, i] + 1.0)
        m += 1
        tail = n - 1.0 - at[k - 1, i]
        if tail > 0:
            log_d[m] = np.log(tail)
            m += 1
        # slope in log b of the profile: n (1 - b sum d^b log d / sum d^b) + b sum log d, falling in b
        low, high, x = -4.0, 3.0, 0.0
        for _ in range(60):
            b = np.exp(x)
            s0 = s1 = s2 = 0.0
            for j in range(m):
                w = np.exp(b * log_d[j])
                s0 += w
                s1 += w * log_d[j]
                s2 += w * log_d[j] * log_d[j]
            mean = s1 / s0
            slope = complete * (1.0 - b * mean) + b * total_log
            if slope > 0.0:
                low = x
            else:
                high = x
            bend = b * (total_log - complete * mean) - complete * b * b * (s2 / s0 - mean * mean)
            trial = x - slope / bend if bend < 0.0 else low - 1.0
            if not (low < trial < high):
                trial = 0.5 * (low + high)
            if abs(trial - x) < 1e-9 or high - low < 1e-9:
                x = trial
                break
            x = trial
        best = base = 0.0
        b = np.exp(x)
        for j in range(m):
            best += np.exp(b * log_d[j])
            base += np.exp(log_d[j])
        free = complete * np.log(complete / best) + complete * x + (b - 1.0) * total_log
        bound = complete * np.log(complete / base)
        out[i] = max(0.0, 2.0 * (free - bound))


@kernel
def _betting(at, count, tail_prob, understated, ends, out):
    """Largest wealth of each lane by the end of each prefix, for breaches alone."""
    paths = at.shape[1]
    for i in range(paths):
        k, wealth, best, seen = 0, 1.0, 0.0, 0
        for t in range(ends[ends.size - 1]):
            hit = k < count[i] and at[k, i] == t
            if t == 0:
                bet = 0.0
            elif understated:
                bet = (k / t - tail_prob) / (1.0 - tail_prob)
            else:
                bet = ((t - k) / t - (1.0 - tail_prob)) / tail_prob
            bet = min(_MOST, max(0.0, bet))
            if understated:
                wealth *= 1.0 + bet * (1.0 / tail_prob - 1.0) if hit else 1.0 - bet
            else:
                wealth *= 1.0 - bet if hit else 1.0 + bet * (1.0 / (1.0 - tail_prob) - 1.0)
            k += hit
            best = max(best, wealth)
            if t + 1 == ends[seen]:
                out[seen, i] = best
                seen += 1


@kernel
def _sized_bet(gain, k, quiet_days, start):
    """Bet in [0, 1/2] at which the mean log growth of ``k`` gains and ``quiet_days`` losses of the stake is largest."""
    low, high, bounded = 0.0, _MOST, False
    bet = start if 0.0 < start < _MOST else 0.25
    for _ in range(100):
        quiet = 1.0 / (1.0 - bet)
        slope = -quiet_days * quiet
        bend = slope * quiet
        for j in range(k):
            part = gain[j] / (1.0 + bet * gain[j])
            slope += part
            bend -= part * part
        if slope > 0.0:
            low = bet
        else:
            high, bounded = bet, True
        trial = bet - slope / bend
        if trial >= high and not bounded:
            slope = -quiet_days / (1.0 - _MOST)
            for j in range(k):
                slope += gain[j] / (1.0 + _MOST * gain[j])
            if slope >= 0.0:
                return _MOST
            bounded = True
        if not (low < trial < high):
            trial = 0.5 * (low + high)
        moved = abs(trial - bet)
        bet = trial
        if moved < 1e-8:  # Newton doubles the digits: the bet is now right to rounding
            break
    return bet


@kernel(scratch=True)
def _sized_betting(at, value, count, ends, out):
    """As `_betting` with the e-statistic ``value`` on a breach day and 0 on others."""
    depth, paths = value.shape
    gain = np.empty(depth)
    for i in range(paths):
        k, wealth, best, seen, bet, total = 0, 1.0, 0.0, 0, 0.0, 0.0
        for j in range(count[i]):
            gain[j] = value[j, i] - 1.0
        for t in range(ends[ends.size - 1]):
            bet = _sized_bet(gain, k, t - k, bet) if total > t else 0.0
            if k < count[i] and at[k, i] == t:
                wealth *= 1.0 + bet * gain[k]
                total += value[k, i]
                k += 1
            else:
                wealth *= 1.0 - bet
            best = max(best, wealth)
            if t + 1 == ends[seen]:
                out[seen, i] = best
                seen += 1


def weibull_lanes(b: BreachLanes) -> Floats:
    """Likelihood ratio of `weibull_duration`, (P,); NaN with fewer than two breaches."""
    out = np.empty(b.count.size)
    _weibull(b.at, b.count, b.n, out)
    return out


def betting_lanes(b: BreachLanes, tail_prob: float, sizes: tuple[int, ...], *, understated: bool = True) -> Floats:
    """Largest wealth of an e-process on VaR within each of the increasing `sizes`, (sizes, P): `e_process`."""
    out = np.empty((len(sizes), b.count.size))
    _betting(b.at, b.count, tail_prob, understated, np.array(sizes), out)
    return out


def shortfall_betting_lanes(b: BreachLanes, var: float, es: float, tail_prob: float, sizes: tuple[int, ...]) -> Floats:
    """The same on (VaR, ES) held every day."""
    out = np.empty((len(sizes), b.count.size))
    value = np.where(b.mask, (b.loss - var) / (tail_prob * (es - var)), 0.0)
    _sized_betting(b.at, value, b.count, np.array(sizes), out)
    return out
