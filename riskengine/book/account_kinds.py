"""Recognisable kinds of account, drawn: who they are, how large, and the templates that say what they hold.

An account is an `AccountTemplate`, as in a backtest on recorded chains: legs by delta or moneyness and tenor.  Here it
is drawn, from random numbers that belong to its kind, its asset and its number alone, so that no account depends on
which others are drawn, in what order they are named, or how many there are.

    size, USD of the notionals of all legs together:   least u^(-1 / tail), u uniform, cut at `largest`

a Pareto law: of tail index 1.2 the largest hundredth of the accounts holds about two fifths of the book.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.templates import AccountTemplate, Leg
from riskengine.random import DrawKeys, Purpose, fill_uniforms

_GROUP = 65  # draw group: accounts must not know the paths of a study, which are of group 0
_MOST = 160  # uniforms of an account
_QUOTES = 24  # of a market maker, at most

Draw = Callable[[float, float], float]


def _market_maker(between: Draw, tenors: tuple[float, ...], carry: str) -> tuple[Leg, ...]:
    legs = []
    for _ in range(int(between(8.0, _QUOTES + 1.0))):
        kind = "call" if between(0.0, 1.0) < 0.5 else "put"
        side = 1.0 if between(0.0, 1.0) < 0.5 else -1.0
        days = tenors[int(between(0.0, len(tenors)))]
        legs.append(Leg(kind, side * between(0.2, 1.0), days, delta=between(0.1, 0.5)))
    return tuple(legs)


def _directional(side: float) -> Callable[..., tuple[Leg, ...]]:
    return lambda between, tenors, carry: (Leg("perpetual", side),)


def _covered_call_vault(between: Draw, tenors: tuple[float, ...], carry: str) -> tuple[Leg, ...]:
    return Leg("coin", 1.0), Leg("call", -1.0, tenors[0], delta=between(0.1, 0.35))


def _cash_and_carry(between: Draw, tenors: tuple[float, ...], carry: str) -> tuple[Leg, ...]:
    short = Leg("perpetual", -1.0) if carry == "perpetual" else Leg("future", -1.0, tenors[-1])
    return Leg("coin", 1.0), short


def _protective_put(between: Draw, tenors: tuple[float, ...], carry: str) -> tuple[Leg, ...]:
    return Leg("coin", 1.0), Leg("put", 1.0, tenors[int(between(0.0, len(tenors)))], delta=between(0.15, 0.4))


def _strangle_seller(between: Draw, tenors: tuple[float, ...], carry: str) -> tuple[Leg, ...]:
    days = tenors[int(between(0.0, len(tenors)))]
    return Leg("call", -1.0, days, delta=between(0.08, 0.3)), Leg("put", -1.0, days, delta=between(0.08, 0.3))


def _calendar(between: Draw, tenors: tuple[float, ...], carry: str) -> tuple[Leg, ...]:
    side = 1.0 if between(0.0, 1.0) < 0.5 else -1.0
    kind = "call" if between(0.0, 1.0) < 0.5 else "put"
    return Leg(kind, -side, tenors[0], moneyness=1.0), Leg(kind, side, tenors[-1], moneyness=1.0)


def _collar(between: Draw, tenors: tuple[float, ...], carry: str) -> tuple[Leg, ...]:
    days, wing = tenors[int(between(0.0, len(tenors)))], between(0.15, 0.3)
    return Leg("coin", 1.0), Leg("put", 1.0, days, delta=wing), Leg("call", -1.0, days, delta=wing)


def _box(between: Draw, tenors: tuple[float, ...], carry: str) -> tuple[Leg, ...]:
    days, half = tenors[int(between(0.0, len(tenors)))], between(0.1, 0.3)
    low, high = 1.0 - half, 1.0 + half
    long = Leg("call", 1.0, days, moneyness=low), Leg("put", -1.0, days, moneyness=low)
    return *long, Leg("call", -1.0, days, moneyness=high), Leg("put", 1.0, days, moneyness=high)


def _whale(between: Draw, tenors: tuple[float, ...], carry: str) -> tuple[Leg, ...]:
    return Leg("perpetual", 1.0), Leg("put", -1.0, tenors[int(between(0.0, len(tenors)))], delta=between(0.15, 0.3))


# kind -> what it holds.  The place of a kind is part of the bits of its accounts: append only.
KINDS: dict[str, Callable[[Draw, tuple[float, ...], str], tuple[Leg, ...]]] = {
    "market_maker": _market_maker,
    "directional_long": _directional(1.0),
    "directional_short": _directional(-1.0),
    "covered_call_vault": _covered_call_vault,
    "cash_and_carry": _cash_and_carry,
    "protective_put": _protective_put,
    "strangle_seller": _strangle_seller,
    "calendar": _calendar,
    "collar": _collar,
    "box": _box,
    "whale": _whale,
}
HEDGED = ("market_maker",)  # whose delta a perpetual takes to zero


def drawn_templates(
    kind: str, asset: int, count: int, seed: int, tenors: tuple[float, ...], carry: str
) -> Iterator[tuple[AccountTemplate, float]]:
    """(template of size 1, uniform that its size is drawn by) of the first `count` accounts of a kind on an asset.

    A template is of size 1 where the absolute quantities of its legs add up to one coin.
    """
    words = DrawKeys(seed, _GROUP).words()
    draws = np.empty((_MOST, count))
    place = 256 * asset + list(KINDS).index(kind)
    for i, row in enumerate(draws):
        fill_uniforms(row, 0, i, np.int64(Purpose.INITIAL_STATE), place, *words)
    for k in range(count):
        own: Iterator[float] = iter(draws[1:, k])

        def between(low: float, high: float, own: Iterator[float] = own) -> float:
            return float(low + (high - low) * next(own))

        legs = KINDS[kind](between, tenors, carry)
        whole = sum(abs(leg.quantity) for leg in legs)
        shared = tuple(replace(leg, quantity=leg.quantity / whole) for leg in legs)
        yield AccountTemplate(f"{kind} {k + 1}", kind, shared, kind in HEDGED), float(draws[0, k])


def pareto_size(uniform: Floats | float, least: float, tail: float, largest: float) -> Floats | float:
    """Size at which `uniform` of the accounts are larger."""
    return np.minimum(least * np.asarray(uniform) ** (-1.0 / tail), largest)
