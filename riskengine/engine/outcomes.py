"""`PathOutcomes`: one value per path and measure; never a mean, never a dropped path."""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats

# (section, model, level, multiplier or shift, subject, measure); None where an axis does not apply.  `subject` is an
# account kind, an account name, or an exposure.
Key = tuple[str, str, float | None, float | None, str, str]
# world's likelihood over that of the law the paths were drawn from; present where sampling was not plain
WEIGHT: Key = ("sampling", "importance", None, None, "all", "weight")


@dataclass(frozen=True)
class PathOutcomes:
    """Columns of one block.

    Attributes
    ----------
    keys : tuple of Key
    values : ndarray, shape (C, P)
    failed : ndarray of bool, shape (P,)
        Paths with numerical trouble.  Their values are kept as they came out.
    """

    keys: tuple[Key, ...]
    values: Floats
    failed: np.ndarray

    @classmethod
    def from_columns(cls, columns: dict[Key, Floats], failed: np.ndarray) -> "PathOutcomes":
        """Stack a dict of (P,) columns in its own order.

        A path fails where the market failed or where any of its figures is not a number: trouble in pricing, margin or
        lending marks the path as surely as trouble in the price.
        """
        values = np.ascontiguousarray(list(columns.values()), dtype=np.float64)
        return cls(tuple(columns), values, failed | ~np.isfinite(values).all(axis=0))
