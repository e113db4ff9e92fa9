"""An automated market maker of options: a quote around the mark that moves with its inventory of vega and delta.

To close the share f of an account's options of one asset, u_i units of vega n_i (USD per 1.00 of volatility) and delta
d_i (USD) each, costs beside their Black-76 marks at the surface of the path

    cost(f) = spread f sum_i |u_i| n_i  +  P(z + f N, w + f D) - P(z, w),     N = sum_i u_i n_i,   D = sum_i u_i d_i,
    P(z, w) = vega_widening z^2 / (2 vega_limit)  +  delta_widening w^2 / (2 delta_limit),

with z the vega and w the delta that the maker holds: an option is quoted `spread` points of volatility from its mark,
at a full inventory of vega by `vega_widening` points more on the side that adds to it, by as much less on the other;
at a full inventory of delta by the share `delta_widening` of the delta that is added.  The cost is a difference of
potentials plus what is linear: splitting a sale gains nothing, and a round trip never earns.  Points of volatility are
turned into USD by vega, to first order.

The maker takes nothing that would leave it with more than its limits.  It sells on, at the mark, half of what it holds
every half-life.  It does not hedge: its profit is what it charged and what the options it held have gained.

Reference: Guéant, Lehalle and Fernandez-Tapia, Mathematics and Financial Economics 7 (2013) 477-507 (a quote that is
linear in inventory); in vega and delta as option pools on chains quote (Lyra, Derive).
"""

from dataclasses import dataclass

from riskengine.arrays import check_range
from riskengine.jit import kernel

# rows of what an account asks of the maker, by asset: spread paid, vega, delta and notional of all its options
PAID, VEGA, DELTA, NOTIONAL = range(4)


@dataclass(frozen=True)
class OptionMaker:
    """How the maker quotes.

    Attributes
    ----------
    vega_limit_usd : dict of str to float
        Per asset: most net vega that it holds, long or short, USD per point (0.01) of volatility.
    delta_limit_usd : dict of str to float
        Per asset: most net delta, USD.
    spread : float
        Distance of the quote from the mark with no inventory, points of 1.00 a year.
    vega_widening : float
        Added at a full inventory of vega.
    delta_widening : float
        Share of delta added at a full inventory of delta.
    half_life_hours : float
        Time in which half of the inventory is sold on.
    """

    vega_limit_usd: dict[str, float]
    delta_limit_usd: dict[str, float]
    spread: float = 0.02
    vega_widening: float = 0.1
    delta_widening: float = 0.005
    half_life_hours: float = 8.0

    def __post_init__(self) -> None:
        for name in ("vega_limit_usd", "delta_limit_usd"):
            for asset, limit in getattr(self, name).items():
                check_range(f"{name} of {asset}", limit, 0.0, 1e15, open_low=True)
        check_range("spread", self.spread, 0.0, 5.0)
        check_range("vega_widening", self.vega_widening, 0.0, 5.0)
        check_range("delta_widening", self.delta_widening, 0.0, 1.0)
        check_range("half_life_hours", self.half_life_hours, 0.0, 1e6, open_low=True)


@kernel(inline=True)
def maker_cost(f, paid, vega, delta, z, w, vega_slope, delta_slope):
    """USD beside the mark of closing the share `f` of what is asked, and its derivative in f.

    `z`, `w`: what the maker holds; the slopes are widening over limit.
    """
    v, d = f * vega, f * delta
    cost = f * paid + v * (z + 0.5 * v) * vega_slope + d * (w + 0.5 * d) * delta_slope
    return cost, paid + vega * (z + v) * vega_slope + delta * (w + d) * delta_slope


@kernel(inline=True)
def room_for(asked, held, limit):
    """Share of `asked` that brings what is held to the limit on the side that it adds to."""
    room = limit - held if asked > 0.0 else limit + held
    if asked == 0.0:
        return 1.0
    # a full inventory is full but for rounding, however little is asked
    return room / abs(asked) if room > 1e-12 * limit else 0.0


@kernel(inline=True)
def maker_limit(limit, paid, vega, delta, notional, z, w, vega_limit, vega_slope, delta_limit, delta_slope):
    """Largest share, at most 1, within the maker's limits whose last part costs `limit` of its notional or less."""
    most = min(room_for(vega, z, vega_limit), room_for(delta, w, delta_limit))
    first = limit * notional - maker_cost(0.0, paid, vega, delta, z, w, vega_slope, delta_slope)[1]
    bend = vega * vega * vega_slope + delta * delta * delta_slope
    if first < bend:
        most = min(most, first / bend if bend > 0.0 else 0.0)
    return min(max(most, 0.0), 1.0)
