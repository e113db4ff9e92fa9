"""Keep a pricing law fitted as snapshots arrive: warm start, pull to the last fit, hysteresis, drift alarm.

Of each snapshot:

1.  The structure of yesterday's fit (all parameters but the state) is priced against today's quotes with today's state
    fitted: the *one-step error*, in half spreads.  It feeds the drift alarm.
2.  The law is fitted from yesterday's point.  Its structure is pulled to yesterday's: being one unit of a coordinate
    away (a factor e, for positive parameters) after d days costs pull^2 / d quotes that are off by their scale.  After
    an alarm it is fitted afresh, from all starting points and without a pull to yesterday.
3.  The *published* structure is replaced where an identified parameter has moved by more than `band` standard errors
    (and more than `least` of its coordinate), where the published law prices `worse` times worse than the new fit, or
    after an alarm.  Otherwise it stays, so that margins do not flap with noise; state and shift always are today's.

An alarm stands until its fresh fit is published: where that fit fails, the next snapshot is fitted afresh too.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.calibrate.pricing_law.alarm import DriftAlarm
from riskengine.calibrate.pricing_law.fit import LawFit, Quality, check_enough, describe, fit_law, objective_at
from riskengine.calibrate.pricing_law.law import PricingLaw
from riskengine.calibrate.pricing_law.levenberg import minimise
from riskengine.calibrate.pricing_law.objective import FitRules, Objective
from riskengine.calibrate.pricing_law.parameters import Coordinates
from riskengine.calibrate.pricing_law.quotes import YEAR_SECONDS, Chain, QuoteRules

STATE = ("v0", "volatility")
_DAY = 86400.0
_SMALL_ERROR = 0.1  # half spreads: a fit that is better than this is no reason to replace a law that is as good
_HOUR_SHARE = 1.0 / 24.0  # snapshots nearer than an hour are pulled as if an hour apart


@dataclass(frozen=True)
class FollowRules:
    """How a law follows the market.

    Attributes
    ----------
    fit : FitRules
    pull : float
        Weight of the pull of the structure to the last fit, per square root of a day; 0 for none.
    band : float
        Standard errors that a parameter must move before the structure is published again.
    least : float
        And units of its coordinate: 0.25 is a factor 1.28 of a positive parameter.
    worse : float
        Factor by which the published law may price worse than the fit, in mean error in half spreads.
    run_length : float
        Expected number of snapshots to a false drift alarm, at least.
    quotes : QuoteRules
        By which the quotes of every snapshot are chosen.
    """

    fit: FitRules = field(default_factory=lambda: FitRules(shift=True))
    pull: float = 10.0
    band: float = 3.0
    least: float = 0.25
    worse: float = 1.5
    run_length: float = 365.0
    quotes: QuoteRules = field(default_factory=QuoteRules)

    def __post_init__(self) -> None:
        for name, low in (("pull", 0.0), ("band", 0.0), ("least", 0.0), ("worse", 1.0)):
            if not low <= getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be a number of at least {low:g}, got {getattr(self, name)!r}")


@dataclass(frozen=True)
class FollowEntry:
    """One snapshot of the log.

    Attributes
    ----------
    seconds : int
    fit : LawFit
        Today's fit.
    published : PricingLaw
        Published structure with today's state and shift.
    tracking : Quality
        Of the published law against the market.
    one_step : float
        Mean error in half spreads of yesterday's structure with today's state; NaN for the first snapshot.
    evidence : float
        Of drift.
    alarm, renewed : bool
        Whether drift was found (here or before, where the fresh fit failed), and whether the published structure was
        replaced.
    reason : str
        Why it was.
    """

    seconds: int
    fit: LawFit
    published: PricingLaw
    tracking: Quality
    one_step: float
    evidence: float
    alarm: bool
    renewed: bool
    reason: str

    def record(self) -> dict[str, Any]:
        """Plain values for a log, in a fixed order; the same snapshots give the same record."""
        return {
            "time": f"{np.datetime64(self.seconds, 's')}Z",
            "model": self.published.name,
            "parameters": self.fit.law.values,
            "standard_errors": self.fit.standard_errors,
            "published": self.published.values,
            "renewed": self.renewed,
            "reason": self.reason,
            "fit": asdict(self.fit.quality),
            "tracking": asdict(self.tracking),
            "one_step": None if np.isnan(self.one_step) else self.one_step,
            "evidence": self.evidence,
            "alarm": self.alarm,
            "shift": dict(zip(map(str, self.fit.law.knots.tolist()), self.fit.law.rates.tolist(), strict=True)),
            "on_bound": list(self.fit.on_bound),
            "not_identified": list(self.fit.unidentified),
            "violations": list(self.fit.violations),
            "iterations": self.fit.iterations,
        }


class Follower:
    """A pricing law that follows one asset.

    Parameters
    ----------
    family : str
    rules : FollowRules, optional
    asset : str, optional
        That of the first snapshot where not given.
    """

    def __init__(self, family: str, rules: FollowRules | None = None, asset: str | None = None) -> None:
        self.asset = asset
        self.coordinates = Coordinates.of(family)
        self.rules = FollowRules() if rules is None else rules
        self.alarm = DriftAlarm(self.rules.run_length)
        self.pending = False
        self.last: PricingLaw | None = None
        self.published: PricingLaw | None = None
        self._structure = np.array([n not in STATE for n in self.coordinates.names])

    def step(self, chain: Chain) -> FollowEntry:
        """Take the next snapshot.

        Raises
        ------
        ValueError
            Where it is not later than the last one, of another asset, or has too few quotes; nothing has changed then.
        RunError
            Where the fresh fit after an alarm does not converge; the alarm stands.
        """
        quotes = chain.quotes
        late = self.last is None or quotes.seconds > self.last.seconds
        if not late or self.asset not in (None, quotes.asset):
            after = "" if self.last is None else f" and after {np.datetime64(self.last.seconds, 's')}Z"
            raise ValueError(
                f"snapshots must be of {self.asset}{after}, got {quotes.asset} at {np.datetime64(quotes.seconds, 's')}Z"
            )
        if self.last is None:
            return self._first(chain)
        check_enough(chain, self.coordinates, self.rules.fit)
        _, one_step = self._with_state(chain, self.last, self._start(chain))
        # the alarm forgets its evidence as it rings, and a fit may fail: what is owed is kept until it is published
        self.pending = self.pending or self.alarm.update(one_step.spreads)
        if self.pending:
            fit = fit_law(chain, self.coordinates.family, self.rules.fit)
            return self._publish(chain, fit, one_step.spreads, True, "drift alarm")
        fit = self._refit(chain)
        held, tracking = self._with_state(chain, self.published, fit.x)
        reason = self._moved(fit, tracking)
        if reason:
            return self._publish(chain, fit, one_step.spreads, False, reason)
        self.last, self.published = fit.law, held
        return self._entry(chain, fit, tracking, one_step.spreads, False, "")

    def _first(self, chain: Chain) -> FollowEntry:
        fit = fit_law(chain, self.coordinates.family, self.rules.fit)
        return self._publish(chain, fit, float("nan"), False, "first snapshot")

    def _publish(self, chain: Chain, fit: LawFit, one_step: float, alarm: bool, reason: str) -> FollowEntry:
        self.last = self.published = fit.law
        self.asset, self.pending = fit.law.asset, False
        return self._entry(chain, fit, fit.quality, one_step, alarm, reason)

    def _entry(
        self, chain: Chain, fit: LawFit, tracking: Quality, one_step: float, alarm: bool, reason: str
    ) -> FollowEntry:
        seconds = chain.quotes.seconds
        return FollowEntry(
            seconds, fit, self.published, tracking, one_step, self.alarm.evidence, alarm, bool(reason), reason
        )

    def _start(self, chain: Chain) -> Floats:
        """Yesterday's point; the rates of its shift by calendar time."""
        x = self.coordinates.vector(np.array(self.last.parameters))
        if not self.rules.fit.shift:
            return x
        integral = self.last.shift(chain.quotes.seconds, chain.expiries)
        edges = np.concatenate([[chain.quotes.seconds], chain.expiries]) / YEAR_SECONDS
        return np.concatenate([x, np.diff(integral, prepend=0.0) / np.diff(edges)])

    def _refit(self, chain: Chain) -> LawFit:
        """Fit from yesterday's point with a pull to it."""
        start = self._start(chain)
        rules = self.rules.fit
        objective = objective_at(chain, self.coordinates, rules, start, rules.pull, shift_centre=True)
        days = max((chain.quotes.seconds - self.last.seconds) / _DAY, _HOUR_SHARE)
        objective.weight[: self._structure.size][self._structure] = np.hypot(
            rules.pull, self.rules.pull / np.sqrt(days)
        )
        found = minimise(objective, start, *objective.bounds, kind=rules.loss, penalties=objective.size, tolerance=1e-4)
        return describe(objective, found, found.iterations)

    def _with_state(self, chain: Chain, law: PricingLaw, start: Floats) -> tuple[PricingLaw, Quality]:
        """The structure of `law` with state and shift fitted to `chain`, from `start`."""
        count = self._structure.size
        fixed = self.coordinates.vector(np.array(law.parameters))
        x = start.copy()
        x[:count] = np.where(self._structure, fixed, start[:count])
        rules = self.rules.fit
        objective = objective_at(chain, self.coordinates, rules, start, rules.pull, shift_centre=True)
        low, high = objective.bounds
        pinned = np.concatenate([self._structure, np.zeros(x.size - count, dtype=bool)])
        low, high = np.where(pinned, x, low), np.where(pinned, x, high)
        found = minimise(objective, x, low, high, kind=rules.loss, penalties=objective.size, tolerance=1e-4)
        quality = Quality.of(chain, _prices(objective, found.residuals))
        values = self.coordinates.values(found.x[:count])
        knots = chain.expiries if rules.shift else np.empty(0, np.int64)
        moved = PricingLaw(law.family, law.asset, chain.quotes.seconds, tuple(values), knots, found.x[count:])
        return moved, quality

    def _moved(self, fit: LawFit, tracking: Quality) -> str:
        """Why the published structure must be replaced; empty where it may stay."""
        old = self.coordinates.vector(np.array(self.published.parameters))
        new = fit.x[: old.size]
        scale = self.coordinates.scale(self.coordinates.values(new))
        error = np.array(list(fit.standard_errors.values())) / scale
        known = np.array([name not in fit.unidentified for name in self.coordinates.names]) & self._structure
        far = known & (np.abs(new - old) > np.maximum(self.rules.band * error, self.rules.least))
        if far.any():
            names = [n for n, f in zip(self.coordinates.names, far, strict=True) if f]
            return f"{', '.join(names)} moved beyond the band"
        if tracking.spreads > self.rules.worse * max(fit.quality.spreads, _SMALL_ERROR):
            return f"the published law priced {tracking.spreads / fit.quality.spreads:.2f} times worse than the fit"
        return ""

    def state(self) -> dict[str, Any]:
        """Plain values from which `restore` goes on to the same bits."""
        laws = {"last": self.last, "published": self.published}
        return {
            "family": self.coordinates.family,
            "asset": self.asset,
            "rules": json.loads(json.dumps(asdict(self.rules))),
            "pending": self.pending,
            "alarm": {"evidence": self.alarm.evidence, "scores": list(self.alarm.scores)},
        } | {name: None if law is None else _plain(law) for name, law in laws.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`; ValueError, with all that differs, where it is of another family, asset or rules."""
        here = self.state()
        if missing := here.keys() - state.keys():
            raise ValueError(f"the state must hold {', '.join(sorted(missing))}, which it does not: start again")
        asked = ("family", "rules") if None in (self.asset, state["asset"]) else ("family", "asset", "rules")
        there, mine = (_flat({name: s[name] for name in asked}) for s in (state, here))
        differ = [
            f"{name} must be {there.get(name)!r}, got {mine.get(name)!r}"
            for name in sorted(there | mine)
            if there.get(name) != mine.get(name)
        ]
        if differ:
            raise ValueError(f"can only be continued as it was begun: {'; '.join(differ)}")
        self.alarm = DriftAlarm(self.rules.run_length, state["alarm"]["evidence"], list(state["alarm"]["scores"]))
        self.asset, self.pending = state["asset"] or self.asset, state["pending"]
        self.last, self.published = (
            None if state[n] is None else PricingLaw(**state[n]) for n in ("last", "published")
        )


def _flat(values: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Nested `values` as one level, ``rules.fit.shift`` and so on."""
    out: dict[str, Any] = {}
    for name, value in values.items():
        out |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {above + name: value}
    return out


def _prices(objective: Objective, residuals: Floats) -> Floats:
    return residuals[: objective.chain.count] * objective.scale + objective.chain.mid


def _plain(law: PricingLaw) -> dict[str, Any]:
    return {
        "family": law.family,
        "asset": law.asset,
        "seconds": law.seconds,
        "parameters": list(law.parameters),
        "knots": law.knots.tolist(),
        "rates": law.rates.tolist(),
    }
