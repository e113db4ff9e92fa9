"""Every backtest on every history of a power study: a block of histories at once, p-values kept for each of them.

All cases on the study's own law share their draws: the histories that a rate three times as high is looked for in are
those that the null is judged on, stretched.  Tables of the null are drawn apart from them.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.backtest.battery import WAYS, Histories, Way, evaluate, rank_p_values
from riskengine.backtest.kupiec import kupiec_statistic
from riskengine.backtest.lanes import BreachLanes
from riskengine.engine.blocks import Block
from riskengine.engine.power_bench import ClusteredTruth, HeldForecast, rolling_forecasts
from riskengine.random import DrawKeys, Purpose, fill_uniforms

# draw groups of a study: histories, tables of the null, breakers of ties, histories of rolling forecasts
_DATA, _TABLE, _TIES, _ROLLING = 0, 1, 2, 3
Cell = tuple[int, int]
"""(number of the level, number of the sample size)."""


@dataclass(frozen=True)
class Case:
    """One truth that the forecasts are held against.

    Attributes
    ----------
    alternative : {"none", "rate", "excess", "clusters", "rolling"}
    name : str
        World or estimator; empty for the others.
    multiple : float
    """

    alternative: str
    name: str = ""
    multiple: float = 1.0

    @property
    def parameters(self) -> dict[str, Any]:
        """As parameters of a row."""
        said: dict[str, Any] = {"alternative": self.alternative}
        if self.name:
            said["case"] = self.name
        if self.alternative in ("rate", "excess"):
            said["multiple"] = self.multiple
        return said


@dataclass
class Gathered:
    """Arrays over histories, filled block by block.

    Attributes
    ----------
    size : int
        Histories.
    arrays : dict
        (name, cell) -> ndarray (size,).
    """

    size: int
    arrays: dict[Any, Floats] = field(default_factory=dict)

    def put(self, key: Any, block: Block, value: Floats) -> None:
        """Store the part of a block."""
        # setdefault is atomic: two threads that come first share one array
        self.arrays.setdefault(key, np.full(self.size, np.nan))[block.first : block.first + block.count] = value


class PowerLab:
    """All histories of a study.

    Parameters
    ----------
    study : BacktestPowerStudy
        Its fields are read; see `riskengine.study.power_spec`.
    """

    def __init__(self, study: Any):
        self.study = study
        self.tails = [round(1.0 - level, 12) for level in study.levels]
        self.sizes: tuple[int, ...] = tuple(study.sample_sizes)
        self.forecast = HeldForecast(study.world, study.exposure, study.horizon_hours)
        self.clustered = [
            ClusteredTruth(HeldForecast(w, study.exposure_in(w), study.horizon_hours), DrawKeys(study.seed, _DATA))
            for w in study.clustered_worlds
        ]
        self.null = Case("none")
        self.stretched = [
            *(Case("rate", multiple=m) for m in study.rate_multiples),
            *(Case("excess", multiple=m) for m in study.excess_multiples),
        ]
        self.clusters = [Case("clusters", t.forecast.world.name) for t in self.clustered]
        self.rolling = [Case("rolling", r.name) for r in study.rolling]
        self.cases = [self.null, *self.stretched, *self.clusters, *self.rolling]
        self.overlap_case = self._overlap_case()
        self._found = {case: Gathered(study.replications) for case in self.cases}
        self._tables = [Gathered(study.null_replications) for _ in self.forecasts]
        self._overlaps = Gathered(study.replications)
        self._overlap_table = Gathered(study.null_replications)

    def _overlap_case(self) -> Case | None:
        """The rate alternative that overlapping losses are tried on: the one nearest twice the rate."""
        rates = [c for c in self.stretched if c.alternative == "rate" and c.multiple > 1.0]
        return min(rates, key=lambda c: abs(np.log(c.multiple / 2.0)), default=None) if self.study.overlaps else None

    @property
    def forecasts(self) -> list[HeldForecast]:
        """The study's own forecast, then those of the clustered worlds."""
        return [self.forecast, *(t.forecast for t in self.clustered)]

    def prepare(self) -> None:
        """Build every table of a law before threads ask for it; ValueError where a rate cannot be reached."""
        for h in (1, *self.study.overlaps):
            law = self.forecast.law_over(h)
            for case in (c for c in self.stretched if c.alternative == "rate"):
                for tail in self.tails:
                    self.forecast.stretch(case.multiple, tail, law)
        for forecast in self.forecasts:
            forecast.prepare()
        for i in range(len(self.forecasts)):
            self._worst(i)

    @cached_property
    def _worst_of(self) -> dict[tuple[int, int], list[float]]:
        return {}

    def _worst(self, number: int) -> list[list[float]]:
        """`HeldForecast.worst` of every level and size."""
        out = []
        for i, tail in enumerate(self.tails):
            if (number, i) not in self._worst_of:
                self._worst_of[number, i] = [self.forecasts[number].worst(n, tail) for n in self.sizes]
            out.append(self._worst_of[number, i])
        return out

    def _judge(self, into: Gathered, block: Block, level: int, h: Histories, forecast: int, bootstrap: int = 0) -> None:
        """Every test on the histories of a block."""
        worst = self._worst(forecast)[level] if h.losses is not None else ()
        for j, found in enumerate(evaluate(h, self.sizes, worst, bootstrap)):
            for way, value in found.items():
                into.put((way, (level, j)), block, value)

    def main(self, block: Block) -> None:
        """The null and what is a change of its own draws; overlapping losses."""
        study, forecast = self.study, self.forecast
        returns = forecast.sampler.draw(max(self.sizes), block.first, block.count, DrawKeys(study.seed, _DATA))
        for i, tail in enumerate(self.tails):
            for case in (self.null, *self.stretched):
                moved = returns
                if case.alternative == "rate":
                    moved = forecast.stretch(case.multiple, tail) * returns
                elif case.alternative == "excess":
                    moved = forecast.beyond(returns, case.multiple, tail)
                draws = 0 if case.alternative == "rate" else study.bootstrap_draws
                self._judge(self._found[case], block, i, forecast.histories(moved, tail), 0, draws)
        self._overlap(self._overlaps, block, returns)

    def table(self, number: int, block: Block) -> None:
        """Statistics under the null of one forecast."""
        forecast = self.forecasts[number]
        returns = forecast.sampler.draw(max(self.sizes), block.first, block.count, DrawKeys(self.study.seed, _TABLE))
        for i, tail in enumerate(self.tails):
            self._judge(self._tables[number], block, i, forecast.histories(returns, tail), number)
        if number == 0:
            self._overlap(self._overlap_table, block, returns)

    def cluster(self, number: int, block: Block) -> None:
        """Histories of a world whose breaches come together."""
        truth, case = self.clustered[number], self.clusters[number]
        returns = truth.draw(max(self.sizes), block.first, block.count)
        for i, tail in enumerate(self.tails):
            h = truth.forecast.histories(returns, tail)
            self._judge(self._found[case], block, i, h, number + 1)
            self._rates(case, block, i, h.breaches)

    def roll(self, number: int, block: Block) -> None:
        """Forecasts of an estimator on independent draws."""
        study, asked, case = self.study, self.study.rolling[number], self.rolling[number]
        rows = asked.window + max(self.sizes)
        unit = study.exposure.unit
        losses = unit.loss(
            self.forecast.sampler.draw(rows, block.first, block.count, DrawKeys(study.seed, _ROLLING), number)
        )
        levels = np.array(study.levels)
        var = rolling_forecasts(asked.estimator, losses, asked.window, levels, asked.refit_every, study.confidence)
        for i, tail in enumerate(self.tails):
            said = np.isfinite(var[i])
            value = np.where(said, var[i], 0.0)
            h = Histories(BreachLanes.of(said & (losses[asked.window :] > value)), tail, moving=value)
            self._judge(self._found[case], block, i, h, 0)
            self._rates(case, block, i, h.breaches)
            breach = np.where(said, self.forecast.survival(unit.return_at(value)), np.nan)
            self._found[case].put(("breach_probability", i), block, breach.mean(axis=0))

    def _rates(self, case: Case, block: Block, level: int, b: BreachLanes) -> None:
        """Breaches of each history, those with a day after them, and those with a breach on the day after."""
        found = self._found[case]
        found.put(("breaches", level), block, b.count)
        found.put(("followed", level), block, (b.mask & (b.at < b.n - 1)).sum(axis=0))
        found.put(("pairs", level), block, (b.mask[1:] & (b.at[1:] - b.at[:-1] == 1)).sum(axis=0))

    def _overlap(self, into: Gathered, block: Block, returns: Floats) -> None:
        """Breach counts of losses over h days that begin on every day."""
        if not self.study.overlaps:
            return
        whole = np.concatenate([np.zeros((1, returns.shape[1])), np.cumsum(returns, axis=0)])
        long = self.study.exposure.side == "long"
        for h in self.study.overlaps:
            law = self.forecast.law_over(h)
            moves = whole[h:] - whole[:-h]
            for i, tail in enumerate(self.tails):
                at = self.forecast.point(tail, law)
                for case in (self.null, self.overlap_case):
                    if case is None or (into is self._overlap_table and case is not self.null):
                        continue
                    moved = moves
                    if case.alternative == "rate":
                        moved = self.forecast.stretch(case.multiple, tail, law) * moves
                    breach = moved < at if long else moved > at
                    for j, n in enumerate(self.sizes):
                        into.put((h, case, (i, j)), block, breach[: n - h + 1].sum(axis=0))

    @cached_property
    def _ties(self) -> dict[Way, Floats]:
        """A uniform for every history and way, the same in every case and cell."""
        words, out = DrawKeys(self.study.seed, _TIES).words(), {}
        for row, way in enumerate((*WAYS, ("kupiec", "overlap"), ("traffic_light", "overlap"))):
            out[way] = np.empty(self.study.replications)
            fill_uniforms(out[way], 0, row, int(Purpose.LAB_SAMPLE), 0, *words)
        return out

    def p_value(self, case: Case, way: Way, cell: Cell) -> Floats | None:
        """p-values of the histories that could be tested, shape (P,); None where the case does not give them."""
        found = self._found[case].arrays.get((way, cell))
        if found is None:
            return None
        if way[1] == "simulated":
            number = 1 + self.clusters.index(case) if case in self.clusters else 0
            table = self._tables[number].arrays[way, cell]
            found = rank_p_values(found, np.sort(table[np.isfinite(table)]), self._ties[way])
        refused = self.column(case, "breach_probability", cell[0])
        return found if refused is None else found[np.isfinite(refused)]

    def unformed(self, way: Way, cell: Cell) -> int:
        """Histories under the null on which the statistic cannot be formed."""
        return int((~np.isfinite(self._found[self.null].arrays[way, cell])).sum())

    def column(self, case: Case, name: str, level: int) -> Floats | None:
        """What a case keeps of each history beside p-values."""
        return self._found[case].arrays.get((name, level))

    def overlap(self, h: int, case: Case, cell: Cell) -> tuple[Floats, dict[Way, Floats]]:
        """Breach counts of overlapping losses, and p-values of them by the law of such counts under the null.

        The count is ranked among simulated ones: by Kupiec's statistic for both sides, by itself for the traffic light.
        """
        counts = self._overlaps.arrays[h, case, cell]
        null = self._overlap_table.arrays[h, self.null, cell]
        n, tail = self.sizes[cell[1]] - h + 1, self.tails[cell[0]]
        two = rank_p_values(
            kupiec_statistic(counts, n, tail),
            np.sort(kupiec_statistic(null, n, tail)),
            self._ties["kupiec", "overlap"],
        )
        one = rank_p_values(counts, np.sort(null), self._ties["traffic_light", "overlap"])
        return counts, {("kupiec", "simulated"): two, ("traffic_light", "simulated"): one}
