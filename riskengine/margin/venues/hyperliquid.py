"""Hyperliquid portfolio margin: what can be borrowed against a spot balance.  Reference: Hyperliquid documentation."""


def borrowable(balance: float, price: float, ltv: float) -> float:
    """Balance x price x loan-to-value, USD."""
    return balance * price * ltv
