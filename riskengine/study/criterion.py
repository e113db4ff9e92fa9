"""Declared limits on the figures of a study."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from riskengine.study.names import PLACES, all_measures


@dataclass(frozen=True)
class Criterion:
    """A declared limit on a measure; verdict PASS, FAIL, or INCONCLUSIVE where the interval straddles it.

    Attributes
    ----------
    measure : str
        Name of a measure of the result, for example ``initial_margin_breach``.
    limit : float
    sense : {"at_most", "at_least"}
    where : dict
        Row parameters that must match, for example ``{model: historical_var, level: 0.99}``.
    """

    measure: str
    limit: float
    sense: Literal["at_most", "at_least"] = "at_most"
    where: dict[str, float | str] | None = None

    def __post_init__(self) -> None:
        known_measure(self.measure)
        known_place(self.where)


def known_place(where: dict[str, float | str] | None) -> None:
    """ValueError for a parameter that no figure has: that it matches none would only be seen when the run is over."""
    for name in where or {}:
        if name not in PLACES:
            near = get_close_matches(name, PLACES, 1, 0.6)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"where must name parameters of a figure ({', '.join(sorted(PLACES))}), got {name!r}{hint}"
            )


def known_measure(measure: str) -> None:
    """ValueError for a measure that no result has."""
    if measure not in all_measures():
        near = get_close_matches(measure, all_measures(), 3, 0.5) or sorted(all_measures())
        raise ValueError(f"measure must be a measure of the result such as {', '.join(near)}, got {measure}")
