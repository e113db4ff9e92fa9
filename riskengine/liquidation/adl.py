"""Auto-deleveraging: who is closed against a bankrupt account first.

    score = PnL% x leverage for profits,   PnL% / leverage for losses;   highest first.
Reference: auto-deleveraging rules of Binance and Delta Exchange.
"""

from collections.abc import Sequence


def priority(pnl_share: Sequence[float], leverage: Sequence[float]) -> tuple[list[float], list[int]]:
    """(score of each account, account numbers in the order they are deleveraged); ties keep their order."""
    score = [p * x if p > 0 else p / x for p, x in zip(pnl_share, leverage, strict=True)]
    return score, sorted(range(len(score)), key=lambda i: -score[i])
