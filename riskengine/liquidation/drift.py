"""Drift v2 partial liquidation: base amount that covers a margin shortage.

    base = shortage / (P (margin ratio - liquidation fee) Q - P insurance fee),   Q the quote asset's price.
Reference: drift-labs/protocol-v2, liquidation mathematics.
"""


def base_to_cover_shortage(
    margin_shortage: float, margin_ratio: float, liquidation_fee: float, quote_price: float,
    insurance_fund_fee: float, oracle_price: float,
) -> float:  # fmt: skip
    """Base asset amount to liquidate.

    Raises
    ------
    ValueError
        Where fees eat the margin that closing frees: no amount covers the shortage.
    """
    freed = oracle_price * (margin_ratio - liquidation_fee) * quote_price - oracle_price * insurance_fund_fee
    if not freed > 0:
        raise ValueError(f"margin_ratio must exceed the fees, got {margin_ratio!r} against {liquidation_fee!r}")
    return margin_shortage / freed
