"""Many parameter sets on the same random numbers: what is drawn is drawn once.

Worlds of one draw group share their numbers anyway (`riskengine.random`), which is what makes differences between
parameter sets sharp.  Sampled one by one, each set draws them again.  Here the normals of a window of steps are drawn
once and every set runs through it; arrival n of a path has one waiting time, in units of its clock's mean, and one set
of size normals, whatever the rate, so these too are tabulated once and read by every set.  The bits are those of each
world sampled alone.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from riskengine.arrays import Floats
from riskengine.jit import kernel
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys, draw, fill_words, normals_from_words
from riskengine.roles import ScenarioModel
from riskengine.scenario.bates import Bates
from riskengine.scenario.clock import LANES, WINDOW, any_jumps
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.heston import Heston
from riskengine.scenario.jumps import jump_table
from riskengine.scenario.lanes import FORWARD, HISTORY, anchor, mix_lanes, write_lanes, write_prices
from riskengine.scenario.lognormal import _add, _advance, step_coefficients
from riskengine.scenario.merton import Merton
from riskengine.scenario.qe import price_step, variance_step
from riskengine.vecmath import fma, log, root, sincos_turn, uniform

_ROWS = 48  # arrivals of a clock that are tabulated; later ones are drawn where they are needed


@kernel(inline=True)
def _span(assets):
    """Steps whose normals are kept at once: an even number, as many as the second-level cache holds."""
    return 2 * WINDOW if assets <= 2 else WINDOW


@kernel
def _wait(path, number, purpose, asset, k0, k1):
    """Waiting time before arrival `number`, in units of its mean."""
    word, _ = draw(path, number, purpose, asset, k0, k1)
    return -log(uniform(word))


@kernel
def _size(path, number, purpose, asset, k0, k1):
    """Normal of the size of arrival `number`."""
    a, b = draw(path, number, purpose, asset, k0, k1)
    _, c = sincos_turn(uniform(b))
    return root(-2.0 * log(uniform(a))) * c


@kernel
def _tabulate(waits, sizes, number, path, clock, purposes, k0, k1, a, b, spare):
    """Waiting time and size normals of arrival `number` of one clock on all lanes; row `number` of the tables."""
    common, assets = clock == 0, sizes.shape[0]
    own = max(clock - 1, 0)
    fill_words(a, b, path, number, purposes[3 if common else 1], own, k0, k1)
    for i in range(LANES):
        waits[number, i] = -log(uniform(a[i]))
    for j in range(0 if common else own, assets if common else clock):
        fill_words(a, b, path, number, purposes[4 if common else 2], j, k0, k1)
        normals_from_words(a, b, sizes[j, number], spare)


@kernel
def _scatter_shared(
    buffer, position, arrivals, start, stop, inverse_rate, mean, mix, waits, sizes, known, path, clock, purposes, k0,
    k1, lane, a, b, spare,
):  # fmt: skip
    """Add the jumps of one clock of one parameter set in steps ``start`` to ``stop - 1``.

    As `riskengine.scenario.clock.fill_jumps` does, from the tables; `known` (1 + A,) counts the rows they have.
    """
    common, assets = clock == 0, buffer.shape[1]
    own = max(clock - 1, 0)
    low, high = 0 if common else own, assets if common else clock
    limit = np.float64(stop)
    one, none = np.uint64(1), np.uint64(0)
    # unsigned indices: a signed one is tested for Python's counting from the end
    n = none
    most = 0
    for i in range(LANES):
        lane[n] = np.uint64(i)
        n += one if position[i] < limit else none
        most = max(most, arrivals[i])
    first = np.uint64(low)
    mean_first, mix_first = mean[low], mix[low, low]
    left = n
    while left > none:
        # arrival numbers of this round are at most `most`, and each needs the waiting time of the next
        while known[clock] <= min(most + 1, _ROWS - 1):
            _tabulate(waits, sizes, known[clock], path, clock, purposes, k0, k1, a, b, spare)
            known[clock] += 1
        tabulated = most + 1 < _ROWS
        kept = none
        for i in range(left):
            k = lane[i]
            t = position[k]
            number = np.uint64(arrivals[k])
            row = np.uint64(np.int64(t) - start)
            if tabulated:
                wait = waits[number + one, k]
                buffer[row, first, k] += mean_first + mix_first * sizes[first, number, k]
                for j in range(low + 1, high):
                    jump = mean[j]
                    for m in range(low, j + 1):
                        jump += mix[j, m] * sizes[np.uint64(m), number, k]
                    buffer[row, np.uint64(j), k] += jump
            else:
                here = path + np.int64(k)
                wait = _wait(here, number + one, purposes[3 if common else 1], own, k0, k1)
                for j in range(low, high):
                    jump = mean[j]
                    for m in range(low, j + 1):
                        jump += mix[j, m] * _size(here, number, purposes[4 if common else 2], m, k0, k1)
                    buffer[row, np.uint64(j), k] += jump
            t = fma(wait, inverse_rate, t)
            position[k] = t
            arrivals[k] = np.int64(number + one)
            lane[kept] = k
            kept += one if t < limit else none
        left = kept
        most += 1


@kernel
def _start_shared(position, arrivals, rate, waits, sizes, known, path, purposes, k0, k1, a, b, spare):
    """First arrival of every clock of every set, in steps."""
    known[:] = 0
    for c in range(rate.shape[1]):
        for s in range(rate.shape[0]):
            if rate[s, c] > 0.0:
                if known[c] == 0:
                    _tabulate(waits[c], sizes[0 if c == 0 else 1], 0, path, c, purposes, k0, k1, a, b, spare)
                    known[c] = 1
                inverse = 1.0 / rate[s, c]
                for i in range(LANES):
                    position[s, c, i] = fma(waits[c, 0, i], inverse, 0.0)
                    arrivals[s, c, i] = 0


@kernel
def _fill_shared(
    buffer, position, arrivals, start, stop, rate, mean, mix, waits, sizes, known, path, purposes, k0, k1, lane, a, b,
    spare,
):  # fmt: skip
    """Sum of log jumps of one set in steps ``start`` to ``stop - 1``; advances its clocks."""
    buffer[:] = 0.0
    for c in range(rate.size):
        if rate[c] > 0.0:
            which = 0 if c == 0 else 1
            _scatter_shared(
                buffer, position[c], arrivals[c], start, stop, 1.0 / rate[c], mean[which], mix[which], waits[c],
                sizes[which], known, path, c, purposes, k0, k1, lane, a, b, spare,
            )  # fmt: skip


@kernel
def _lognormal_window(out, start, stop, base, end, x, z, jump, drift, mix, bad, spot, history):
    """Steps ``start`` to ``stop - 1`` of one parameter set, kept in lanes ``base`` to ``end - 1`` of its ``out``."""
    for t in range(stop - start):
        for i in range(x.shape[0]):
            _advance(x[i], z[t, 0], jump[t, i], drift[i], mix[i, 0])
            for j in range(1, i + 1):
                _add(x[i], z[t, j], mix[i, j])
            if history:
                write_lanes(out[start + t + 1, i, base:end], x[i])
            else:
                write_prices(out[start + t + 1, i, base:end], x[i], bad, spot[i])


@kernel(scratch=True)
def lognormal_grid(
    out, failed, spot, drift, mix, rate, jump_mean, jump_mix, first_path, history, purposes, k0, k1
):  # fmt: skip
    """Fill one block of every parameter set: `riskengine.scenario.lognormal.lognormal_paths` with a first axis of sets.

    ``out`` (S, T + 1, A, P), ``failed`` (S, P), ``spot`` and ``drift`` (S, A), ``mix`` (S, A, A), ``rate`` (S, 1 + A),
    ``jump_mean`` (S, 2, A), ``jump_mix`` (S, 2, A, A).
    """
    sets, steps, assets, count = out.shape[0], out.shape[1] - 1, out.shape[2], out.shape[3]
    x = np.empty((sets, assets, LANES))
    bad = np.empty((sets, LANES))
    span = _span(assets)
    z = np.empty((span, assets, LANES))
    a = np.empty(LANES, np.uint64)
    b = np.empty(LANES, np.uint64)
    spare = np.empty(LANES)
    lane = np.empty(LANES + 1, np.uint64)
    jump = np.zeros((span, assets, LANES))
    position = np.empty((sets, assets + 1, LANES))
    arrivals = np.empty((sets, assets + 1, LANES), np.int64)
    waits = np.empty((assets + 1, _ROWS, LANES))
    sizes = np.empty((2, assets, _ROWS, LANES))
    known = np.empty(assets + 1, np.int64)
    clean = True
    for base in range(0, count, LANES):
        end = min(base + LANES, count)
        path = first_path + base
        x[:] = 0.0
        bad[:] = 0.0
        for s in range(sets):
            for i in range(assets):
                out[s, 0, i, base:end] = 0.0 if history else spot[s, i]
        _start_shared(position, arrivals, rate, waits, sizes, known, path, purposes, k0, k1, a, b, spare)
        for start in range(0, steps, span):
            stop = min(start + span, steps)
            # the window is even: a pair of steps shares a draw and never straddles two windows
            for t in range(0, stop - start, 2):
                for i in range(assets):
                    fill_words(a, b, path, (start + t) >> 1, purposes[0], i, k0, k1)
                    normals_from_words(a, b, z[t, i], z[t + 1, i])
            for s in range(sets):
                if any_jumps(rate[s]):
                    clean = False
                    _fill_shared(
                        jump, position[s], arrivals[s], start, stop, rate[s], jump_mean[s], jump_mix[s], waits, sizes,
                        known, path, purposes, k0, k1, lane, a, b, spare,
                    )  # fmt: skip
                elif not clean:
                    jump[:] = 0.0
                    clean = True
                _lognormal_window(
                    out[s], start, stop, base, end, x[s], z, jump, drift[s], mix[s], bad[s], spot[s], history
                )
        for s in range(sets):
            if history:
                for i in range(assets):
                    anchor(out[s, :, i, base:end], bad[s], spot[s, i])
            for i in range(base, end):
                failed[s, i] = failed[s, i] or bad[s, i - base] != 0.0


@kernel
def _bates_window(
    out, variance, start, stop, base, end, x, v, z, mixed, jump, following, correction, spare, c, variance_mix,
    price_mix, bad, spot, history,
):  # fmt: skip
    """Steps ``start`` to ``stop - 1`` of one parameter set, as `_lognormal_window`."""
    assets = x.shape[0]
    for t in range(stop - start):
        normal = z[t]
        if assets > 1:
            for i in range(assets):
                write_lanes(mixed[0, i], z[t, 0, i])
                write_lanes(mixed[1, i], z[t, 1, i])
            mix_lanes(mixed[0], variance_mix)
            mix_lanes(mixed[1], price_mix)
            normal = mixed
        for i in range(assets):
            variance_step(v[i], normal[0, i], following, correction, c[i], spare)
            price_step(x[i], v[i], following, normal[1, i], correction, jump[t, i], c[i])
            write_lanes(variance[start + t + 1, i, base:end], v[i])
            if history:
                write_lanes(out[start + t + 1, i, base:end], x[i])
            else:
                write_prices(out[start + t + 1, i, base:end], x[i], bad, spot[i])


@kernel(scratch=True)
def bates_grid(
    out, variance, failed, spot, initial, c, variance_mix, price_mix, rate, jump_mean, jump_mix, first_path, history,
    purposes, k0, k1,
):  # fmt: skip
    """Fill one block of every parameter set: `riskengine.scenario.qe.bates_paths` with a first axis of sets.

    ``out`` and ``variance`` (S, T + 1, A, P), ``failed`` (S, P), ``spot`` (S, A), ``initial`` (S, A, P), ``c``
    (S, A, 8), ``variance_mix`` and ``price_mix`` (S, A, A), jumps as in `lognormal_grid`.
    """
    sets, steps, assets, count = out.shape[0], out.shape[1] - 1, out.shape[2], out.shape[3]
    x = np.empty((sets, assets, LANES))
    v = np.empty((sets, assets, LANES))
    bad = np.empty((sets, LANES))
    span = _span(assets)
    z = np.empty((span, 2, assets, LANES))
    mixed = np.empty((2, assets, LANES))
    following = np.empty(LANES)
    correction = np.empty(LANES)
    a = np.empty(LANES, np.uint64)
    b = np.empty(LANES, np.uint64)
    spare = np.empty((3, LANES))
    lane = np.empty(LANES + 1, np.uint64)
    jump = np.zeros((span, assets, LANES))
    position = np.empty((sets, assets + 1, LANES))
    arrivals = np.empty((sets, assets + 1, LANES), np.int64)
    waits = np.empty((assets + 1, _ROWS, LANES))
    sizes = np.empty((2, assets, _ROWS, LANES))
    known = np.empty(assets + 1, np.int64)
    clean = True
    for base in range(0, count, LANES):
        end = min(base + LANES, count)
        path = first_path + base
        x[:] = 0.0
        bad[:] = 0.0
        for s in range(sets):
            for i in range(assets):
                out[s, 0, i, base:end] = 0.0 if history else spot[s, i]
                # lanes beyond the block are computed and not kept; they need a legal variance
                for k in range(LANES):
                    v[s, i, k] = initial[s, i, min(base + k, count - 1)]
                write_lanes(variance[s, 0, i, base:end], v[s, i])
        _start_shared(position, arrivals, rate, waits, sizes, known, path, purposes, k0, k1, a, b, spare[0])
        for start in range(0, steps, span):
            stop = min(start + span, steps)
            for t in range(stop - start):
                for i in range(assets):
                    fill_words(a, b, path, start + t, purposes[0], i, k0, k1)
                    normals_from_words(a, b, z[t, 0, i], z[t, 1, i])
            for s in range(sets):
                if any_jumps(rate[s]):
                    clean = False
                    _fill_shared(
                        jump, position[s], arrivals[s], start, stop, rate[s], jump_mean[s], jump_mix[s], waits, sizes,
                        known, path, purposes, k0, k1, lane, a, b, spare[0],
                    )  # fmt: skip
                elif not clean:
                    jump[:] = 0.0
                    clean = True
                _bates_window(
                    out[s], variance[s], start, stop, base, end, x[s], v[s], z, mixed, jump, following, correction,
                    spare, c[s], variance_mix[s], price_mix[s], bad[s], spot[s], history,
                )  # fmt: skip
        for s in range(sets):
            if history:
                for i in range(assets):
                    anchor(out[s, :, i, base:end], bad[s], spot[s, i])
            for i in range(base, end):
                failed[s, i] = failed[s, i] or bad[s, i - base] != 0.0


class SharedDraws:
    """Parameter sets that are sampled together, block by block.

    Parameters
    ----------
    models : sequence of ScenarioModel
        Worlds of kind `gbm` and `merton` with equally many assets share their draws, and so do `heston` and `bates`;
        any other world is sampled alone.

    Examples
    --------
    >>> quiet, wild = (Gbm(("BTC",), (6e4,), (0.0,), (s,), ((1.0,),)) for s in (0.4, 0.8))
    >>> a, b = SharedDraws([quiet, wild]).sample(TimeGrid(86_400, 30), 0, 4, DrawKeys(1))
    >>> bool((a.spot == quiet.sample(TimeGrid(86_400, 30), 0, 4, DrawKeys(1)).spot).all())
    True
    """

    def __init__(self, models: Sequence[ScenarioModel]) -> None:
        self.models = tuple(models)
        families: dict[tuple, list[int]] = {}
        for i, model in enumerate(self.models):
            family = _FAMILIES.get(type(model))
            families.setdefault((family, len(model.assets)) if family else (None, i), []).append(i)
        self._alone = [i for (family, _), members in families.items() for i in members if not family]
        self._together = [
            (members, family([self.models[i] for i in members]))
            for (family, _), members in families.items()
            if family is not None
        ]

    def sample(self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys) -> list[MarketPaths]:
        """The same paths in every world, to the bits of ``model.sample(grid, first_path, count, keys)``.

        Returns
        -------
        list of MarketPaths
            One block per model, in their order.  Blocks that share draws are views into one array of all of them.
        """
        out: dict[int, MarketPaths] = {i: self.models[i].sample(grid, first_path, count, keys) for i in self._alone}
        for members, family in self._together:
            out.update(zip(members, family.sample(grid, first_path, count, keys), strict=True))
        return [out[i] for i in range(len(self.models))]


def sample_grid(
    models: Sequence[ScenarioModel], grid: TimeGrid, first_path: int, count: int, keys: DrawKeys
) -> list[MarketPaths]:
    """One block of every model on shared draws; where there are many blocks, keep a `SharedDraws` and sample that."""
    return SharedDraws(models).sample(grid, first_path, count, keys)


def _stack(arrays: Iterable[Floats]) -> Floats:
    return np.ascontiguousarray(np.stack(list(arrays)))


class _Lognormal:
    """Sets of one family, with what does not change from block to block."""

    def __init__(self, models: list) -> None:
        self.models, self.spot = models, _stack(np.array(m.spot) for m in models)
        self.coefficients = lru_cache(maxsize=8)(self._coefficients)

    def _coefficients(self, dt: float) -> list[Floats]:
        rows = [
            step_coefficients(
                m.drift,
                m.volatility,
                m.correlation,
                getattr(m, "jumps_common", None),
                getattr(m, "jumps_own", None),
                jump_table,
                dt,
            )
            for m in self.models
        ]
        return [_stack(column) for column in zip(*rows, strict=True)]

    def sample(self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys) -> list[MarketPaths]:
        """One block per set."""
        sets, assets = self.spot.shape
        failed = np.zeros((sets, count), dtype=bool)

        def fill(steps, dt, history):
            out = np.empty((sets, steps + 1, assets, count))
            lognormal_grid(
                out, failed, self.spot, *self.coefficients(dt), first_path, history, HISTORY if history else FORWARD,
                *keys.words(),
            )  # fmt: skip
            return out

        before = fill(grid.history_steps, grid.history_dt, True) if grid.history_steps else [None] * sets
        out = fill(grid.steps, grid.dt, False)
        return [
            MarketPaths(grid, m.assets, first_path, out[s], history_spot_lanes=before[s], failed=failed[s])
            for s, m in enumerate(self.models)
        ]


class _Variance:
    """The same for worlds with a variance state."""

    def __init__(self, models: list) -> None:
        self.models, self.spot = models, _stack(np.array(m.spot) for m in models)
        if not any(m.starts_stationary for m in models):
            self.initial = np.array([m.initial_variance for m in models])
        self.mixes = [_stack(m._mixes[n] for m in models) for n in range(2)]
        self.jumps = [_stack(getattr(m._jumps, name) for m in models) for name in ("intensity", "mean", "mix")]
        self.coefficients = lru_cache(maxsize=8)(lambda dt: _stack(m._coefficients(dt) for m in models))

    def sample(self, grid: TimeGrid, first_path: int, count: int, keys: DrawKeys) -> list[MarketPaths]:
        """One block per set."""
        sets, assets = self.spot.shape
        failed = np.zeros((sets, count), dtype=bool)
        intensity, mean, mix = self.jumps

        def fill(state, steps, dt, history):
            out, variance = np.empty((2, sets, steps + 1, assets, count))
            bates_grid(
                out, variance, failed, self.spot, state, self.coefficients(dt), *self.mixes, intensity * dt, mean, mix,
                first_path, history, HISTORY if history else FORWARD, *keys.words(),
            )  # fmt: skip
            return out, variance

        if any(m.starts_stationary for m in self.models):
            state = _stack(m.start(first_path, count, keys) for m in self.models)
        else:
            state = np.repeat(self.initial[:, :, None], count, axis=2)
        before = before_variance = [None] * sets
        if grid.history_steps:
            before, before_variance = fill(state, grid.history_steps, grid.history_dt, True)
            state = np.ascontiguousarray(before_variance[:, -1])
        out, variance = fill(state, grid.steps, grid.dt, False)
        return [
            MarketPaths(
                grid, m.assets, first_path, out[s], variance[s], before[s], before_variance[s], failed=failed[s]
            )
            for s, m in enumerate(self.models)
        ]


_FAMILIES = {Gbm: _Lognormal, Merton: _Lognormal, Heston: _Variance, Bates: _Variance}
