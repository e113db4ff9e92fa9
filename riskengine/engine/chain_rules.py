"""How accounts on recorded chains are struck and marked: the settings that a study and its replay share."""

from dataclasses import dataclass
from typing import Literal

from riskengine.arrays import check_range


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Rules of a replay.

    Attributes
    ----------
    margin_period_hours : float
        Of the models with a window too.
    tolerance_hours : float
        How far the time between two snapshots may be from it.
    hour : float
        Of the day, UTC: the snapshot nearest to it is taken.
    numeraire : {"usd", "coin"}
        What losses are counted in; coin at the index of the start, as a coin-settled account bears them.
    price : {"mark", "mid"}
        What a position is worth; requirements always read marks.
    window, least_window : int
        Most and fewest past margin periods that a model reads; periods before are history only.
    state_reversion : float
        Speed, per year, at which a move of the 30-day variance fades along tenors in the scenarios of models with a
        window.
    """

    margin_period_hours: float = 24.0
    tolerance_hours: float = 6.0
    hour: float = 9.5
    numeraire: Literal["usd", "coin"] = "usd"
    price: Literal["mark", "mid"] = "mark"
    window: int = 500
    least_window: int = 60
    state_reversion: float = 10.0

    def __post_init__(self) -> None:
        check_range("margin_period_hours", self.margin_period_hours, 1.0, 8_760.0)
        check_range("tolerance_hours", self.tolerance_hours, 0.0, 0.5 * self.margin_period_hours)
        check_range("hour", self.hour, 0.0, 24.0, open_high=True)
        check_range("window", self.window, 2, 100_000)
        check_range("least_window", self.least_window, 2, self.window)
        check_range("state_reversion", self.state_reversion, 0.0, 1_000.0, open_low=True)
