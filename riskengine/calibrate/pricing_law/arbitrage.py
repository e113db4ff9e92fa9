"""Arbitrage between the quotes of one expiry, at executable prices: buy at the ask, sell at the bid.

In units of the forward F, with x = K / F, no model allows, beyond one tick of rounding,

    a call to be bid above the ask of a call with a lower strike (a put: with a higher strike),
    two calls, or two puts, to differ by more than the difference of their strikes,
    a bid above the chord between the asks of two strikes around it (convexity),
    call less put to differ from 1 - x (parity).
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, Ints

TICK = 1e-4  # of the forward: the venue's coarsest price step


@dataclass(frozen=True)
class Violation:
    """Quotes that contradict each other.

    Attributes
    ----------
    kind : str
        ``monotone``, ``slope``, ``convex`` or ``parity``.
    rows : tuple of int
        The quotes.
    excess : float
        Riskless gain in units of the forward, beyond `TICK`.
    text : str
        In words, with strikes and prices.
    """

    kind: str
    rows: tuple[int, ...]
    excess: float
    text: str


def violations(
    expiry: Ints, strike: Floats, forward: Floats, sign: Floats, bid: Floats, ask: Floats
) -> tuple[Violation, ...]:
    """Every violation between neighbouring strikes of one expiry and kind, and between call and put of one strike.

    All arrays have shape (Q,): expiry as Unix time, strike and forward in USD, sign +1 call and -1 put, bid and ask in
    units of the forward.
    """
    found: list[Violation] = []
    x = strike / forward

    def name(i: int) -> str:
        day = np.datetime64(int(expiry[i]), "s").astype("datetime64[D]")
        return f"{day} {strike[i]:g} {'call' if sign[i] > 0 else 'put'}"

    def note(kind: str, rows: tuple[int, ...], excess: float, text: str) -> None:
        if excess > TICK:
            found.append(Violation(kind, rows, float(excess - TICK), text))

    for moment in np.unique(expiry):
        for s in (1.0, -1.0):
            rows = np.flatnonzero((expiry == moment) & (sign == s))
            rows = rows[np.argsort(s * strike[rows])]  # from the dearer to the cheaper option
            for a, b in zip(rows[:-1], rows[1:], strict=True):
                gain = bid[b] - ask[a]
                text = f"{name(b)} is bid {bid[b]:g}, above the ask {ask[a]:g} of {name(a)}"
                note("monotone", (int(a), int(b)), gain, text)
                gain = bid[a] - ask[b] - abs(x[b] - x[a])
                text = f"{name(a)} (bid {bid[a]:g}) and {name(b)} (ask {ask[b]:g}) differ by more than their strikes"
                note("slope", (int(a), int(b)), gain, text)
            for a, b, c in zip(rows[:-2], rows[1:-1], rows[2:], strict=True):
                share = (x[c] - x[b]) / (x[c] - x[a])
                chord = share * ask[a] + (1.0 - share) * ask[c]
                text = f"{name(b)} is bid {bid[b]:g}, above the chord {chord:.6g} of {name(a)} and {name(c)}"
                note("convex", (int(a), int(b), int(c)), bid[b] - chord, text)
        calls = {float(strike[i]): int(i) for i in np.flatnonzero((expiry == moment) & (sign > 0))}
        for j in np.flatnonzero((expiry == moment) & (sign < 0)):
            i = calls.get(float(strike[j]))
            if i is not None:
                parity = 1.0 - x[j]
                gain = max(bid[i] - ask[j] - parity, parity - ask[i] + bid[j])
                text = (
                    f"{name(i)} ({bid[i]:g} to {ask[i]:g}) less {name(j)} ({bid[j]:g} to {ask[j]:g}) "
                    f"must hold {parity:.6g}"
                )
                note("parity", (i, int(j)), gain, text)
    return tuple(found)
