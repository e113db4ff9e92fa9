"""A world with a fitted peg as a file: the base world as it is, the pegged asset after its own, the fit's report."""

from dataclasses import asdict, replace
from typing import Any

from riskengine.calibrate.bands import check_fit
from riskengine.calibrate.peg import PegAlone, PegFit
from riskengine.calibrate.world_file import band_rows, plain_record
from riskengine.law.peg import Dislocation, PegLaw
from riskengine.market.surface import FactorSurface
from riskengine.scenario.pegged import Peg, Pegged
from riskengine.scenario.world import World


def peg_record(
    fit: PegFit,
    base: World,
    to: str = "USD",
    stated: tuple[Dislocation, ...] = (),
    *,
    command: str = "",
    data_sha256: str = "",
    spikes: int = 0,
) -> dict[str, Any]:
    """The world of `base` and the fitted peg as plain values, in the order of a world file.

    Parameters
    ----------
    fit : PegFit
    base : World
        Without stress; its model may be pegged already.
    to : str
        ``USD`` or an asset of `base`.
    stated : tuple of Dislocation
        Depegs that the sample does not hold, added to what was fitted.
    command, data_sha256 : str
    spikes : int
        Quotes that were dropped.

    Raises
    ------
    ValueError
        Where the base already has the asset, or lacks the one it is pegged to.
    """
    peg = Peg(fit.asset, to, fit.noise, (*fit.dislocations, *stated), level=fit.level)
    under = base.model
    inner, others = (under.base, under.pegs) if isinstance(under, Pegged) else (under, ())
    model = Pegged(inner, (*others, peg))
    report = check_fit(PegAlone((fit.asset,), peg.noise, peg.dislocations), fit.bands)
    verdicts = {base.stamp, report.verdict}
    verdict = "UNFIT" if "UNFIT" in verdicts else "FIT" if verdicts == {"FIT"} else "NOT FITTED"
    start, end = fit.sample.span
    return {
        "title": f"{', '.join(under.assets)} as in {base.name}, and {fit.asset} pegged to {to}: {verdict}",
        "measure": "P",
        "model": {
            "kind": model.kind,
            "base": {"kind": inner.kind} | plain_record(inner),
            "pegs": [_plain_peg(p) for p in model.pegs],
        },
        "surface": {"kind": "factor_surface"} | plain_record(_surface(base, peg)),
        "fit": {
            "model": model.kind,
            "method": "distribution functions of the peg's changes across horizons on the exact law, and its level",
            "command": command,
            "data_sha256": data_sha256,
            "sample_start": start,
            "sample_end": end,
            "observations": fit.sample.count,
            "gaps": fit.sample.gaps,
            "spikes_dropped": spikes,
            "moments": len(fit.residuals),
            "cost": float(f"{fit.cost:.4g}"),
            "standard_errors": {k: float(f"{v:.3g}") for k, v in fit.standard_errors.items()},
            "standard_error_method": "delta method from the circular block bootstrap covariance of the moments",
            "on_bound": list(fit.on_bound),
            "band_confidence": fit.bands.confidence,
            "block_hours": fit.bands.block_hours,
            "replicates": fit.bands.replicates,
            "bootstrap_seed": fit.bands.seed,
            "base_world": base.name,
            "base_verdict": base.stamp,
            "fitted_part_verdict": fit.report.verdict,
            "verdict": verdict,
            "outside": [f"{r.band.asset} {r.band.horizon_hours} h {r.band.level:g}" for r in report.outside],
            "bands": band_rows(report, "long"),
            "bands_short": band_rows(report, "short"),
        },
        "source": [
            f"{fit.asset}: bands and fit are of its price over par, not of its price in USD",
            *(f"stated, not fitted: {_text(d)}" for d in stated),
            f"base world: {base.name} ({base.title})",
            *base.source,
        ],
    }


def _text(d: Dislocation) -> str:
    return (
        f"a depeg with {d.intensity:g} arrivals a year, mean log size {d.mean:g} and a half-life of "
        f"{d.half_life_hours:g} h"
    )


def _plain_peg(peg: Peg) -> dict[str, Any]:
    plain = asdict(peg)
    return plain | {name: [dict(part) for part in plain[name]] for name in ("noise", "dislocations")}


def _surface(base: World, peg: Peg) -> FactorSurface:
    """Surface with a row for the peg: that of what it stands for, or flat at its own variance over a day."""
    surface = base.surface
    if surface.carry:
        raise ValueError(
            f"base must have a surface without carry, got {base.name}: what curve a pegged coin has is not known"
        )
    if peg.to != "USD":
        a = base.model.assets.index(peg.to)
        return replace(surface, **{name: (*row, row[a]) for name, row in _rows(surface).items()})
    law = PegLaw(peg.noise, peg.dislocations, 0.0, 1.0 / 365.0)
    flat = _rows(FactorSurface.flat((float(f"{(365.0 * law.cumulants()[1]) ** 0.5:.4g}"),)))
    return replace(surface, **{name: (*row, *flat[name]) for name, row in _rows(surface).items()})


def _rows(surface: FactorSurface) -> dict[str, tuple[float, ...]]:
    return {name: tuple(values) for name, values in plain_record(surface).items()}
