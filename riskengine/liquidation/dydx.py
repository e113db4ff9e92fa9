"""dYdX v4 liquidations: fillable and bankruptcy prices, and what the insurance fund gains or pays.

    ABR = clip(BA (1 - TNC / TMMR), 0, 1),   fillable price = (PNNV - ABR SMMR PMMR) / size,
    bankruptcy quote = -DNNV - TNC |DMMR| / TMMR,
    fund delta = min(fill - bankruptcy, max fee fill), negative where the fund pays.
TNC is equity, TMMR the whole maintenance requirement, PNNV and PMMR those of the position, D.. the change on closing.
Reference: dydxprotocol/v4-chain, clob keeper.
"""

from collections.abc import Mapping, Sequence


def fillable_price(
    size: float, oracle_price: float, equity: float, total_maintenance: float, mm_fraction: float,
    bankruptcy_adjustment: float, spread_to_mm_ratio: float,
) -> float:  # fmt: skip
    """Worst price at which the position of signed `size` may be filled."""
    value = size * oracle_price
    rating = min(max(bankruptcy_adjustment * (1.0 - equity / total_maintenance), 0.0), 1.0)
    return (value - rating * spread_to_mm_ratio * abs(value) * mm_fraction) / size


def bankruptcy_quote(close: Mapping[str, float], others: Sequence[Mapping[str, float]], quote_balance: float) -> float:
    """Quote amount at which closing ``close["size"]`` leaves the account's equity per requirement unchanged."""
    equity = quote_balance
    total = 0.0
    for p in (close, *others):
        equity += p["size"] * p["oracle_price"]
        total += abs(p["size"]) * p["oracle_price"] * p["mm_fraction"]
    value = close["size"] * close["oracle_price"]
    # closing the position changes its value by -value and its requirement by -|value| mm
    return value - equity * (abs(value) * close["mm_fraction"]) / total


def insurance_fund_delta(fill_quote: float, bankruptcy: float, max_liquidation_fee: float) -> float:
    """What the insurance fund receives (negative: pays) on a fill."""
    return min(fill_quote - bankruptcy, max_liquidation_fee * abs(fill_quote))
