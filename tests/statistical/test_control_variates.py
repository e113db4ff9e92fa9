"""Control variates against closed forms: no bias, the stated error, the stated coverage, the stated gain."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import bdtr, ndtr, ndtri
from scipy.stats import multivariate_normal

from riskengine.config.study import load_world
from riskengine.engine.controls import Controls
from riskengine.engine.scheme import Scheme
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.jumps import OwnJumps
from riskengine.scenario.merton import Merton
from riskengine.stats.bounded import share
from riskengine.stats.control import ControlVariates, KnownMean, controlled_mean, controlled_share

RUNS, N, RHO = 1500, 4096, 0.9
Z_ALL = float(ndtri(1 - 1e-4 / 12 / 2))  # a dozen comparisons, family-wise 1e-4


def replications():
    """Per run: estimates of a share and of a skewed mean beside their plain ones, under six controls of a normal."""
    out = []
    for run in range(RUNS):
        rng = np.random.default_rng([20261125, run])
        x, w = rng.standard_normal((2, N))
        y = RHO * x + math.sqrt(1.0 - RHO**2) * w
        levels = (0.05, 0.01, 0.001)  # the last is expected on 4 paths and left out
        known = [(KnownMean(math.exp(0.02), 1.0), np.exp(0.2 * x))]
        known += [(KnownMean(p, p), (s * x < ndtri(p)).astype(float)) for p in levels for s in (1.0, -1.0)]
        controls = ControlVariates(known)
        assert controls.count == 5
        hit = (y < ndtri(0.06)).astype(float)
        out.append((controlled_share(hit, controls), share(hit), controlled_mean(np.exp(0.5 * y), controls)))
    return list(zip(*out, strict=True))


@pytest.fixture(scope="module")
def found():
    return replications()


@pytest.mark.parametrize(("which", "truth"), [(0, 0.06), (2, math.exp(0.125))])
def test_values_are_unbiased_and_intervals_cover(found, which, truth):
    estimates = found[which]
    values = np.array([e.value for e in estimates])
    assert all("5 exact controls" in e.method for e in estimates)
    assert abs(values.mean() - truth) < Z_ALL * values.std() / math.sqrt(RUNS)
    missed = sum(not e.lower <= truth <= e.upper for e in estimates)
    # a true 95 % would miss so often, or so rarely, once in 1e-5
    assert bdtr(missed, RUNS, 0.05) > 1e-5 and bdtr(RUNS - missed, RUNS, 0.95) > 1e-5, missed
    stated = np.sqrt(np.mean([e.std_error**2 for e in estimates]))
    assert stated == pytest.approx(values.std(), rel=Z_ALL / math.sqrt(2 * RUNS) * 1.1)


def test_the_stated_gain_is_the_one_over_runs(found):
    controlled, plain = (np.array([e.value for e in found[i]]) for i in (0, 1))
    stated = np.mean([float(re.search(r"variance / ([\d.]+)", e.method)[1]) for e in found[0]])
    # log of a ratio of two correlated variances: each has a relative deviation of sqrt(2 / RUNS)
    assert abs(math.log(plain.var() / controlled.var() / stated)) < Z_ALL * 2 / math.sqrt(RUNS)
    assert stated == pytest.approx(exact_gain(), rel=0.01)


def exact_gain():
    """1 / (1 - R^2) of the share on its five controls, from the bivariate normal law."""
    sides = [(s, ndtri(p), p) for p in (0.05, 0.01) for s in (1.0, -1.0)]
    q, a = ndtri(0.06), 0.2
    growth = math.exp(0.5 * a * a)

    def both(s, c):
        return multivariate_normal([0.0, 0.0], [[1.0, s * RHO], [s * RHO, 1.0]]).cdf([q, c])

    with_figure = [growth * (ndtr(q - a * RHO) - 0.06)] + [both(s, c) - 0.06 * p for s, c, p in sides]
    among = np.empty((5, 5))
    among[0, 0] = growth**2 * (growth**2 - 1.0)
    for i, (s, c, p) in enumerate(sides, 1):
        among[0, i] = among[i, 0] = growth * (ndtr(c - s * a) - p)
        for j, (t, _, r) in enumerate(sides, 1):
            among[i, j] = (min(p, r) if s == t else 0.0) - p * r
    explained = np.dot(with_figure, np.linalg.solve(among, with_figure))
    return 1.0 / (1.0 - explained / (0.06 * 0.94))


MERTON = replace(
    load_world("btc_eth"),
    model=Merton(("BTC",), (1.0,), (0.4,), (0.6,), ((1.0,),), None, OwnJumps((30.0,), (-0.02,), (0.06,))),
)


def test_known_means_are_those_of_the_paths():
    """Controls over three periods and the horizon of a world drawn without error: sample means at the exact ones."""
    grid = TimeGrid(43_200, 7)
    scheme = Scheme(MERTON, grid)
    controls = Controls(MERTON, grid, scheme, 2)
    paths = MERTON.sample(grid, 0, 40_000, DrawKeys(20261125))
    columns = scheme.columns(paths) | controls.columns(paths)
    assert columns.keys() == controls.known.keys() and len(columns) == 4 + 1 + 6
    growth = controls.known["control", "merton", None, None, "BTC", "control_growth"]
    assert growth.value == pytest.approx(math.exp(0.4 * 3.5 / 365), rel=1e-12)
    for key, known in controls.known.items():
        c = columns[key]
        assert abs(c.mean() - known.value) < Z_ALL * c.std() / math.sqrt(c.size), key
    period = columns["control", "merton", 0.95, None, "BTC", "control_lower_tail"]
    assert set(np.unique(np.round(3 * period, 9))) == {0.0, 1.0, 2.0, 3.0}
