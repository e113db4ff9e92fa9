"""What a certified choice asks about collateral parameters: candidates, what they must keep, steps, baselines."""

from dataclasses import dataclass, field
from functools import cached_property
from math import prod

from riskengine.arrays import check_range
from riskengine.lending.aave_v3.book_growth import BookGrowth
from riskengine.lending.aave_v3.rules import AaveV3Rules
from riskengine.lending.parameter_set import OF_CURVE, OF_SIZE, Constraints, ParameterAxis, ParameterSet, grid
from riskengine.tune.steward import Steward


@dataclass(frozen=True)
class Baselines:
    """What other methods would say of each token, beside the certified choice.

    Attributes
    ----------
    confidence_factor : float
        c of SmartLTV.
    drawdowns, steps : tuple of float
        Of the drawdown-step rule: fall of the price, and the untimed steps in which it falls.
    """

    confidence_factor: float = 5.0
    drawdowns: tuple[float, ...] = (0.3, 0.45, 0.6)
    steps: tuple[float, ...] = (0.0025, 0.005, 0.01, 0.02, 0.05)

    def __post_init__(self) -> None:
        check_range("confidence_factor", self.confidence_factor, 0.0, 100.0, open_low=True)
        for name in ("drawdowns", "steps"):
            for value in getattr(self, name):
                check_range(name, value, 0.0, 1.0, open_low=True, open_high=True)


@dataclass(frozen=True)
class CollateralQuestion:
    """Parameter sets of the lending market that are tried on common paths.

    Attributes
    ----------
    parameter_sets : tuple of ParameterSet
        From safe to risky, in the order in which axis ``parameter_set`` walks them.
    parameter_grid : tuple of ParameterAxis
        Every combination of these values is a set too, for the front; those that could not be configured, or break a
        constraint, are left out.  Where no set is named the walk is over the grid, by the sum of places.
    constraints : Constraints
    steward : Steward or None
        Makes a schedule of admissible steps from the parameters in force to those certified.
    baselines : Baselines or None
    growth : BookGrowth or None
        How large the book is under a set that changes caps of single tokens, or rate curves; needed by such sets.
    """

    parameter_sets: tuple[ParameterSet, ...] = ()
    parameter_grid: tuple[ParameterAxis, ...] = field(default=(), metadata={"written": "unless empty"})
    constraints: Constraints = Constraints()
    steward: Steward | None = None
    baselines: Baselines | None = None
    growth: BookGrowth | None = field(default=None, metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        if not self.parameter_sets and not self.parameter_grid:
            raise ValueError("parameter_sets or parameter_grid must hold at least one entry, got none")
        axes = [(a.token, a.parameter) for a in self.parameter_grid]
        if len(set(axes)) < len(axes):
            raise ValueError(f"parameter_grid must list each parameter once, got {axes}")

    def check(self, rules: AaveV3Rules) -> None:
        """ValueError with every fault of every named set, and of the grid, on a market."""
        listed = {r.symbol for r in rules.reserves}
        collateral = {r.symbol for r in rules.reserves if r.liquidation_threshold > 0.0}
        faults = [f"{s.name}: {said}" for s in self.parameter_sets for said in rules.broken(s, self.constraints)]
        faults += [
            f"parameter_grid: token must be collateral of the market ({', '.join(sorted(known))}), got {a.token!r}"
            for a in self.parameter_grid
            if a.token is not None
            and a.token not in (known := listed if a.parameter in OF_SIZE + OF_CURVE else collateral)
        ]
        if faults:
            raise ValueError("parameter sets must be such as can be configured: " + "; ".join(faults))
        faults += self._sizes(rules)
        if faults:
            raise ValueError("parameter sets must be such as can be configured: " + "; ".join(faults))
        names = [s.name for s in self.sets(rules)]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"parameter sets must differ by name, got {', '.join(twice)} more than once")
        if not names:
            raise ValueError("parameter_grid must hold a combination that keeps the constraints, got none that does")

    def _sizes(self, rules: AaveV3Rules) -> list[str]:
        """Why the size of the book under some set cannot be told; each reason once."""
        found = []
        for own in self.sets(rules):
            moved = {n for change in own.tokens.values() for n in change.values(OF_SIZE + OF_CURVE)}
            if self.growth is None:
                if moved - {"reserve_factor"}:
                    found.append(
                        f"growth must say how large the book is under other {', '.join(sorted(moved))}, got none"
                    )
            elif own.caps != 1.0:
                found.append("caps must be left out with growth, which has rooms of its own, got a set with some")
            else:
                found += self.growth.faults(rules, rules.with_parameters(own))
        return list(dict.fromkeys(found))

    def sets(self, rules: AaveV3Rules) -> tuple[ParameterSet, ...]:
        """All sets: those named, then those of the grid that can be configured."""
        if not self.parameter_grid:
            return self.parameter_sets
        gap = {r.symbol: r.liquidation_threshold - r.ltv for r in rules.reserves}
        kept = (s for s in grid(self.parameter_grid, gap) if not rules.broken(s, self.constraints))
        return (*self.parameter_sets, *kept)

    def walk(self, rules: AaveV3Rules) -> tuple[ParameterSet, ...]:
        """Candidates of axis ``parameter_set``, from safe to risky."""
        return self.parameter_sets or self.sets(rules)

    @cached_property
    def combinations(self) -> int:
        """Of the grid, before any is left out."""
        return prod(len(a.values) for a in self.parameter_grid) if self.parameter_grid else 0
