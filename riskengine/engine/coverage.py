"""The three coverage measures, on positions held at the origin and left alone (DESIGN section 4).

For each origin o (every margin period from time 0, so windows never overlap) and account: initial-margin breach is
loss at the end of the margin period strictly above the initial requirement at o; maintenance breach is the worst loss
within the liquidation latency strictly above the maintenance requirement at o; insolvency is the worst loss within the
margin period strictly above all resources, which are `funding` times the initial requirement.  Above means by more than
what rounding can make of two equal figures.
"""

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.outcomes import Key
from riskengine.margin.procyclicality import largest_ratio, peak_to_trough

RISES = (1, 5, 30)  # margin periods over which a rise of the requirement is measured
LEAST_RESOURCES = 0.01  # USD: an account that needs nothing is near its event when it loses a cent


def severity_name(measure: str) -> str:
    """Measure of the column that says how near paths come to the event of `measure`."""
    return f"{measure}_severity"


def is_severity(measure: str) -> bool:
    """Whether a measure orders paths and is no figure of its own."""
    return measure.endswith("_severity")


class Coverage:
    """Accumulates coverage of one margin model over the origins of a block.

    Parameters
    ----------
    model : str
    levels : tuple of float or None
    multipliers : tuple of float
    kinds : tuple of str
        Kind of each account, length K.
    period, latency : int
        Steps.
    funding : float
    severities : bool
        Also keep how near each path comes to each event: the largest ratio of loss to resources among its accounts.
    procyclicality : bool
        Also keep how the requirement of positions left alone rises from origin to origin.
    notional : ndarray, shape (K,), or None
        Of each account: capital, as an amount and as a share of it, and shortfalls are kept for each kind too.
    """

    def __init__(
        self,
        model: str,
        levels: tuple[float | None, ...],
        multipliers: tuple[float, ...],
        kinds: tuple[str, ...],
        period: int,
        latency: int,
        funding: float,
        severities: bool = False,
        procyclicality: bool = False,
        notional: Floats | None = None,
    ):
        self._model, self._levels, self._multipliers = model, levels, multipliers
        self._period, self._latency, self._funding = period, latency, funding
        self._members = {name: np.array([k == name for k in kinds]) for name in dict.fromkeys(kinds)}
        self._sums: dict[Key, Floats] = {}
        self._severities = severities
        self._origins = 0
        self._notional = notional
        self._series: list[Floats] | None = [] if procyclicality else None

    def open(
        self,
        value: Floats,
        initial: Floats,
        maintenance: Floats,
        rounding: Floats | float = 0.0,
        errors: tuple[Floats | None, ...] = (),
    ) -> None:
        """Start a window: book value (K, P), requirements (L, K, P), rounding of the values (K, P), and the standard
        errors (K, P) of the initial requirement of each level where a model simulates."""
        for level, own, error in zip(self._levels, initial, errors, strict=False):
            if error is not None:
                column = error.sum(axis=0) / np.maximum(own.sum(axis=0), LEAST_RESOURCES)
                self._add(level, 1.0, "all", "requirement_error", column)
        self._value, self._initial, self._maintenance, self._rounding = value, initial, maintenance, rounding
        if self._series is not None:
            kinds = [initial[:, members].sum(axis=1) for members in self._members.values()]
            self._series.append(np.stack([initial.sum(axis=1), *kinds], axis=1))
        self._worst = np.zeros_like(value)
        self._worst_in_latency = np.zeros_like(value)

    def loss(self, value: Floats) -> Floats:
        """Loss since the origin of the open window, (K, P)."""
        return self._value - value

    def observe(self, steps_since_origin: int, value: Floats) -> None:
        """Record one step of the open window."""
        loss = self.loss(value)
        np.maximum(self._worst, loss, out=self._worst)
        if steps_since_origin <= self._latency:
            np.maximum(self._worst_in_latency, loss, out=self._worst_in_latency)
        if steps_since_origin == self._period:
            self._close(loss)

    def _add(self, level: float | None, multiplier: float, subject: str, measure: str, column: Floats) -> None:
        key = ("margin", self._model, level, multiplier, subject, measure)
        self._sums[key] = self._sums[key] + column if key in self._sums else column

    def _keep_severity(
        self, level: float | None, multiplier: float, measure: str, lost: Floats, resources: Floats
    ) -> None:
        """Largest loss over resources among the accounts of each subject, over all origins."""
        ratio = lost / np.maximum(resources, LEAST_RESOURCES)
        subjects = {"all": np.ones(ratio.shape[0], dtype=bool)}
        if multiplier == 1.0:
            subjects |= self._members
        for subject, members in subjects.items():
            key = ("margin", self._model, level, multiplier, subject, severity_name(measure))
            worst = ratio[members].max(axis=0)
            self._sums[key] = np.maximum(self._sums[key], worst) if key in self._sums else worst

    def _close(self, loss: Floats) -> None:
        self._origins += 1
        for i, level in enumerate(self._levels):
            initial, maintenance = self._initial[i], self._maintenance[i]
            for multiplier in self._multipliers:
                need = multiplier * initial
                breach = loss > need + self._rounding
                tests = {
                    "initial_margin_breach": (loss, need + self._rounding),
                    "maintenance_margin_breach": (self._worst_in_latency, multiplier * maintenance + self._rounding),
                    "insolvency": (self._worst, self._funding * need + self._rounding),
                }
                for measure, (lost, resources) in tests.items():
                    hit = lost > resources
                    if self._severities:
                        self._keep_severity(level, multiplier, measure, lost, resources)
                    self._add(level, multiplier, "all", measure, hit.mean(axis=0))
                    if multiplier == 1.0:
                        # counted, not multiplied: a matrix library's threads cost more than they bring here
                        for kind, members in self._members.items():
                            self._add(level, multiplier, kind, measure, hit[members].mean(axis=0))
                subjects = {"all": slice(None)}
                if self._notional is not None and multiplier == 1.0:
                    subjects |= self._members
                short = np.where(breach, loss - need, 0.0)
                for subject, members in subjects.items():
                    capital = need[members].sum(axis=0)
                    self._add(level, multiplier, subject, "capital", capital)
                    self._add(level, multiplier, subject, "breaches", breach[members].sum(axis=0).astype(np.float64))
                    self._add(level, multiplier, subject, "shortfall", short[members].sum(axis=0))
                    if self._notional is not None and multiplier == 1.0:
                        share = capital / self._notional[members].sum()
                        self._add(level, multiplier, subject, "capital_of_notional", share)

    def columns(self) -> dict[Key, Floats]:
        """Per path: shares and capital averaged over origins; breach counts and shortfall (USD) summed over them."""
        whole = ("breaches", "shortfall")
        out = {k: (v if k[-1] in whole or is_severity(k[-1]) else v / self._origins) for k, v in self._sums.items()}
        return out | (self._rises() if self._series else {})

    def _rises(self) -> dict[Key, Floats]:
        """Peak to trough and the largest rises of the requirement over origins, of the book and of each kind.

        A kind that is perfectly hedged at some origin of some path requires nothing there, and has no ratio.
        """
        series = np.stack(self._series)  # (origins, levels, 1 + kinds, paths)
        out: dict[Key, Floats] = {}
        for i, level in enumerate(self._levels):
            for j, subject in enumerate(("all", *self._members)):
                own = series[:, i, j]
                if own.min() < LEAST_RESOURCES:
                    continue
                found = {"peak_to_trough": peak_to_trough(own)}
                found |= {f"largest_rise_{n}": largest_ratio(own, n) for n in RISES if n < len(own)}
                out |= {("margin", self._model, level, 1.0, subject, name): x for name, x in found.items()}
        return out
