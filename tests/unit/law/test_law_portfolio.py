"""Portfolios of several Merton assets: against one asset, the other quadrature, simulation and Sobol references."""

import numpy as np
import pytest
from scipy.special import ndtri

from riskengine.law.exposure import UnitExposure
from riskengine.law.jump import NormalJump
from riskengine.law.portfolio import JointMertonLaw, PortfolioTail

DAY = 1.0 / 365.0
COMMON = (NormalJump(12.0, -0.03, 0.05), NormalJump(12.0, -0.04, 0.07))
OWN = (NormalJump(20.0, -0.01, 0.04), NormalJump(25.0, -0.01, 0.06))
TWO = JointMertonLaw((0.0, 0.1), (0.5, 0.7), ((1.0, 0.75), (0.75, 1.0)), COMMON, ((1.0, 0.9), (0.9, 1.0)), OWN, DAY)
BOOKS = {"long": (60.0, 40.0), "hedged": (100.0, -80.0), "short": (-30.0, -70.0)}
# 12 figures against simulation, family-wise 1e-4
Z = float(ndtri(1 - 1e-4 / 12 / 2))


def draws(law, n, seed):
    generator, assets = np.random.default_rng(seed), len(law.sigma)
    counts = np.stack([generator.poisson(r, n) for r in law.rates], axis=1)
    sigma = np.array(law.sigma)
    chol = np.linalg.cholesky(np.array(law.correlation))
    x = law.trend + np.sqrt(law.horizon) * sigma * (generator.standard_normal((n, assets)) @ chol.T)
    if law.common is not None:
        size = np.linalg.cholesky(np.array(law.common_correlation) + 1e-14 * np.eye(assets))
        mean, sd = (np.array([getattr(j, k) for j in law.common]) for k in ("mean", "sd"))
        x += counts[:, :1] * mean + np.sqrt(counts[:, :1]) * sd * (generator.standard_normal((n, assets)) @ size.T)
    mean, sd = (np.array([getattr(j, k) for j in law.own]) for k in ("mean", "sd"))
    return x + counts[:, 1:] * mean + np.sqrt(counts[:, 1:]) * sd * generator.standard_normal((n, assets))


@pytest.mark.parametrize(("name", "level"), [("long", 0.9999), ("hedged", 0.99), ("short", 0.99)])
def test_two_quadratures_agree(name, level):
    tail = PortfolioTail(TWO, BOOKS[name])
    var = tail.var(level)
    for inner in (0, 1):
        assert tail.breach_probability(var, inner) == pytest.approx(1 - level, rel=1e-8)
    shortfall = [tail.expected_shortfall(level, inner) for inner in (0, 1)]
    assert shortfall[0] == pytest.approx(shortfall[1], rel=1e-8)


@pytest.mark.parametrize("name", BOOKS)
def test_two_assets_against_simulation(name):
    tail, n = PortfolioTail(TWO, BOOKS[name]), 400_000
    loss = -np.expm1(draws(TWO, n, 20260921)) @ np.array(BOOKS[name])
    var, es = tail.var(0.99), tail.expected_shortfall(0.99)
    assert abs((loss > var).mean() - 0.01) < Z * np.sqrt(0.01 * 0.99 / n)
    excess = np.maximum(loss - var, 0.0)
    assert abs(var + excess.mean() / 0.01 - es) < Z * excess.std() / np.sqrt(n) / 0.01


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_one_asset_is_the_unit_exposure(side):
    unit, law = UnitExposure("long" if side > 0 else "short"), TWO.marginal(1)
    alone = JointMertonLaw((0.1,), (0.7,), ((1.0,),), COMMON[1:], ((1.0,),), OWN[1:], DAY)
    for tail in (PortfolioTail(TWO, (0.0, side)), PortfolioTail(alone, (side,))):
        assert tail.var(0.99) == pytest.approx(float(unit.var(law, 0.99)), rel=1e-9)
        assert tail.expected_shortfall(0.99) == pytest.approx(float(unit.expected_shortfall(law, 0.99)), rel=1e-9)


def test_common_jumps_fatten_the_joint_tail():
    long = PortfolioTail(TWO, (50.0, 50.0))
    apart = JointMertonLaw(TWO.drift, TWO.sigma, TWO.correlation, None, None, OWN, DAY)
    assert long.var(0.999) > PortfolioTail(apart, (50.0, 50.0)).var(0.999)
    # and never beyond the sum of the parts taken alone at ES, which is subadditive
    parts = [PortfolioTail(TWO, w).expected_shortfall(0.99) for w in ((50.0, 0.0), (0.0, 50.0))]
    assert long.expected_shortfall(0.99) <= sum(parts)


@pytest.mark.parametrize("name", BOOKS)
def test_sobol_reference_covers_the_exact_figure(name):
    tail = PortfolioTail(TWO, BOOKS[name])
    var, es = tail.reference(0.99, points=1 << 11, seed=3)
    exact = tail.var(0.99), tail.expected_shortfall(0.99)
    plain = np.sqrt(0.99 / 0.01 / var.n) * (exact[1] - exact[0])
    for found, truth in zip((var, es), exact, strict=True):
        # 15 degrees of freedom: the t quantile that the normal one above becomes
        assert abs(found.value - truth) < 1.6 * Z * found.std_error
        # plain draws have sqrt(p (1 - p) / n) over the density p / (ES - VaR): half of that is a quarter of the work
        assert found.std_error < plain / 2
        assert found.method == "reference, 16 replicates, t" and found.n == 16 << 11


def test_five_assets_have_a_reference_and_no_exact_figure():
    correlation = tuple(tuple(1.0 if i == j else 0.6 for j in range(5)) for i in range(5))
    law = JointMertonLaw(
        (0.0,) * 5, (0.5, 0.6, 0.7, 0.8, 0.9), correlation,
        tuple(NormalJump(12.0, -0.03, 0.04 + 0.01 * i) for i in range(5)), tuple((1.0,) * 5 for _ in range(5)),
        tuple(NormalJump(20.0, 0.0, 0.05) for _ in range(5)), DAY,
    )  # fmt: skip
    weights = (30.0, 20.0, -15.0, 25.0, 10.0)
    tail, n = PortfolioTail(law, weights), 200_000
    with pytest.raises(ValueError, match="only one or two assets are exact, got 5"):
        tail.var(0.99)
    var, es = tail.reference(0.99, points=1 << 11, seed=5)
    loss = -np.expm1(draws(law, n, 20260922)) @ np.array(weights)
    breach = np.sqrt(0.01 * 0.99 / n)
    # the error of the reference itself moves P(L > VaR) by its density, about 0.01 / (ES - VaR)
    assert abs((loss > var.value).mean() - 0.01) < Z * np.hypot(breach, 0.01 / (es.value - var.value) * var.std_error)
    excess = np.maximum(loss - var.value, 0.0)
    assert abs(var.value + excess.mean() / 0.01 - es.value) < Z * np.hypot(
        excess.std() / np.sqrt(n) / 0.01, es.std_error
    )


def test_bad_portfolios_are_named():
    with pytest.raises(ValueError, match="weights must hold 2 numbers, got 1"):
        PortfolioTail(TWO, (1.0,))
    with pytest.raises(ValueError, match="weights must be finite and not all zero"):
        PortfolioTail(TWO, (0.0, 0.0))
    with pytest.raises(ValueError, match="inner must be an asset that is held, got 0"):
        PortfolioTail(TWO, (0.0, 1.0)).breach_probability(0.1, 0)
    with pytest.raises(ValueError, match="correlation must be a correlation matrix of 2 assets"):
        JointMertonLaw((0.0, 0.0), (0.5, 0.5), ((1.0, 1.2), (1.2, 1.0)), None, None, None, DAY)
    with pytest.raises(ValueError, match="common must hold jumps of one intensity"):
        JointMertonLaw((0.0, 0.0), (0.5, 0.5), TWO.correlation, (COMMON[0], OWN[0]), TWO.correlation, None, DAY)
    with pytest.raises(ValueError, match="points must be a power of 2 and scrambles >= 10"):
        PortfolioTail(TWO, (1.0, 1.0)).reference(0.99, scrambles=4)
