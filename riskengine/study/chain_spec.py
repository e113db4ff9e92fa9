"""What a backtest on recorded option chains asks: accounts to strike every period, models to margin them, a target."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from riskengine.arrays import check_range
from riskengine.book.templates import AccountTemplate
from riskengine.engine.chain_rules import Rules
from riskengine.errors import suggest
from riskengine.market.grid import TimeGrid
from riskengine.roles import MarginModel, told_apart
from riskengine.scenario.world import World
from riskengine.study.checks import Found, windows_read
from riskengine.study.kind import Study


@dataclass(frozen=True, kw_only=True)
class ChainBacktestStudy(Rules, Study):
    """Margin models on real option chains: the same accounts, struck afresh every margin period, under every model.

    The rules of the replay are those of `Rules`, of which a study is one.

    Attributes
    ----------
    accounts : tuple of AccountTemplate
        Struck on each asset.
    models : tuple of MarginModel
    assets : tuple of str
    least_days : int
        Fewer margin periods are refused.
    coverage_target : float
        Coverage that a model without a level is held against.
    apart : tuple of str
        Accounts that are reported by themselves only, no part of what is pooled over accounts.
    benchmark : str, optional
        Model that others are compared with; the first where not given.
    significance : float
        Of tests after adjustment.
    rate_multiple : float
        Exception rate, over the promised one, of the alternative that power is stated for.
    block_days : float
        Mean length of a block of the bootstrap of days.
    replicates : int
    """

    named: ClassVar[str] = "a backtest on option chains"
    runner: ClassVar[str] = "riskengine.study.chain_backtest:run_chain_backtest"
    options: ClassVar[tuple[str, ...]] = ("out", "progress", "command", "chains")

    kind: Literal["chain_backtest"]
    title: str
    accounts: tuple[AccountTemplate, ...]
    models: tuple[MarginModel, ...]
    assets: tuple[str, ...] = ("BTC", "ETH")
    least_days: int = 30
    coverage_target: float = 0.99
    apart: tuple[str, ...] = ()
    benchmark: str | None = None
    significance: float = 0.05
    rate_multiple: float = 3.0
    block_days: float = 5.0
    replicates: int = 999
    confidence: float = 0.95
    seed: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("least_days", self.least_days, 10, 100_000)
        check_range("coverage_target", self.coverage_target, 0.5, 1.0, open_low=True, open_high=True)
        check_range("significance", self.significance, 0.0, 0.5, open_low=True)
        check_range("rate_multiple", self.rate_multiple, 1.0, 20.0, open_low=True)
        check_range("block_days", self.block_days, 1.0, 1_000.0)
        check_range("replicates", self.replicates, 99, 100_000)
        check_range("confidence", self.confidence, 0.5, 1.0, open_low=True, open_high=True)
        check_range("seed", self.seed, 0, 2**64 - 1)
        for name in ("accounts", "models", "assets"):
            if not getattr(self, name):
                raise ValueError(f"{name} must hold at least one entry, got none")
        for name, values in (("accounts", [a.name for a in self.accounts]), ("assets", list(self.assets))):
            twice = sorted({v for v in values if values.count(v) > 1})
            if twice:
                raise ValueError(f"{name} must all differ, got {', '.join(twice)} twice")
        if len(set(self.labels)) < len(self.models):
            raise ValueError("models must all differ, got one twice")
        if not (self.margin_period_hours / 24.0).is_integer():
            raise ValueError(f"margin_period_hours must be whole days, got {self.margin_period_hours:g} h")

    def all_worlds(self) -> tuple[World, ...]:
        """None: what happened is not a model."""
        return ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the models."""
        return told_apart(self.models)

    @property
    def settings(self) -> tuple[tuple[str, float | None], ...]:
        """Model and level of every requirement, in order; None where the model has no level."""
        return tuple((n, level) for n, m in zip(self.labels, self.models, strict=True) for level in m.levels or (None,))

    @property
    def reference(self) -> str:
        """Name of the model that the others are held against."""
        return self.benchmark or self.labels[0]

    def plan(self) -> dict[str, Any]:
        """As `Study.plan`."""
        return {"models": list(self.labels), "accounts": [a.name for a in self.accounts], "numeraire": self.numeraire}

    def faults(self) -> Iterator[Found]:
        """As `Study.faults`."""
        if self.benchmark is not None and self.benchmark not in self.labels:
            known = ", ".join(self.labels)
            hint = suggest(self.benchmark, self.labels)
            yield f"benchmark must be one of {known}, got {self.benchmark!r}{hint}", ("benchmark",)
        names = [a.name for a in self.accounts]
        for i, name in enumerate(self.apart):
            if name not in names:
                said = f"apart must name accounts of the study ({', '.join(names)}), got {name!r}{suggest(name, names)}"
                yield said, ("apart", i)
        if set(names) <= set(self.apart):
            yield "apart must leave at least one account to pool", ("apart",)
        promised = max(round(1.0 - (self.coverage_target if v is None else v), 12) for _, v in self.settings)
        if self.rate_multiple * promised >= 1.0:
            most = f"below {1.0 / promised:g}, as a rate of {promised:g} is promised"
            yield f"rate_multiple must be {most}, got {self.rate_multiple:g}", ("rate_multiple",)
        seconds = round(self.margin_period_hours * 3600)
        for i, model in enumerate(self.models):
            period = getattr(model, "margin_period_hours", self.margin_period_hours)
            if period != self.margin_period_hours:
                said = f"margin_period_hours must be that of the study, {self.margin_period_hours:g}, got {period:g}"
                yield said, ("models", i)
            longest = max(windows_read(model), default=0)
            if longest > self.least_window:
                said = f"window must not exceed least_window of the study, {self.least_window}, got {longest}"
                yield said, ("models", i)
            if hasattr(model, "check_paths"):
                try:
                    model.check_paths(TimeGrid(seconds, 1, seconds, self.least_window), ())
                except ValueError as error:
                    yield f"{error}; a day has least_window periods of history at least", ("models", i)
            held = getattr(getattr(model, "parameters", None), "underlyings", None)
            missing = [a for a in self.assets if held is not None and a not in held]
            if missing:
                yield (
                    f"parameters must cover {', '.join(self.assets)}, got none for {', '.join(missing)}",
                    ("models", i),
                )
