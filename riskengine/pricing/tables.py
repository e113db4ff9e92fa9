"""Book tables: the value of a book under every scenario, tabulated once per step over log-spot.

Where implied volatility does not move with the state, the value of a book at one step depends on log-spot alone, so
the vector of its values under S scenarios is tabulated at N nodes and every path reads it with one four-point Lagrange
interpolation of the whole vector: contiguous loads, no gathers, and S prices for the work of one.  Several assets add
before the worst scenario is taken.

The exact pricer builds the table, spot-checks it, and takes over for lanes outside its range.  The interpolation error
grows as (h / (sigma sqrt(tau)))^4 with node spacing h, so a table is refused where h is more than a quarter of the
smallest sigma sqrt(tau).
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, as_floats, check_shape
from riskengine.jit import kernel, wide_vectors
from riskengine.pricing.black import black_near, black_price, clip_total
from riskengine.vecmath import exp

_LANES = 128
# the scenario axis is padded to whole vectors
_PAD = 32
COARSEST = 0.25


@dataclass(frozen=True)
class ScenarioBook:
    """One book of options and perpetuals on A assets, with the scenarios it is revalued under.

    Attributes
    ----------
    strike, expiry, volatility, sign, quantity : ndarray, shape (A, O)
        Per unit of each asset's spot scale; expiry in years from time 0; volatility sticky at the strike; +1 call,
        -1 put; signed quantity (0 pads a shorter asset).
    perpetual, entry : ndarray, shape (A,)
        Quantity and entry price of perpetuals.
    shift, factor : ndarray, shape (S,)
        Move of log-spot, common to all assets, and factor on volatility; scenario 0 is the book as it stands.
    """

    strike: Floats
    expiry: Floats
    volatility: Floats
    sign: Floats
    quantity: Floats
    perpetual: Floats
    entry: Floats
    shift: Floats
    factor: Floats

    def __post_init__(self) -> None:
        for name in ("strike", "expiry", "volatility", "sign", "quantity"):
            object.__setattr__(self, name, as_floats(name, getattr(self, name), 2))
            check_shape(name, getattr(self, name), self.strike.shape)
        for name in ("perpetual", "entry", "shift", "factor"):
            object.__setattr__(self, name, as_floats(name, getattr(self, name), 1))
        check_shape("perpetual", self.perpetual, (self.strike.shape[0],))
        check_shape("entry", self.entry, (self.strike.shape[0],))
        check_shape("factor", self.factor, self.shift.shape)
        for name in ("strike", "expiry", "volatility", "factor"):
            if not (getattr(self, name) > 0.0).all():
                raise ValueError(f"{name} must hold positive numbers, got {float(getattr(self, name).min())!r}")
        if self.shift[0] != 0.0 or self.factor[0] != 1.0:
            raise ValueError(
                f"scenario 0 must be the book as it stands (shift 0, factor 1), got {self.shift[0]!r}, "
                f"{self.factor[0]!r}"
            )

    @property
    def scenarios(self) -> int:
        """Number of scenarios S, the first being no move."""
        return self.shift.size

    def exact(self, time: float, log_spot: Floats) -> tuple[Floats, Floats]:
        """(value, worst value over the scenarios) on every lane, by the exact pricer.

        Parameters
        ----------
        time : float
            Years since time 0, before every expiry.
        log_spot : ndarray, shape (A, P)

        Returns
        -------
        value, worst : ndarray, shape (P,)
        """
        value, worst = np.empty(log_spot.shape[1]), np.empty(log_spot.shape[1])
        _scan_exact(*self._packed(time), np.ascontiguousarray(log_spot), value, worst)
        return value, worst

    def _packed(self, time: float) -> tuple[Floats, ...]:
        left = self.expiry - time
        if not (left > 0.0).all():
            raise ValueError(f"time must lie before every expiry, got {time!r} with {float(left.min())!r} years left")
        root = self.volatility * np.sqrt(left)
        return (
            self.strike, np.log(self.strike), root, self.sign, self.quantity, self.perpetual, self.entry, self.shift,
            self.factor,
        )  # fmt: skip


@dataclass(frozen=True)
class BookTable:
    """Values of one `ScenarioBook` at one time.

    Attributes
    ----------
    book : ScenarioBook
    time : float
        Years since time 0.
    low, spacing : float
        First node and node spacing in log-spot.
    values : ndarray, shape (A, N, padded S)
        Each asset's part of the book under each scenario; padding repeats scenario 0.
    """

    book: ScenarioBook
    time: float
    low: float
    spacing: float
    values: Floats

    @classmethod
    def build(cls, book: ScenarioBook, time: float, low: float, high: float, nodes: int = 512) -> "BookTable":
        """Tabulate with the exact pricer between `low` and `high` in log-spot.

        Raises
        ------
        ValueError
            Where the nodes are too coarse for the shortest option: more nodes, or the exact pricer, would do.
        """
        if not (high > low and nodes >= 4):
            raise ValueError(f"a table needs high > low and at least 4 nodes, got {low!r}, {high!r}, {nodes}")
        packed = book._packed(time)
        spacing = (high - low) / (nodes - 1)
        least = float((packed[2] * book.factor.min()).min())
        if spacing > COARSEST * least:
            wanted = int(np.ceil((high - low) / (COARSEST * least))) + 1
            raise ValueError(
                f"nodes must be at least {wanted} for a smallest sigma sqrt(tau) of {least:.4g}, got {nodes}; "
                "near expiry the exact pricer takes over"
            )
        padded = -(-book.scenarios // _PAD) * _PAD
        values = np.empty((book.strike.shape[0], nodes, padded))
        _tabulate(*packed, low + spacing * np.arange(nodes), values)
        return cls(book, time, low, spacing, values)

    def scan(self, log_spot: Floats) -> tuple[Floats, Floats]:
        """(value, worst value over the scenarios) on every lane, shape (P,); exact where the table does not reach."""
        log_spot = np.ascontiguousarray(log_spot)
        value, worst = np.empty(log_spot.shape[1]), np.empty(log_spot.shape[1])
        outside = scan_table(self.values, self.low, 1.0 / self.spacing, log_spot, value, worst)
        if outside:
            lanes = np.flatnonzero(np.isnan(value))
            value[lanes], worst[lanes] = self.book.exact(self.time, log_spot[:, lanes])
        return value, worst

    def error(self, log_spot: Floats) -> float:
        """Largest difference from the exact pricer on these lanes: the spot check of a run."""
        read, exact = self.scan(log_spot), self.book.exact(self.time, log_spot)
        return max(float(np.max(np.abs(a - b))) for a, b in zip(read, exact, strict=True))


@kernel
def _add_option(n, x, spot, strike, log_strike, total, sign, quantity, near, gauss, out):
    """out += quantity * price."""
    wide_vectors()
    inverse = 1.0 / total
    # two loops: the coefficients of each stay in registers, those of both together would not
    for i in range(n):
        near[i], gauss[i] = black_near(x[i] - log_strike, total, inverse, sign)
    for i in range(n):
        out[i] += quantity * black_price(near[i], gauss[i], spot[i], strike, total, sign)


@kernel
def _move(n, x, shift, entry, perpetual, moved, spot, out):
    """Log-spot and spot under one scenario; out += the perpetual's profit."""
    wide_vectors()
    for i in range(n):
        moved[i] = x[i] + shift
        spot[i] = exp(moved[i])
        out[i] += perpetual * (spot[i] - entry)


@kernel
def _asset_value(n, a, s, x, strike, log_strike, root, sign, quantity, perpetual, entry, shift, factor, work, out):
    """out += value of one asset's part of the book under scenario s."""
    _move(n, x, shift[s], entry[a], perpetual[a], work[0], work[1], out)
    for o in range(strike.shape[1]):
        if quantity[a, o] != 0.0:
            _add_option(n, work[0], work[1], strike[a, o], log_strike[a, o], clip_total(root[a, o] * factor[s]),
                        sign[a, o], quantity[a, o], work[2], work[3], out)  # fmt: skip


@kernel(scratch=True)
def _scan_exact(strike, log_strike, root, sign, quantity, perpetual, entry, shift, factor, log_spot, value, worst):
    assets, lanes = log_spot.shape
    work = np.empty((4, _LANES))
    total = np.empty(_LANES)
    for lo in range(0, lanes, _LANES):
        n = min(_LANES, lanes - lo)
        for s in range(shift.size):
            for i in range(n):
                total[i] = 0.0
            for a in range(assets):
                _asset_value(n, a, s, log_spot[a, lo : lo + n], strike, log_strike, root, sign, quantity, perpetual,
                             entry, shift, factor, work, total)  # fmt: skip
            for i in range(n):
                if s == 0:
                    value[lo + i] = total[i]
                    worst[lo + i] = total[i]
                elif total[i] < worst[lo + i]:
                    worst[lo + i] = total[i]


@kernel(scratch=True)
def _tabulate(strike, log_strike, root, sign, quantity, perpetual, entry, shift, factor, nodes, values):
    n = nodes.size
    work = np.empty((4, n))
    column = np.empty(n)
    for a in range(values.shape[0]):
        for s in range(shift.size):
            for i in range(n):
                column[i] = 0.0
            _asset_value(n, a, s, nodes, strike, log_strike, root, sign, quantity, perpetual, entry, shift, factor,
                         work, column)  # fmt: skip
            for i in range(n):
                values[a, i, s] = column[i]
        for s in range(shift.size, values.shape[2]):
            for i in range(n):
                values[a, i, s] = values[a, i, 0]


@kernel(scratch=True)
def scan_table(values, low, inverse_spacing, log_spot, value, worst):
    """Read a table on every lane; returns how many lanes lie outside it, where both results are NaN.

    Parameters
    ----------
    values : ndarray, shape (A, N, padded S)
    low, inverse_spacing : float
    log_spot : ndarray, shape (A, P)
    value, worst : ndarray, shape (P,)
        Written.
    """
    wide_vectors()
    assets, nodes, width = values.shape
    total = np.empty(width)
    outside = 0
    for p in range(log_spot.shape[1]):
        for s in range(width):
            total[s] = 0.0
        inside = True
        for a in range(assets):
            y = (log_spot[a, p] - low) * inverse_spacing
            if not (y >= 1.0 and y <= nodes - 2.0):
                inside = False
                break
            j = min(np.int64(y), nodes - 3)
            u = y - j
            w0 = -u * (u - 1.0) * (u - 2.0) * (1.0 / 6.0)
            w1 = (u + 1.0) * (u - 1.0) * (u - 2.0) * 0.5
            w2 = -(u + 1.0) * u * (u - 2.0) * 0.5
            w3 = (u + 1.0) * u * (u - 1.0) * (1.0 / 6.0)
            for s in range(width):
                total[s] += (
                    w0 * values[a, j - 1, s]
                    + w1 * values[a, j, s]
                    + w2 * values[a, j + 1, s]
                    + w3 * values[a, j + 2, s]
                )
        if not inside:
            outside += 1
            value[p] = np.nan
            worst[p] = np.nan
            continue
        value[p] = total[0]
        # halving keeps the minimum in vectors; the padded width is a multiple of 32
        for block in range(32, width, 32):
            for s in range(32):
                total[s] = min(total[s], total[block + s])
        for s in range(16):
            total[s] = min(total[s], total[s + 16])
        for s in range(8):
            total[s] = min(total[s], total[s + 8])
        for s in range(4):
            total[s] = min(total[s], total[s + 4])
        worst[p] = min(min(total[0], total[1]), min(total[2], total[3]))
    return outside
