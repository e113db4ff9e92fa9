"""Fit a kind of liquidity to what real books and quotes pay for sales of many sizes.

A ladder of sales is (USD at the mark, USD paid), from one snapshot or from many.  The fit minimises the sum over sales
of (modelled - real average slippage)^2, slippage = 1 - paid / sold, over sales of up to the size at which some snapshot
first slips by more than `within`: what a liquidator who is paid a bonus of that size can use.  The size is one for all
snapshots, for to drop only the sales that slip more would drop the large ones of thin snapshots.  Where depth moves, a
fit is then of the mean slippage of each size, a harmonic mean of depths.  Depths are fitted in logarithms, the fee (or
half-spread) in [0, 2 %] where it is not given.  Bands beyond what is known of a book hold nothing.  How far
depth moved between snapshots is the factor on depth that fits each best.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from riskengine.arrays import Floats, Ints, check_range
from riskengine.liquidity.concentrated import Concentrated
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.liquidity.order_book import BookLadder
from riskengine.liquidity.sale_curve import sale_on_lanes
from riskengine.liquidity.square_root import SquareRoot
from riskengine.roles import Liquidity

KINDS = ("constant_product", "concentrated", "order_book", "square_root")
_BANDED = ("concentrated", "order_book")
_MOST_FEE = 0.02


@dataclass(frozen=True)
class SellLadder:
    """What sales of many sizes were paid.

    Attributes
    ----------
    name : str
        Venue and instrument, or pair.
    sold, paid : ndarray, shape (N,)
        USD at the mark, and USD received.
    snapshot : ndarray of int, shape (N,)
        Which snapshot a sale is of.
    stamps : tuple of str
        When the snapshots were taken.
    reach : float or None
        Distance below the mark down to which a book is whole; None of quotes.
    """

    name: str
    sold: Floats
    paid: Floats
    snapshot: Ints
    stamps: tuple[str, ...]
    reach: float | None = None

    @property
    def slippage(self) -> Floats:
        """Average slippage of every sale, shape (N,)."""
        return 1.0 - self.paid / self.sold

    def within(self, most: float) -> "SellLadder":
        """The sales smaller than any, of all snapshots, that slips by more than `most` or that a book cannot fill."""
        kept = self.sold < np.min(self.sold[self.slippage > most], initial=np.inf)
        if self.reach is not None:
            kept &= self.sold <= min(self.sold[self.snapshot == n].max() for n in np.unique(self.snapshot))
        return replace(self, sold=self.sold[kept], paid=self.paid[kept], snapshot=self.snapshot[kept])


@dataclass(frozen=True)
class LiquidityFit:
    """A kind fitted to a ladder of one asset.

    Attributes
    ----------
    liquidity : Liquidity
    asset : str
    count, snapshots : int
        Sales and snapshots used.
    rms, largest : float
        Root mean square and largest absolute error of the average slippage.
    depth_range : tuple of float
        5th and 95th percentile over snapshots of the factor on depth that fits each; (1, 1) of one.
    largest_sale, largest_slippage : float
        The largest sale used, USD, and the largest slippage: what the fit says beyond them is not in the data.
    notes : tuple of str
        Parameters on a bound of the search, and bands beyond what is known.
    """

    liquidity: Liquidity
    asset: str
    count: int
    snapshots: int
    rms: float
    largest: float
    depth_range: tuple[float, float]
    largest_sale: float
    largest_slippage: float
    notes: tuple[str, ...] = ()


def modelled_slippage(liquidity: Liquidity, asset: str, sold: Floats) -> Floats:
    """Average slippage of fresh sales of `sold` USD (N,); 1 - paid / sold, what exceeds the liquidity unpaid."""
    paid = np.empty(sold.size)
    outstanding = np.zeros((liquidity.sources, sold.size))
    table = liquidity.table((asset,))
    sale_on_lanes(table, 0, outstanding, np.ascontiguousarray(sold), np.ones(sold.size), liquidity.keep, paid)
    return 1.0 - paid / sold


def fit_liquidity(
    kind: str,
    asset: str,
    ladder: SellLadder,
    *,
    distances: tuple[float, ...] = (0.0, 0.002, 0.01, 0.03, 0.1, 0.3),
    fee: float | None = None,
    daily_volatility: float = 0.02,
    within: float = 0.1,
) -> LiquidityFit:
    """The `kind` of liquidity that explains `ladder` best.

    Parameters
    ----------
    kind : {"constant_product", "concentrated", "order_book", "square_root"}
    asset : str
        Name of the asset in the record.
    ladder : SellLadder
    distances : tuple of float
        Edges of the bands of ``concentrated`` and ``order_book``; the reach of a book becomes one (`bands_to`).
    fee : float or None
        None fits it.
    daily_volatility : float
        Of ``square_root``, whose daily volume is fitted at Y = 1.
    within : float
        Slippage that no sale of the sizes used exceeds.

    Raises
    ------
    ValueError
        Where there are not more sales than numbers to fit, or the kind is none of these.
    """
    from scipy.optimize import least_squares

    check_range("within", within, 0.0, 1.0, open_low=True)
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    used = ladder.within(within)
    if ladder.reach is not None and ladder.reach not in distances:
        distances = bands_to(distances, (ladder.reach,))
    make, depths = _maker(kind, asset, distances, daily_volatility, ladder.reach)
    fewest = depths + (fee is None) + 1
    if used.sold.size < fewest:
        over = ladder.sold[ladder.slippage > within]
        least = f"; the smallest that slips by more is of {over.min():.3g} USD" if over.size else ""
        raise ValueError(
            f"{ladder.name} must have {fewest} sales with slippage of at most {within:g}, one more than is fitted, "
            f"got {used.sold.size}{least}"
        )
    start = np.full(depths, np.log(used.sold.max() / depths))
    # bands are bounded by what was sold: the data say nothing of more
    low, high = start - 12.0, start + (8.0 if depths == 1 else 5.0)
    if fee is None:
        start, low, high = (np.append(a, b) for a, b in ((start, 1e-4), (low, 0.0), (high, _MOST_FEE)))

    def found(x: Floats) -> Liquidity:
        return make(np.exp(x[:depths]), float(x[depths]) if fee is None else fee)

    real = used.slippage
    scale = max(float(np.sqrt(np.mean(real**2))), 1e-6)

    def misfit(x: Floats) -> Floats:
        return (modelled_slippage(found(x), asset, used.sold) - real) / scale

    solved = least_squares(misfit, start, bounds=(low, high), x_scale=np.where(np.arange(start.size) < depths, 1, 1e-3))
    best = found(solved.x)
    # the fee is written to six digits
    slack = np.append(np.full(depths, 1e-3), 1e-6)[: start.size]
    names = [f"depth {n + 1} of {depths}" for n in range(depths)] + ["fee"]
    notes = [
        f"{name} stands on the {side} bound of the search"
        for side, bound in (("lower", low), ("upper", high))
        for name, on in zip(names, np.abs(solved.x - bound) <= slack, strict=False)
        if on
    ]
    if ladder.reach is not None and kind in _BANDED and len(ladder.stamps) > 1:
        best, on = _mean_book(kind, best, asset, ladder, within)
        notes = [note for note in notes if note.startswith("fee")]
        if on:
            notes.append(f"depths of {on} of {len(ladder.stamps)} snapshots stand on a bound of the search")
    if depths < len(distances) - 1 and kind in _BANDED:
        notes.append(f"bands from {ladder.reach:g} on hold nothing, for the book is not known beyond")
    error = modelled_slippage(best, asset, used.sold) - real
    return LiquidityFit(
        best,
        asset,
        used.sold.size,
        np.unique(used.snapshot).size,
        float(np.sqrt(np.mean(error**2))),
        float(np.abs(error).max()),
        _depth_range(best, asset, used),
        float(used.sold.max()),
        float(real.max()),
        tuple(notes),
    )


def _mean_book(kind: str, pooled: Any, asset: str, ladder: SellLadder, within: float) -> tuple[Liquidity, int]:
    """`pooled` with the mean of the depths of each snapshot down to the reach, and how many have one on a bound."""
    each, on = [], 0
    for n in np.unique(ladder.snapshot):
        own = ladder.snapshot == n
        one = replace(
            ladder,
            name=f"{ladder.name} of {ladder.stamps[n]}",
            sold=ladder.sold[own],
            paid=ladder.paid[own],
            snapshot=ladder.snapshot[own],
            stamps=(ladder.stamps[n],),
        )
        fit = fit_liquidity(kind, asset, one, distances=pooled.distances, fee=pooled.fee, within=within)
        own_book: Any = fit.liquidity
        each.append(own_book.depth_usd[asset])
        on += any("bound" in note for note in fit.notes)
    return replace(pooled, depth_usd={asset: tuple(float(d) for d in np.mean(each, axis=0))}), on


def bands_to(distances: tuple[float, ...], reaches: Sequence[float]) -> tuple[float, ...]:
    """Edges with one at each of `reaches`, the farthest the last: no band goes beyond what is known of a book."""
    if not distances[0] < min(reaches):
        raise ValueError(f"distances must begin nearer than the book reaches, {min(reaches):g}, got {distances[0]:g}")
    return tuple(sorted({*(d for d in distances if d < max(reaches)), *reaches}))


def joined(fits: Sequence[LiquidityFit], half_life_hours: float, source: tuple[str, ...] = ()) -> Liquidity:
    """One record of the fits of several assets by one kind, rounded to four digits; ValueError where fees differ."""
    own: Any = [f.liquidity for f in fits]
    if len({x.fee for x in own}) > 1:
        raise ValueError(f"fits must share one fee, got {[x.fee for x in own]}")
    more = {"refill_half_life_hours": half_life_hours, "source": source, "fee": round(own[0].fee, 6)}
    if isinstance(own[0], SquareRoot):
        volume = {a: _rounded(v) for x in own for a, v in x.daily_volume_usd.items()}
        volatility = {a: v for x in own for a, v in x.daily_volatility.items()}
        return replace(own[0], daily_volume_usd=volume, daily_volatility=volatility, **more)
    depth = {a: _rounded(d) for x in own for a, d in x.depth_usd.items()}
    return replace(own[0], depth_usd=depth, **more)


def _rounded(value: Any) -> Any:
    return tuple(map(_rounded, value)) if isinstance(value, tuple) else float(f"{value:.4g}")


def _maker(
    kind: str, asset: str, distances: tuple[float, ...], volatility: float, reach: float | None
) -> tuple[Callable[[Floats, float], Liquidity], int]:
    """(record from depths and fee, number of depths)."""
    if kind == "constant_product":
        return lambda d, fee: ConstantProduct({asset: float(d[0])}, fee), 1
    if kind == "square_root":
        return lambda d, fee: SquareRoot({asset: float(d[0])}, {asset: volatility}, fee=fee), 1
    cls = Concentrated if kind == "concentrated" else BookLadder
    bands = len(distances) - 1
    known = bands if reach is None else sum(low < reach for low in distances[:-1])
    nothing = (0.0,) * (bands - known)
    return lambda d, fee: cls(distances, {asset: (*(float(x) for x in d), *nothing)}, fee), known


def _depth_range(liquidity: Liquidity, asset: str, ladder: SellLadder) -> tuple[float, float]:
    from scipy.optimize import minimize_scalar

    factors = []
    for n in np.unique(ladder.snapshot):
        own = ladder.snapshot == n
        sold, real = ladder.sold[own], ladder.slippage[own]

        def misfit(x: float, sold: Floats = sold, real: Floats = real) -> float:
            return float(np.sum((modelled_slippage(liquidity.times(float(np.exp(x))), asset, sold) - real) ** 2))

        factors.append(np.exp(minimize_scalar(misfit, bounds=(-3.0, 3.0), method="bounded").x))
    if len(factors) == 1:
        return 1.0, 1.0
    low, high = np.quantile(factors, [0.05, 0.95])
    return float(low), float(high)
