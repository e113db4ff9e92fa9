"""The surface that goes with a fitted world: shape from option chains, level from the world, risk premium declared.

Shape.  Reversion speed and smile are fitted by `fit_chain` to the Deribit chains of BTC and ETH, 185 snapshots from
2025-12-30 to 2026-05-31, a crash included.

Level.  A surface whose level comes from one half-year would charge every short option for nothing, or pay it, in a
world of another variance.  So at-the-money variance is declared to be a fixed multiple of the variance the world
itself expects: with v the state, J the jump variance per year and g the premium,

    start = g (v + J),  long = g (theta + J):   premium = g, add = g J, long_variance = g (theta + J).

Premium.  g = 1.05: DVOL^2 over the variance realised in the next 30 days, BTC, 1,091 days from 2022-11 to 2025-10, is
1.33 (standard error 0.09, blocks of 60 days), and DVOL^2, which weighs the wings, is 1.26 times at-the-money variance
on the fitted smile.  ETH has 31 month starts of DVOL only (0.99, error 0.09, over 1.21); BTC's figure serves both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from riskengine.market.surface import FactorSurface
from riskengine.roles import HasLaw
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.heston import Heston
from riskengine.scenario.regime_switching import RegimeSwitching

VARIANCE_PREMIUM = 1.05


@dataclass(frozen=True)
class SurfaceShape:
    """What a chain fit says about one asset: the fields of `FactorSurface` that carry no level."""

    reversion: float
    skew_short: float
    skew_long: float
    curvature_short: float
    curvature_long: float
    skew_state: float
    smile_tenor: float
    wing: float


SHAPES = {
    "BTC": SurfaceShape(22.09, -0.06451, -0.07768, 0.06399, 0.05967, -0.05267, 0.05, 5.417),
    "ETH": SurfaceShape(22.53, -0.06532, -0.05298, 0.06736, 0.0478, -0.03308, 0.1616, 4.62),
}


def linked_surface(
    model: HasLaw, shapes: dict[str, SurfaceShape] | None = None, premium: float = VARIANCE_PREMIUM
) -> FactorSurface:
    """Surface whose at-the-money variance is `premium` times the variance that `model` expects.

    Parameters
    ----------
    model : HasLaw
        A jump diffusion, from its stationary start.  A world without a variance state gets a surface that does not
        move; without jumps either, one that is flat at the world's own volatility (a Black-Scholes world).
    shapes : dict, optional
        Shape per asset; an asset that is not named gets the shape of BTC.
    premium : float
        Ratio of at-the-money variance to expected variance, positive.
    """
    if premium <= 0.0:
        raise ValueError(f"premium must be positive, got {premium!r}")
    if isinstance(model, Gbm):
        return FactorSurface.flat(model.volatility)
    state, jump = zip(*(_variances(model, asset) for asset in model.assets), strict=True)
    return surface_of_level(model.assets, state, jump, isinstance(model, (Heston, RegimeSwitching)), shapes, premium)


def _variances(model: HasLaw, asset: str) -> tuple[float, float]:
    """Mean variance per year of the diffusion and of the jumps of `asset`."""
    law = model.law(asset, 1.0)
    jump = sum(j.intensity * j.mean_square for j in law.jumps)
    if isinstance(model, RegimeSwitching):
        weight = np.array(law.weight)
        return float(weight @ np.square(law.sigma)), float(weight @ np.array(law.pace)) * jump
    return (law.mean_variance if isinstance(model, Heston) else law.sigma**2), jump


def surface_of_level(
    assets: Sequence[str],
    state: Sequence[float],
    jump: Sequence[float],
    moving: bool,
    shapes: dict[str, SurfaceShape] | None = None,
    premium: float = VARIANCE_PREMIUM,
) -> FactorSurface:
    """Surface whose at-the-money variance is `premium` times ``state + jump``.

    Parameters
    ----------
    assets : sequence of str
    state, jump : sequence of float, one per asset
        Long-run variance per year of the state, and of jumps beside it.
    moving : bool
        Whether paths carry the state, so that the surface follows it.
    shapes, premium
        As in `linked_surface`.
    """
    known = SHAPES | (shapes or {})
    rows = []
    for asset, variance, own_jump in zip(assets, state, jump, strict=True):
        shape = known.get(asset, known["BTC"])
        jump_level = premium * own_jump
        long = jump_level + premium * variance
        rows.append(
            (
                shape.reversion,
                _six(long),
                premium if moving else 0.0,
                _six(jump_level if moving else long),
                shape.skew_short,
                shape.skew_long,
                shape.curvature_short,
                shape.curvature_long,
                shape.skew_state,
                shape.smile_tenor,
                shape.wing,
            )
        )
    return FactorSurface(*zip(*rows, strict=True))


def _six(value: float) -> float:
    return float(f"{value:.6g}")
