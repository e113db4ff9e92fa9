"""What is worth knowing of a market's oracle and keepers before a run: what they are, and what the oracle may hide.

At health 1 on the oracle a debt is LT times its collateral, and each USD repaid takes 1 + LB of it at oracle prices.
Where the market lies below the oracle by d, which a feed of that deviation does not tell,

    d > 1 - LT (1 + LB)

is a loan that no liquidation of all its collateral covers, before anybody may liquidate it; with LTV in place of LT it
is one that was just taken.
"""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from riskengine.lending.block_market import BlockMarket


def drawn(market: Any) -> bool:
    """Whether keepers or oracle of a market draw random numbers of their own."""
    if not isinstance(market, BlockMarket):
        return False
    return market.keeper.extra_delay is not None or getattr(market.feed, "drawn", False)


def hidden_falls(market: Any) -> Iterator[str]:
    """A sentence for each collateral whose oracle may hide more of a fall than a loan has to spare."""
    if not isinstance(market, BlockMarket):
        return
    ltv, parameters = market._parameters(market.collaterals)
    paid = market.paid(parameters)
    for r, token in enumerate(market.collaterals):
        # what a token follows by a rate and the feed of another asset nobody tells
        blind = token.asset is None or getattr(getattr(token, "wraps", None), "priced_by", None) is not None
        hidden = None if blind else market.feed.unseen_fall(token.asset)
        left, new = (1.0 - share[r] * paid[r] for share in (parameters[0], ltv))
        if hidden is None or hidden <= left:
            continue
        whose, spare = ("just taken at the full loan-to-value", new) if hidden > new else ("near liquidation", left)
        yield (
            f"the oracle may hide a fall of {token.symbol} by {100.0 * hidden:.3g} %, and a loan {whose} has "
            f"{100.0 * spare:.3g} % to spare before no liquidation covers it"
        )


def oracle_words(market: Any, beside: bool = False) -> Iterator[str]:
    """Oracle and keepers, where they are more than a push feed and one delay; then what the oracle hides.

    A market `beside` others also says of a push feed what it is where it is not that of its rules.
    """
    if not isinstance(market, BlockMarket):
        return
    if market.feed.kind != "push" or beside and market.oracle is not None:
        yield f"its oracle is {_words(market.feed)}"
    if market.keeper.extra_delay is not None:
        drawn = _words(market.keeper.extra_delay)
        yield f"its keepers come {market.keeper.delay_hours:g} h late and as much later as is drawn: {drawn}"
    yield from hidden_falls(market)


def _words(value: Any) -> str:
    """A record in a sentence: its kind, then every setting."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_words(part)}" for key, part in value.items())
    if isinstance(value, tuple):
        return " x ".join(map(_words, value)) if any(map(is_dataclass, value)) else ", ".join(map(_words, value))
    if not is_dataclass(value):
        return "USD" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    told = [f"{f.name} {_words(getattr(value, f.name))}" for f in fields(value) if f.name != "kind"]
    return f"{value.kind} ({', '.join(told)})"
