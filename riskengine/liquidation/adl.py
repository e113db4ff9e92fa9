"""Auto-deleveraging: who is closed against a bankrupt account first.

    score = PnL% x leverage for profits,   PnL% / leverage for losses;   highest first.
Reference: auto-deleveraging rules of Binance and Delta Exchange.
"""

from collections.abc import Sequence

from riskengine.jit import kernel


@kernel(inline=True)
def rank_score(pnl_share, leverage):
    """Score of one position: `pnl_share` of its entry, `leverage` of its account, positive."""
    return pnl_share * leverage if pnl_share > 0.0 else pnl_share / leverage


def priority(pnl_share: Sequence[float], leverage: Sequence[float]) -> tuple[list[float], list[int]]:
    """(score of each account, account numbers in the order they are deleveraged); ties keep their order."""
    score = [rank_score.py_func(p, x) for p, x in zip(pnl_share, leverage, strict=True)]
    return score, sorted(range(len(score)), key=lambda i: -score[i])
