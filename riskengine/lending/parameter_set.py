"""`ParameterSet`: named changes of a lending market's parameters, token by token, tried as candidates on common paths.

A market that takes parameter sets has ``with_parameters(set)`` and checks that the result could be configured.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from riskengine.arrays import check_range
from riskengine.pricing.fixed_point import BPS

# parameters of one token that a set may change: as collateral, how much of it, its rate curve; then of the market
OF_TOKEN = ("ltv", "liquidation_threshold", "liquidation_bonus", "liquidation_protocol_fee")
OF_SIZE = ("supply_cap", "borrow_cap")
OF_CURVE = ("optimal_usage", "base", "slope1", "slope2", "reserve_factor")
OF_RESERVE = OF_TOKEN + OF_SIZE + OF_CURVE
OF_MARKET = ("close_factor", "caps")
# moves the threshold, and the LTV with it at the distance it has
TOGETHER = "collateral_factor"


@dataclass(frozen=True)
class TokenChange:
    """New values of a token's parameters; None leaves one as it is.

    Attributes
    ----------
    ltv, liquidation_threshold, liquidation_bonus, liquidation_protocol_fee : float or None
    supply_cap, borrow_cap : float or None
        Whole tokens; what they do to the book, `riskengine.lending.aave_v3.book_growth` says.
    optimal_usage, base, slope1, slope2, reserve_factor : float or None
        Rate curve, decimals per year.
    """

    ltv: float | None = None
    liquidation_threshold: float | None = None
    liquidation_bonus: float | None = None
    liquidation_protocol_fee: float | None = None
    supply_cap: float | None = field(default=None, metadata={"written": "unless none"})
    borrow_cap: float | None = field(default=None, metadata={"written": "unless none"})
    optimal_usage: float | None = field(default=None, metadata={"written": "unless none"})
    base: float | None = field(default=None, metadata={"written": "unless none"})
    slope1: float | None = field(default=None, metadata={"written": "unless none"})
    slope2: float | None = field(default=None, metadata={"written": "unless none"})
    reserve_factor: float | None = field(default=None, metadata={"written": "unless none"})

    def values(self, names: tuple[str, ...] = OF_RESERVE) -> dict[str, float]:
        """What is changed of `names`."""
        return {n: getattr(self, n) for n in names if getattr(self, n) is not None}


@dataclass(frozen=True)
class ParameterSet:
    """One candidate.

    Attributes
    ----------
    name : str
    tokens : dict of str to TokenChange
        By symbol.
    close_factor : float or None
        Share of the debt that one call may repay; None leaves it as it is.
    caps : float
        All supply and borrow caps times this, and every balance of the book with them: the market grown or shrunk as
        it is composed today.
    """

    name: str
    tokens: dict[str, TokenChange] = field(default_factory=dict)
    close_factor: float | None = None
    caps: float = 1.0

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("name must not be empty")
        check_range("caps", self.caps, 0.0, 1e3, open_low=True)
        if self.close_factor is not None:
            check_range("close_factor", self.close_factor, 0.0, 1.0, open_low=True)


@dataclass(frozen=True)
class ParameterAxis:
    """Values of one parameter in a grid of sets.

    Attributes
    ----------
    parameter : str
        One of a token (``ltv``, ``liquidation_threshold``, ``liquidation_bonus``, ``liquidation_protocol_fee``, or
        ``collateral_factor``: the threshold, and the LTV with it at the distance it has; ``supply_cap``,
        ``borrow_cap``; ``optimal_usage``, ``base``, ``slope1``, ``slope2``, ``reserve_factor`` of its rate curve), or
        one of the market (``close_factor``, ``caps``).
    values : tuple of float
        From safe to risky.
    token : str or None
        Symbol; None for a parameter of the market.
    """

    parameter: str
    values: tuple[float, ...]
    token: str | None = None

    def __post_init__(self) -> None:
        known = (*OF_RESERVE, TOGETHER) if self.token is not None else OF_MARKET
        if self.parameter not in known:
            said = f"of token {self.token}" if self.token is not None else "without a token"
            raise ValueError(f"parameter must be one of {', '.join(known)} {said}, got {self.parameter!r}")
        if not self.values or len(set(self.values)) < len(self.values):
            raise ValueError(f"values must hold at least one, each once, got {list(self.values)}")

    def said(self, value: float) -> str:
        """``WBTC LT 0.79``, ``close factor 0.5``."""
        short = {"liquidation_threshold": "LT", "ltv": "LTV", "liquidation_bonus": "LB", TOGETHER: "LT"}
        name = short.get(self.parameter, self.parameter.replace("_", " "))
        shown = f"{value:,.0f}" if self.parameter in OF_SIZE else f"{value:g}"
        return f"{self.token} {name} {shown}" if self.token is not None else f"{name} {shown}"


def grid(axes: Sequence[ParameterAxis], gap: dict[str, float]) -> Iterator[ParameterSet]:
    """Every combination of the values of `axes`, from safe to risky: by the sum of their places, ties as listed.

    `gap` is each token's threshold less its LTV, which ``collateral_factor`` keeps.
    """
    places = list(product(*(range(len(a.values)) for a in axes)))
    for at in sorted(places, key=sum):
        tokens: dict[str, dict[str, float]] = {}
        market: dict[str, float] = {}
        for axis, k in zip(axes, at, strict=True):
            value = axis.values[k]
            if axis.token is None:
                market[axis.parameter] = value
            elif axis.parameter == TOGETHER:
                own = tokens.setdefault(axis.token, {})
                own |= {"liquidation_threshold": value, "ltv": round(value - gap[axis.token], 10)}
            else:
                tokens.setdefault(axis.token, {})[axis.parameter] = value
        name = ", ".join(a.said(a.values[k]) for a, k in zip(axes, at, strict=True))
        yield ParameterSet(name, {s: TokenChange(**v) for s, v in tokens.items()}, **market)


def at_an_end(axes: Sequence[ParameterAxis], name: str) -> tuple[str, ...]:
    """Which settings of the set `name` of a `grid` stand at an end of their axis: beyond it nobody looked.

    An axis of two values is a choice between the two, and has no inside.
    """
    parts = name.split(", ")
    return tuple(
        part
        for part, axis in zip(parts, axes, strict=True)
        if len(axis.values) > 2 and part in (axis.said(axis.values[0]), axis.said(axis.values[-1]))
    )


def at_capacity(changes: ParameterSet, now: Mapping[str, Any], worth: Mapping[str, float]) -> ParameterSet:
    """`changes` shrunk or stretched until the tokens that they name offer a book what they offer it now.

    LTV and threshold of every named token are multiplied by one factor, so the proportions between tokens and between a
    threshold and its LTV stay those of the set: k = sum(C LTV now) / sum(C LTV of the set) over named tokens, C the
    book's collateral in them.  Results are whole basis points, to which the capacity is equal.

    Parameters
    ----------
    changes : ParameterSet
    now : mapping of str to token
        What is listed now, by symbol; each with ``ltv`` and ``liquidation_threshold``.
    worth : mapping of str to float
        USD of collateral that the book holds, by symbol.

    Raises
    ------
    ValueError
        Where the book holds nothing that the set or the market lends against.
    """
    own = {
        s: (
            now[s].ltv if c.ltv is None else c.ltv,
            now[s].liquidation_threshold if c.liquidation_threshold is None else c.liquidation_threshold,
        )
        for s, c in changes.tokens.items()
    }
    is_offered = sum(worth.get(s, 0.0) * now[s].ltv for s in own)
    would_be = sum(worth.get(s, 0.0) * ltv for s, (ltv, _) in own.items())
    if own and not (is_offered > 0.0 and would_be > 0.0):
        raise ValueError(f"{changes.name}: tokens must be collateral that the book borrows against, got {list(own)}")
    k = is_offered / would_be if own else 1.0
    tokens = {
        s: replace(changes.tokens[s], ltv=round(k * ltv * BPS) / BPS, liquidation_threshold=round(k * lt * BPS) / BPS)
        for s, (ltv, lt) in own.items()
    }
    return replace(changes, name=f"{changes.name} at equal borrow capacity", tokens=tokens)


@dataclass(frozen=True)
class Constraints:
    """What every set must keep beside what the protocol itself refuses.

    Attributes
    ----------
    toxic_buffer : float
        Least fall of the collateral's price, as a share, between the liquidation threshold and the toxic region, in
        which a liquidation raises the loan-to-value: 1 - LT (1 + LB).
    threshold_gap : float
        Least distance of the threshold above the LTV.
    bounds : dict of str to tuple of float
        Parameter of a token -> (lowest, highest) value.
    """

    toxic_buffer: float = 0.0
    threshold_gap: float = 0.0
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_range("toxic_buffer", self.toxic_buffer, 0.0, 1.0)
        check_range("threshold_gap", self.threshold_gap, 0.0, 1.0)
        for name, (low, high) in self.bounds.items():
            if name not in OF_TOKEN:
                raise ValueError(f"bounds must name one of {', '.join(OF_TOKEN)}, got {name!r}")
            if not low <= high:
                raise ValueError(f"bounds of {name} must be a lowest and a highest value, got {low:g} and {high:g}")

    def broken(self, symbol: str, ltv: float, threshold: float, bonus: float, fee: float) -> Iterator[str]:
        """What a collateral with these parameters breaks; the protocol's own conditions first."""
        slack = 1e-9
        values = dict(zip(OF_TOKEN, (ltv, threshold, bonus, fee), strict=True))
        for name, value in values.items():
            low, high = self.bounds.get(name, (0.0, 1.0))
            if not low - slack <= value <= high + slack:
                yield f"{symbol} {name} must be in [{low:g}, {high:g}], got {value:g}"
        if threshold < ltv + self.threshold_gap - slack:
            gap = f" plus {self.threshold_gap:g}" if self.threshold_gap else ""
            yield f"{symbol} liquidation_threshold must be at least ltv {ltv:g}{gap}, got {threshold:g}"
        if threshold * (1.0 + bonus) > 1.0 - self.toxic_buffer + slack:
            yield (
                f"{symbol} liquidation_threshold times (1 + liquidation_bonus) must be at most "
                f"{1.0 - self.toxic_buffer:g}, below the toxic region, got {threshold * (1.0 + bonus):g}"
            )
