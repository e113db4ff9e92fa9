"""How often the pooled intervals of a chain backtest hold the truth where accounts of one day move together.

Two thirds of 36 accounts lose when a common factor rises, one third when it falls; 121 days, the figures of the docs
page with 1,000 histories.  Tolerance: three standard errors below what the page says, which is under 95 %.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import ndtri

from riskengine.score.confidence_set import resampling_counts
from riskengine.study.chain_figures import ChainFigures

DAYS, ACCOUNTS, HISTORIES = 121, 36, 300


@pytest.fixture(scope="module")
def figures():
    made = ChainFigures.__new__(ChainFigures)
    made.study = SimpleNamespace(confidence=0.95, block_days=5.0)
    made.replay = SimpleNamespace(seconds=np.arange(DAYS) * 86_400)
    made.drawn = resampling_counts(DAYS, 5.0, 399, 1)
    return made


def _history(random, rate, correlation):
    """Exceptions of two models on the same accounts and days; the second has half as many again."""
    side = np.where(np.arange(ACCOUNTS) < 24, 1.0, -1.0)
    own = random.standard_normal((DAYS, ACCOUNTS))
    x = np.sqrt(correlation) * random.standard_normal((DAYS, 1)) * side + np.sqrt(1 - correlation) * own
    y = 0.9 * x + np.sqrt(1 - 0.81) * random.standard_normal((DAYS, ACCOUNTS))
    return x > -ndtri(rate), y > -ndtri(1.5 * rate)


@pytest.mark.parametrize(
    ("rate", "correlation", "said", "said_difference"),
    [(0.002, 0.7, 0.995, None), (0.01, 0.3, 0.96, 0.936), (0.01, 0.7, 0.916, 0.916), (0.025, 0.7, 0.918, 0.922)],
)
def test_coverage_of_rate_and_difference(figures, rate, correlation, said, said_difference):
    random = np.random.default_rng(7)
    when = np.repeat(np.arange(DAYS) * 86_400, ACCOUNTS)
    held, held_difference = 0, 0
    for _ in range(HISTORIES):
        first, second = _history(random, rate, correlation)
        found = figures._rate(when, first.ravel())
        held += found.lower <= rate <= found.upper
        gap = second.sum(axis=1) - first.sum(axis=1)
        drawn = figures.drawn @ gap / (DAYS * ACCOUNTS)
        found = figures._interval(gap.sum() / (DAYS * ACCOUNTS), drawn, int((gap != 0).sum()), "")
        held_difference += found.lower <= 0.5 * rate <= found.upper
    for share, claim in ((held, said), (held_difference, said_difference)):
        if claim is not None:
            assert share / HISTORIES > claim - 3 * np.sqrt(claim * (1 - claim) / HISTORIES) - 0.01
