"""Run a study of Black-Scholes: exact errors by moneyness, maturity and level; hedges on simulated paths."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.black_scholes import YEAR_HOURS, best_volatility, margin_errors, of_horizon, option_errors
from riskengine.engine.blocks import Block, plan
from riskengine.engine.executor import default_workers, run_blocks
from riskengine.engine.hedging import HEDGES, HedgeTables, hedged_losses, leading_deviation
from riskengine.errors import RunError
from riskengine.estimate import exact, undetermined
from riskengine.law.hedge_ratio import HedgedLaw, realised_variance
from riskengine.law.options import OptionDesk
from riskengine.pricing.black import black76
from riskengine.pricing.fixed_black import FUNCTIONS, black76_truth, black76_wad, operations
from riskengine.pricing.fixed_functions import Machine, Revert
from riskengine.pricing.fixed_point import WAD
from riskengine.random import DrawKeys
from riskengine.roles import ScenarioModel
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.world import World
from riskengine.stats.mean import mean, ratio_of_means, root
from riskengine.stats.quantile import expected_shortfall, value_at_risk
from riskengine.study.black_scholes_attacks import attack_rows, black_row, vault_rows
from riskengine.study.black_scholes_spec import BlackScholesStudy, FixedPointTest
from riskengine.study.describe import worlds_head
from riskengine.study.folder import RunFolder
from riskengine.study.manifest import manifest
from riskengine.study.result import Row, StudyResult
from riskengine.study.run import Progress
from riskengine.study.verdict import judge


def _strikes(law: HedgedLaw, moneyness: tuple[float, ...]) -> Floats:
    """Strikes over spot at so many standard deviations of the realised variance."""
    return np.exp(np.array(moneyness) * np.sqrt(realised_variance(law) * law.horizon))


def exact_rows(study: BlackScholesStudy, world: World) -> Iterator[Row]:
    """Errors of price, volatility, delta and requirement on one world."""
    whole = world.model.law(study.asset, 1.0)
    period, levels = study.margin_period_hours / YEAR_HOURS, np.array(study.levels)
    for days in study.days:
        law = of_horizon(whole, 24.0 * days / YEAR_HOURS)
        strike = _strikes(law, study.moneyness)
        for rule in study.volatilities:
            volatility = best_volatility(law, rule)
            errors = option_errors(law, strike, volatility)
            place = {"world": world.name, "days": days}
            yield black_row("black_scholes", rule, place, "one_volatility", exact(volatility))
            margins = margin_errors(law, whole.drift, errors, volatility, period, levels)
            for i, z in enumerate(study.moneyness):
                at = place | {"moneyness": z}
                true, black = float(errors.price[i]), float(errors.black_price[i])
                yield black_row("black_scholes", rule, at, "true_price", exact(true))
                yield black_row("black_scholes", rule, at, "price_error", exact(round(black / true - 1.0, 12)))
                gap = round(volatility - float(errors.implied[i]), 12)
                figure = exact(gap) if np.isfinite(gap) else undetermined(0, "price below 1e-13 of the spot")
                yield black_row("black_scholes", rule, at, "volatility_error", figure)
                delta = float(errors.black_delta[i])
                yield black_row("black_scholes", rule, at, "delta_error", exact(delta - errors.delta[i]))
                yield black_row("black_scholes", rule, at, "hedge_error", exact(delta - errors.least[i]))
                for j, level in enumerate(study.levels):
                    here = at | {"level": level}
                    needed, asked = float(margins.world[j, i]), float(margins.black[j, i])
                    yield black_row("black_scholes_margin", rule, here, "margin_needed", exact(needed))
                    yield black_row("black_scholes_margin", rule, here, "margin_black", exact(asked))
                    gained = undetermined(0, "the option gains at this level: nothing is needed")
                    figure = exact(round(asked / needed - 1.0, 12)) if needed > 1e-12 else gained
                    yield black_row("black_scholes_margin", rule, here, "margin_error", figure)
                    yield black_row("black_scholes_margin", rule, here, "margin_breach", exact(margins.breach[j, i]))


def _at_mean_variance(model: ScenarioModel) -> ScenarioModel:
    """The model started from its long-run mean variance, the state that options are priced at."""
    named = {f.name for f in fields(model)}
    return replace(model, initial_variance=model.theta) if "initial_variance" in named else model


class Hedging:
    """Sold options of one world, hedged on simulated paths.

    Parameters
    ----------
    study : BlackScholesStudy
        With a hedge test.
    model : ScenarioModel
    law : HedgedLaw
        Pricing law of the maturity.
    tabulated : bool
        Whether the hedges of the world are wanted beside that of Black-Scholes.
    """

    def __init__(self, study: BlackScholesStudy, model: ScenarioModel, law: HedgedLaw, tabulated: bool):
        self._study, self._test, self._model = study, study.hedge, _at_mean_variance(model)
        grid = self._test.grid
        self.every = tuple(grid.index("intervals_hours", h) for h in self._test.intervals_hours)
        self._step = grid.step_seconds / 3600.0
        self._asset = model.assets.index(study.asset)
        self.strike = _strikes(law, self._test.moneyness)
        self.sign = np.where(self.strike >= 1.0, 1.0, -1.0)
        self.volatility = best_volatility(law, study.volatilities[0])
        times = np.arange(grid.steps) * self._step
        self.tables = HedgeTables(law, 24.0 * self._test.days, times) if tabulated else None
        hedges = len(HEDGES) if tabulated else 1
        self.losses = np.full((self.strike.size, len(self.every), hedges, self._test.paths), np.nan)
        self.price = (
            OptionDesk(law, 1.0).price(self.strike, self.sign)
            if tabulated
            else black76(1.0, self.strike, law.horizon, self.volatility, self.sign)
        )

    def block(self, block: Block) -> None:
        """Simulate and hedge the paths of `block`."""
        paths = self._model.sample(self._test.grid, block.first, block.count, DrawKeys(self._study.seed))
        spot = paths.spot_lanes[:, self._asset]
        variance = None if paths.variance_lanes is None else paths.variance_lanes[:, self._asset]
        for i, (strike, sign) in enumerate(zip(self.strike, self.sign, strict=True)):
            found = (
                hedged_losses(spot, variance, strike, sign, self.volatility, self._step, self.every, self.tables)
                - self.price[i]
            )
            found[..., paths.failed] = np.nan
            self.losses[i, ..., block.first : block.first + block.count] = found

    def rows(self, world: str, where: str) -> Iterator[Row]:
        """Figures of every option, interval and hedge; `where` is ``world`` or ``lognormal``, the control."""
        test, c = self._test, self._study.confidence
        years = 24.0 * test.days / YEAR_HOURS
        for i, z in enumerate(test.moneyness):
            for j, hours in enumerate(test.intervals_hours):
                place = {"world": world, "hedged_in": where, "days": test.days, "moneyness": z, "interval_hours": hours}
                lanes = self.losses[i, j]
                lanes = lanes[:, np.isfinite(lanes).all(axis=0)]
                squares = (lanes - lanes.mean(axis=1, keepdims=True)) ** 2
                for h, x in enumerate(lanes):
                    worst, best = value_at_risk(x, [0.99], c)[0], value_at_risk(x, [0.01], c)[0]
                    for measure, figure in (
                        ("hedge_mean", mean(x, c)),
                        ("hedge_sd", root(mean(squares[h], c))),
                        ("hedge_loss_p01", best),
                        ("hedge_loss_p99", worst),
                        ("hedge_loss_es_99", expected_shortfall(x, 0.99, c)),
                    ):
                        yield black_row("hedge_tracking", HEDGES[h], place, measure, figure)
                    if h:
                        ratio = ratio_of_means(squares[h], squares[0], c)
                        yield black_row("hedge_tracking", HEDGES[h], place, "hedge_variance_ratio", ratio)
                leading = leading_deviation(self.strike[i], self.volatility, years, hours / YEAR_HOURS)
                said = exact(leading, "closed form: what discrete hedging leaves in a lognormal world, leading order")
                yield black_row("hedge_tracking", HEDGES[0], place, "hedge_sd_lognormal", said)


def hedge_rows(study: BlackScholesStudy, workers: int, tell: Callable[[], None]) -> tuple[list[Row], int]:
    """Rows of the hedge test on every world and on its lognormal control, and how many paths failed."""
    out: list[Row] = []
    failed = 0
    for world in study.worlds:
        model = world.model
        law = of_horizon(model.law(study.asset, 1.0), 24.0 * study.hedge.days / YEAR_HOURS)
        sigma = best_volatility(law, study.volatilities[0])
        control = Gbm((study.asset,), (1.0,), (0.0,), (sigma,), ((1.0,),))
        for where, sampled, tabulated in (("world", model, True), ("lognormal", control, False)):
            made = Hedging(study, sampled, law, tabulated)
            if made.tables is not None:
                for _ in run_blocks(plan(made.tables.count, 1), lambda b, t=made.tables: t.build(b.first), workers):
                    tell()
                slots = np.unique(np.linspace(0, made.tables.count - 1, 6).astype(int))
                error = exact(max(made.tables.error(int(i)) for i in slots), f"largest at {slots.size} times")
                out.append(black_row("hedge_tracking", "", {"world": world.name}, "hedge_table_error", error))
            for _ in run_blocks(plan(study.hedge.paths), made.block, workers):
                tell()
            failed += int(np.isnan(made.losses[0, 0, 0]).sum())
            out += made.rows(world.name, where)
    return out, failed


def fixed_rows(test: FixedPointTest) -> Iterator[Row]:
    """Errors of the integers against 50 digits, where they revert, and what they cost."""
    seconds, forward = round(test.hours * 3600), round(test.forward * WAD)
    root_years = (seconds / (YEAR_HOURS * 3600)) ** 0.5
    most: Counter[str] = Counter()
    for k in test.log_moneyness:
        for v in test.total_volatilities:
            vm, place = Machine(), {"log_moneyness": k, "total_volatility": v}
            asked = (seconds, round(v / root_years * WAD), forward, round(test.forward * float(np.exp(k)) * WAD), WAD)
            try:
                found = black76_wad(vm, *asked)
            except Revert as reason:
                yield black_row("fixed_point", "", place, "fixed_error", undetermined(0, f"reverts: {reason}"))
                continue
            most |= vm.count
            call, put = black76_truth(*asked)
            error = max(abs(found.call - call), abs(found.put - put)) / max(asked[2:4]) * WAD
            yield black_row("fixed_point", "", place, "fixed_error", exact(float(error), "against 50 digits"))
    spent = {name: operations(name) for name in FUNCTIONS} | {"Black-76, call and put": most}
    for name, count in spent.items():
        for kind in ("mul", "div", "add", "shift"):
            yield black_row("fixed_cost", name, {}, f"fixed_{kind}", exact(count[kind], "counted"))
    yield black_row(
        "fixed_cost", "Black-76, call and put", {}, "fixed_largest_forward", exact(_largest_forward(seconds))
    )


def _largest_forward(seconds: int) -> int:
    """Exponent of the largest power of ten whose at-the-money option does not revert."""
    for exponent in range(80):
        try:
            black76_wad(Machine(), seconds, WAD, 10**exponent * WAD, 10**exponent * WAD, WAD)
        except Revert:
            return exponent - 1
    raise RunError("the integers must revert for a forward of 1e80, got a price")


def run_black_scholes(
    study: BlackScholesStudy,
    resolved: dict[str, Any],
    name: str,
    out: Path | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    command: str = "",
) -> tuple[Path, StudyResult]:
    """Answer a study of Black-Scholes.

    Parameters
    ----------
    study, resolved, name, out, workers, progress, command
        As in `riskengine.study.run.run_study`.

    Returns
    -------
    (Path, StudyResult)
        Run folder and result: rows of sections ``black_scholes``, ``black_scholes_margin``, ``hedge_tracking``,
        ``fixed_point``, ``fixed_cost``, ``vault``, ``vault_total``, ``mark_attack`` and ``mark_attack_stop``.

    Raises
    ------
    UsageError
        Where the folder cannot be used or a criterion names no row.
    RunError
        Where two routes to an exact figure differ, or more than one path in a thousand failed numerically.
    """
    start = time.perf_counter()
    folder = RunFolder.open(name, resolved, out, resume=False)
    hedge, threads = study.hedge, workers or default_workers()
    each = 0 if hedge is None else hedge.grid.steps + 2 * len(plan(hedge.paths))
    done, total = 0, len(study.worlds) * (1 + each)

    def tell() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(Progress(done, total, time.perf_counter() - start))

    rows: list[Row] = []
    for world in study.worlds:
        rows += exact_rows(study, world)
        if study.vault is not None:
            rows += vault_rows(study, world)
        tell()
    failed = 0
    if hedge is not None:
        found, failed = hedge_rows(study, threads, tell)
        rows += found
        share = failed / (2 * len(study.worlds) * hedge.paths)
        if share > 0.001:
            raise RunError(f"{failed} paths failed numerically, more than 0.1 %")
    if study.fixed_point is not None:
        rows += fixed_rows(study.fixed_point)
    for attack in study.attacks:
        rows += attack_rows(attack)
    head = {
        "study": {"name": name, "title": study.title, "kind": study.kind},
        "command": command,
        "world": worlds_head(study.worlds),
        "settings": _settings(study),
        "assumptions": list(_assumptions(study)),
    }
    paths = hedge.paths if hedge else 0
    failures = {"paths": failed, "share": failed / max(2 * len(study.worlds) * paths, 1)}
    result = StudyResult(head, tuple(judge(rows, study.criteria)), (), failures)
    folder.write_json("manifest.json", manifest(resolved, paths))
    folder.write_json("result.json", result.as_dict())
    folder.write_json("timing.json", {"seconds": time.perf_counter() - start})
    return folder.path, result


def _settings(study: BlackScholesStudy) -> dict[str, Any]:
    said: dict[str, Any] = {
        "seed": study.seed,
        "asset": study.asset,
        "days": list(study.days),
        "moneyness": list(study.moneyness),
        "levels": list(study.levels),
        "margin_period_hours": study.margin_period_hours,
        "volatilities": list(study.volatilities),
        "confidence": study.confidence,
    }
    if study.vault is not None:
        said["vault"] = asdict(study.vault.quote)
    if study.hedge is not None:
        said |= {"hedged_paths": study.hedge.paths, "hedged_days": study.hedge.days}
    return said


def _assumptions(study: BlackScholesStudy) -> Iterator[str]:
    yield "Amounts are per cent of the spot. Errors are Black–Scholes less the truth; negative is too little."
    yield (
        "Options are priced by the world's own law without its drift (no risk premium, no interest), from its long-run "
        "mean variance: whoever disagrees with Black–Scholes here disagrees about the law alone."
    )
    yield (
        "Moneyness is log(strike / spot) in standard deviations of the realised variance to expiry; puts below 0, "
        "calls from 0 on."
    )
    yield (
        "At the money: one volatility for each maturity, implied by the true at-the-money price, so that Black–Scholes "
        "is right there. Realised: the root of the expected quadratic variation."
    )
    yield (
        f"The margin is for a short option over {study.margin_period_hours:g} h: the exact loss quantile under the "
        "world, and the same under Black–Scholes prices and a lognormal return. Where the variance moves, the option "
        "is marked at the variance that it started from."
    )
    if study.vault is not None:
        yield (
            "The vault sells at its one volatility plus spread, wing and impact; the buyer knows the law, buys each "
            "option until the next coin costs its true price, and holds to expiry. Nobody else trades with the vault."
        )
    if study.attacks:
        yield (
            "Attacks on the mark: arbitrage brings the market back after every observation, at the attacker's cost; "
            "the true price does not move meanwhile; pushes are upwards. Costs, gains and limits are closed arithmetic."
        )
    if study.hedge is not None:
        yield (
            "Hedged sellers receive the world's own price, trade without costs, and hold the option to its expiry; all "
            "hedges see the same paths. The control is a lognormal world at the Black–Scholes volatility."
        )
