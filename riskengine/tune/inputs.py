"""Uncertain inputs of a study: which numbers they set, what law each follows, how they depend on each other.

An input is a number drawn from its law that replaces, multiplies or shifts one or several numbers of the study.  Inputs
are joined by a Gaussian copula: normal scores with a stated correlation, each mapped to its own law, so that a point is
d uniforms whatever the laws are.  An input of law ``fit`` follows the standard error that the world's fit states:
log-normal for a positive parameter, normal for any other; where the fit states the correlation of its errors, so does
the copula.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.calibrate.identified import is_positive
from riskengine.errors import suggest
from riskengine.scenario.world import World
from riskengine.study.vary import number_at, with_numbers

Law = Literal["uniform", "log_uniform", "normal", "log_normal", "choice", "fit"]
_NEEDS = {"uniform": ("low", "high"), "log_uniform": ("low", "high"), "normal": ("sd",), "log_normal": ("sd",)}


@dataclass(frozen=True)
class Input:
    """One uncertain input.

    Attributes
    ----------
    name, group : str
        ``group`` gathers inputs of one cause: price law, liquidity, keeper, oracle, estimation, margin rule.
    set : tuple of str
        Paths of numbers in the study, as ``--set`` takes them; empty for those of the parameter named by ``fit``.
    law : {"uniform", "log_uniform", "normal", "log_normal", "choice", "fit"}
    low, high : float or None
        Ends of a uniform law; where given, what a normal law is cut at.
    sd : float or None
        Of a normal law; of the logarithm of a log-normal one.
    values : tuple of float
        Equally likely values of a choice, in the order that a screening walks them.
    scale : {"value", "factor", "shift"}
        Whether the number replaces those of the study, multiplies them, or is added to them.  Normal laws have their
        middle at the study's own value.
    fit : str
        Name of a parameter among the standard errors of the world's fit, such as ``jumps_common.intensity``.
    """

    name: str
    group: str
    set: tuple[str, ...] = ()
    law: Law = "uniform"
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    values: tuple[float, ...] = ()
    scale: Literal["value", "factor", "shift"] = "value"
    fit: str = ""

    def __post_init__(self) -> None:
        faults = []
        if not self.name or not self.group:
            faults.append("name and group must be words, got nothing")
        if bool(self.fit) != (self.law == "fit"):
            faults.append(f"fit must name a parameter with law fit and with no other, got {self.fit!r} for {self.law}")
        if not self.set and self.law != "fit":
            faults.append("set must hold at least one path, got none")
        for key in _NEEDS.get(self.law, ()):
            if getattr(self, key) is None:
                faults.append(f"{key} must be given for law {self.law}, got none")
        if self.law == "choice" and (len(self.values) < 2 or len(set(self.values)) != len(self.values)):
            faults.append(f"values must hold at least two numbers, each once, for law choice, got {list(self.values)}")
        if self.values and self.law != "choice":
            faults.append(f"values must not be given for law {self.law}, got {list(self.values)}")
        low, high = self.low, self.high
        if low is not None and high is not None and not low < high:
            faults.append(f"low must be below high, got {low:g} and {high:g}")
        if self.law == "log_uniform" and low is not None and not low > 0.0:
            faults.append(f"low must be positive for law log_uniform, got {low:g}")
        if self.sd is not None and not self.sd > 0.0:
            faults.append(f"sd must be positive, got {self.sd:g}")
        for law, scale in (("normal", "factor"), ("log_normal", "shift")):
            if (self.law, self.scale) == (law, scale):
                faults.append(f"scale must be value or {'shift' if law == 'normal' else 'factor'} for law {law}")
        if faults:
            raise ValueError("; ".join(faults))


@dataclass(frozen=True)
class Dependence:
    """Two inputs that move together.

    Attributes
    ----------
    inputs : tuple of two str
    correlation : float
        Of their normal scores.
    """

    inputs: tuple[str, str]
    correlation: float

    def __post_init__(self) -> None:
        if self.inputs[0] == self.inputs[1]:
            raise ValueError(f"inputs must be two different ones, got {self.inputs[0]!r} twice")
        check_range("correlation", self.correlation, -1.0, 1.0, open_low=True, open_high=True)


def fit_paths(world: World, name: str, under: str = "world") -> tuple[str, ...]:
    """Paths of the numbers that a fit publishes under `name`: ``xi[BTC]``, ``correlation[BTC,ETH]``, ``kappa``.

    Raises
    ------
    ValueError
        Where the world's fit states no standard error of that name.
    """
    known = world.fit.get("standard_errors") or {}
    if name not in known:
        raise ValueError(
            f"fit must be a parameter that the fit of {world.name!r} gives a standard error for, got {name!r}"
            f"{suggest(name, known) or ('; it gives ' + ', '.join(known) if known else '; it gives none')}"
        )
    field, _, inside = name.partition("[")
    path = f"{under}.model.{field}"
    places = [world.model.assets.index(a) for a in inside.rstrip("]").split(",")] if inside else []
    if places:
        ways = [places] if len(places) == 1 else [places, places[::-1]]
        return tuple(".".join([path, *map(str, way)]) for way in ways)
    value: Any = world.model
    for part in field.split("."):
        value = getattr(value, part)
    return tuple(f"{path}.{i}" for i in range(len(value))) if isinstance(value, (tuple, list)) else (path,)


@dataclass(frozen=True)
class Inputs:
    """The inputs of a study with its own values.

    Attributes
    ----------
    inputs : tuple of Input
    study : record
        The base study.
    dependence : tuple of Dependence
    """

    inputs: tuple[Input, ...]
    study: Any
    dependence: tuple[Dependence, ...] = ()

    @cached_property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        """Paths that each input sets."""
        known = [fit_paths(self.study.world, i.fit) if i.fit else () for i in self.inputs]
        return tuple(i.set or k for i, k in zip(self.inputs, known, strict=True))

    @cached_property
    def base(self) -> tuple[tuple[float | int, ...], ...]:
        """The study's own numbers at those paths."""
        return tuple(tuple(number_at(self.study, p) for p in paths) for paths in self.paths)

    def _law(self, i: int) -> tuple[str, float, str]:
        """(law, sd, scale) of input `i`; ``fit`` resolved."""
        own = self.inputs[i]
        if own.law != "fit":
            return own.law, own.sd or 0.0, own.scale
        base = float(self.base[i][0])  # first: it says what is wrong with a name that the fit does not know
        error = float(self.study.world.fit["standard_errors"][own.fit])
        return ("log_normal", error / abs(base), "factor") if is_positive(own.fit) else (
            "normal",
            error,
            "shift",
        )  # fmt: skip

    def number(self, i: int, u: float) -> float:
        """What input `i` draws at the uniform `u`: a value, a factor or a shift."""
        from scipy.special import ndtr, ndtri

        own, (law, sd, scale) = self.inputs[i], self._law(i)
        if law == "uniform":
            return own.low + u * (own.high - own.low)
        if law == "log_uniform":
            return float(own.low * (own.high / own.low) ** u)
        if law == "choice":
            return float(own.values[min(int(u * len(own.values)), len(own.values) - 1)])
        logs = law == "log_normal"
        middle = float(self.base[i][0]) if scale == "value" else float(logs)

        def score(end: float | None, otherwise: float) -> float:
            if end is None or (logs and end <= 0.0):
                return otherwise
            # ends are of the study's own number, whatever the scale
            number = end if scale == "value" else end / self.base[i][0] if logs else end - self.base[i][0]
            return (np.log(number / middle) if logs else number - middle) / sd

        low, high = ndtr(score(own.low, -np.inf)), ndtr(score(own.high, np.inf))
        z = float(ndtri(np.clip(low + u * (high - low), 1e-12, 1.0 - 1e-12)))
        return float(middle * np.exp(sd * z)) if logs else middle + sd * z

    def numbers(self, point: Sequence[float]) -> dict[str, float | int]:
        """Numbers of the study at `point` (d,) of the unit cube, by path; NaN leaves an input as the study has it."""
        out: dict[str, float | int] = {}
        for i, u in enumerate(point):
            if np.isnan(u):
                continue
            drawn, scale = self.number(i, float(u)), self._law(i)[2]
            for path, base in zip(self.paths[i], self.base[i], strict=True):
                value = drawn if scale == "value" else base * drawn if scale == "factor" else base + drawn
                out[path] = int(round(value)) if isinstance(base, int) else float(value)
        return out

    def at(self, point: Sequence[float]) -> Any:
        """The study at `point`."""
        return with_numbers(self.study, self.numbers(point))

    @cached_property
    def correlation(self) -> Floats:
        """Of the normal scores, shape (d, d): what the fit states of its errors, then what is declared."""
        index = {own.name: i for i, own in enumerate(self.inputs)}
        out = np.eye(len(self.inputs))
        for (i, j), value in self._of_the_fit().items():
            out[i, j] = out[j, i] = value
        for pair in self.dependence:
            i, j = (index[name] for name in pair.inputs)
            out[i, j] = out[j, i] = pair.correlation
        return out

    def _of_the_fit(self) -> Mapping[tuple[int, int], float]:
        places = {own.fit: i for i, own in enumerate(self.inputs) if own.fit}
        names, matrix = error_correlation(self.study.world)
        at = {places[name]: k for k, name in enumerate(names) if name in places}
        return {(i, j): float(matrix[at[i], at[j]]) for i in at for j in at if i < j}

    @property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """Numbers of the inputs of each group, in order of first appearance."""
        names = dict.fromkeys(own.group for own in self.inputs)
        return {g: tuple(i for i, own in enumerate(self.inputs) if own.group == g) for g in names}

    def dependent(self, members: Sequence[int] | None = None) -> bool:
        """Whether any of `members` depends on an input that is not one of them; without any, whether any two depend."""
        off = self.correlation - np.eye(len(self.inputs))
        if members is None:
            return bool(off.any())
        rest = [i for i in range(len(self.inputs)) if i not in members]
        return bool(off[np.ix_(list(members), rest)].any())

    def tied(self) -> tuple[str, ...]:
        """Names of the inputs that depend on another."""
        return tuple(own.name for i, own in enumerate(self.inputs) if self.dependent((i,)))

    def said(self, i: int) -> str:
        """The law of input `i` in words."""
        own, (law, _, scale) = self.inputs[i], self._law(i)
        how = {"value": "", "factor": " times the study's own", "shift": " added to the study's own"}[scale]
        if law == "choice":
            return f"one of {', '.join(f'{v:g}' for v in own.values)}{how}"
        ends = f"{self.number(i, 0.05):.4g} to {self.number(i, 0.95):.4g} (5 to 95 %)"
        source = ", standard error of the fit" if own.law == "fit" else ""
        return f"{law.replace('_', '-')}, {ends}{how}{source}"


def error_correlation(world: World) -> tuple[tuple[str, ...], Floats]:
    """(names, matrix) of the correlation of the errors that the world's fit states; no names where it states none.

    Raises
    ------
    ValueError
        Where what it states is no correlation matrix of its names.
    """
    stated = world.fit.get("error_correlation") or {}
    names = tuple(stated.get("names") or ())
    matrix = np.array(stated.get("matrix") or np.empty((0, 0)), dtype=np.float64)
    square = matrix.shape == (len(names), len(names))
    if not square or not np.allclose(matrix, matrix.T) or not np.allclose(np.diag(matrix), 1.0):
        raise ValueError(
            f"error_correlation of the fit of {world.name!r} must be a symmetric matrix with ones on its diagonal, one "
            f"row for each of its {len(names)} names, got shape {matrix.shape}"
        )
    return names, matrix
