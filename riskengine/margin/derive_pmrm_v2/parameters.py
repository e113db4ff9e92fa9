"""Parameters of the Derive PM2 portfolio margin, one record per underlying."""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from riskengine.arrays import Floats, check_range

VolDirection = Literal["None", "Up", "Down", "Linear", "Abs"]
DIRECTIONS: tuple[VolDirection, ...] = ("None", "Up", "Down", "Linear", "Abs")


@dataclass(frozen=True)
class Scenario:
    """One shock: spot times `multiplier`, volatility moved in `direction`, profit and loss times `dampening`."""

    multiplier: float
    direction: VolDirection = "None"
    dampening: float = 1.0

    def __post_init__(self) -> None:
        check_range("multiplier", self.multiplier, 0.0, float("inf"), open_low=True, open_high=True)
        check_range("dampening", self.dampening, 0.0, float("inf"), open_high=True)
        if self.direction not in DIRECTIONS:
            raise ValueError(f"direction must be one of {DIRECTIONS}, got {self.direction!r}")

    @property
    def label(self) -> str:
        """For example ``spot -18 %, vol up``."""
        move = f"spot {100 * (self.multiplier - 1):+.4g} %"
        shock = {"None": "vol unchanged", "Up": "vol up", "Down": "vol down", "Linear": "skew", "Abs": "wings"}
        tail = "" if self.dampening == 1.0 else f", dampened {self.dampening:.4g}"
        return f"{move}, {shock[self.direction]}{tail}"


@dataclass(frozen=True)
class VolShock:
    """Level shocks: up to sigma (1 + up m), down to sigma (1 - down m), m = (30 d / max(t, floor))^power."""

    up: float = 0.5
    down: float = 0.275
    minimum_up: float = 0.45
    short_term_power: float = 0.3
    long_term_power: float = 0.13
    dte_floor_days: float = 1.0

    def __post_init__(self) -> None:
        check_range("up", self.up, 0.0, 10.0)
        check_range("down", self.down, 0.0, 1.0)
        check_range("minimum_up", self.minimum_up, 0.0, 10.0)
        check_range("dte_floor_days", self.dte_floor_days, 0.0, 365.0, open_low=True)


@dataclass(frozen=True)
class SkewShock:
    """Skew shocks: sigma max(0, 1 + clip(k cap / k*)), cap = cBase sqrt(T) + baseCap."""

    linear_base_cap: float = 0.15
    linear_cbase: float = -0.05
    abs_base_cap: float = 0.15
    abs_cbase: float = -0.05
    min_k_star: float = 0.01
    width_scale: float = 4.0
    vol_static: float = 0.6
    vol_scale: float = -0.1


@dataclass(frozen=True)
class StaticDiscount:
    """Discount on the shocked value of one expiry: less than the whole gain counts, more than the whole loss."""

    long_base: float = 0.95
    short_base: float = 1.04
    long_rate_mult: float = 1.0
    long_rate_add: float = 0.08
    short_rate_mult: float = 0.5
    short_rate_add: float = 0.08


@dataclass(frozen=True)
class BasisContingency:
    """Loss of each expiry against a move of its forward, times add + mult T."""

    spot_up: float = 1.045
    spot_down: float = 0.955
    add: float = 0.5
    mult: float = 2.0


@dataclass(frozen=True)
class Contingency:
    """Charges per unit of notional; the initial ones come on top of the maintenance ones."""

    mm_perp: float = 0.015
    im_perp: float = 0.005
    mm_option: float = 0.003
    im_option: float = 0.002
    mm_collateral: float = 0.04
    im_collateral: float = 0.015

    def __post_init__(self) -> None:
        for name in ("mm_perp", "im_perp", "mm_option", "im_option", "mm_collateral", "im_collateral"):
            check_range(name, getattr(self, name), 0.0, 1.0)


@dataclass(frozen=True)
class LossFactors:
    """How much of the worst loss is required, and what an oracle in doubt or a lost peg adds to the initial margin."""

    im: float = 1.0
    mm: float = 0.8
    peg_threshold: float = 0.98
    peg_factor: float = 2.0
    confidence_threshold: float = 0.55
    confidence_margin: float = 1.0

    def __post_init__(self) -> None:
        check_range("im", self.im, 0.0, 100.0)
        check_range("mm", self.mm, 0.0, self.im)


# move and dampening of the tail scenarios in production for BTC and ETH (docs.derive.xyz, Portfolio Manager [New])
PRODUCTION_TAILS = (
    (-0.66, 0.21), (-0.33, 0.42), (0.5, 0.27), (1.0, 0.13),
    (2.0, 0.069), (3.0, 0.046), (4.0, 0.034), (5.0, 0.027),
)  # fmt: skip


def regular_grid(price_range: float) -> tuple[Scenario, ...]:
    """The 23 regular scenarios: nine spot moves in quarters of the range, three volatilities, up only at the ends."""
    out = [Scenario(1.0 + price_range, "Up")]
    for quarter in (3, 2, 1, 0, -1, -2, -3):
        out += [Scenario(1.0 + quarter * price_range / 4.0, d) for d in ("Down", "None", "Up")]
    return (*out, Scenario(1.0 - price_range, "Up"))


@dataclass(frozen=True)
class Underlying:
    """Everything PM2 needs for one underlying.

    Attributes
    ----------
    price_range : float
        Largest move of the regular scenarios (0.18 for BTC and ETH in production).
    tails : tuple of (move, dampening)
        Tail scenarios, volatility up.
    explicit : tuple of Scenario
        The whole list in place of range and tails, for a parameter set that is not of that form.
    """

    price_range: float = 0.18
    tails: tuple[tuple[float, float], ...] = PRODUCTION_TAILS
    explicit: tuple[Scenario, ...] = ()
    vol_shock: VolShock = field(default_factory=VolShock)
    skew_shock: SkewShock = field(default_factory=SkewShock)
    static_discount: StaticDiscount = field(default_factory=StaticDiscount)
    basis: BasisContingency = field(default_factory=BasisContingency)
    contingency: Contingency = field(default_factory=Contingency)
    factors: LossFactors = field(default_factory=LossFactors)

    def __post_init__(self) -> None:
        check_range("price_range", self.price_range, 0.0, 1.0, open_low=True, open_high=True)

    def scaled(self, factor: float) -> "Underlying":
        """Price range and volatility moves times `factor`; ValueError where the scenarios are listed one by one."""
        if self.explicit:
            raise ValueError("explicit must be empty for a scale to move the price range, got a list of scenarios")
        shock = replace(self.vol_shock, up=factor * self.vol_shock.up, down=factor * self.vol_shock.down)
        return replace(self, price_range=factor * self.price_range, vol_shock=shock)

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """Regular, tail and the two skew scenarios, in the order in which results list them."""
        if self.explicit:
            return self.explicit
        tails = tuple(Scenario(1.0 + move, "Up", dampening) for move, dampening in self.tails)
        return (*regular_grid(self.price_range), *tails, Scenario(1.0, "Linear"), Scenario(1.0, "Abs"))

    def packed_scenarios(self) -> Floats:
        """(multiplier, direction code, dampening) rows, shape (S, 3)."""
        return np.array([[s.multiplier, DIRECTIONS.index(s.direction), s.dampening] for s in self.scenarios])


@dataclass(frozen=True)
class ParameterSet:
    """A dated parameter set of the venue.

    Attributes
    ----------
    underlyings : dict of str to Underlying
        Parameters by asset.
    name, as_of, source : str
        What it is, the day it describes, and where each figure comes from.
    """

    underlyings: dict[str, Underlying]
    name: str = "Derive PM2"
    as_of: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if not self.underlyings:
            raise ValueError("underlyings must hold at least one asset, got none")
