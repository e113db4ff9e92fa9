"""Path figures whose tails a proposal is chosen for: losses of accounts, falls and rises of assets."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.portfolio import Portfolio
from riskengine.market.paths import MarketPaths
from riskengine.market.surface import FactorSurface
from riskengine.pricing.valuation import account_values, snapshot

Target = Literal["accounts", "assets"]


@dataclass(frozen=True)
class Targets:
    """Figures of a study, larger is worse.

    Attributes
    ----------
    kinds : tuple of {"accounts", "assets"}
        ``accounts``: the largest loss of each account over a margin period, positions left alone.
        ``assets``: the largest fall and the largest rise of each asset's log-price at any step.
    book : Portfolio or None
    surface : FactorSurface
    period : int
        Steps of a margin period.
    """

    kinds: tuple[Target, ...]
    book: Portfolio | None
    surface: FactorSurface
    period: int

    def names(self, assets: tuple[str, ...]) -> tuple[str, ...]:
        """Name of each figure, in order."""
        accounts = self.book.names if "accounts" in self.kinds else ()
        moves = [f"{a} {move}" for a in assets for move in ("fall", "rise")] if "assets" in self.kinds else []
        return (*accounts, *moves)

    def __call__(self, paths: MarketPaths) -> Floats:
        """The figures of a block, shape (R, P)."""
        found = []
        if "accounts" in self.kinds:
            # to a millionth of a dollar: an account that cannot lose has rounding noise and no tail
            found.append(np.round(self._losses(paths), 6))
        if "assets" in self.kinds:
            move = np.log(paths.spot_lanes / paths.spot_lanes[0])
            found.append(np.stack([-move.min(axis=0), move.max(axis=0)], axis=1).reshape(-1, paths.count))
        return np.concatenate(found)

    def _losses(self, paths: MarketPaths) -> Floats:
        worst, before = None, None
        for step in range(0, paths.grid.steps + 1, self.period):
            variance = None if paths.variance_lanes is None else paths.variance_lanes[step]
            hours = step * paths.grid.step_seconds / 3600.0
            value = account_values(
                self.book, snapshot(self.book, self.surface, paths.spot_lanes[step], variance, hours)
            )
            if before is not None:
                worst = before - value if worst is None else np.maximum(worst, before - value)
            before = value
        return worst
