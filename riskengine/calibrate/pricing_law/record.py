"""A fitted pricing law as plain values for a file: the law, its errors, how well it fits, and a surface for worlds."""

from typing import Any

import numpy as np

from riskengine.calibrate.pricing_law.fit import LawFit
from riskengine.calibrate.pricing_law.surface import law_surface


def law_record(fit: LawFit, *, command: str = "", data: str = "", data_sha256: str = "") -> dict[str, Any]:
    """The record of `fit`, in the order of a file.

    Parameters
    ----------
    fit : LawFit
    command : str
        What reproduces it.
    data, data_sha256 : str
        Name of the data and the hash of its bytes.
    """
    law = fit.law
    stamp = f"{np.datetime64(law.seconds, 's')}Z"
    record: dict[str, Any] = {
        "title": f"{law.asset}: {law.name} fitted to the option chain of {stamp}",
        "measure": "Q",
        "law": {
            "kind": law.family,
            "asset": law.asset,
            "time": stamp,
            "parameters": {n: _short(v) for n, v in law.values.items()},
            "knots": [f"{np.datetime64(int(k), 's')}Z" for k in law.knots],
            "rates": [_short(r) for r in law.rates],
        },
        "fit": {
            "command": command,
            "data": data,
            "data_sha256": data_sha256,
            "loss": fit.rules.loss,
            "weights": fit.rules.weights,
            "quotes": fit.quality.quotes,
            "refused": fit.refused,
            "arbitrage": list(fit.violations),
            "inside_bid_ask": round(fit.quality.inside, 4),
            "rmse_coin": _short(fit.quality.rmse),
            "mae_coin": _short(fit.quality.mae),
            "mae_half_spreads": _short(fit.quality.spreads),
            "standard_errors": {n: float(f"{v:.3g}") for n, v in fit.standard_errors.items()},
            "standard_errors_of_rates": [float(f"{v:.3g}") for v in fit.shift_errors],
            "not_identified": list(fit.unidentified),
            "valleys": [str(v) for v in fit.valleys],
            "on_bound": list(fit.on_bound),
            "settled": fit.settled,
        },
    }
    if not np.isnan(law.feller):
        record["fit"]["feller"] = _short(law.feller)
        record["fit"]["variance_reaches_zero"] = bool(law.feller < 1.0)
        found = law_surface(law)
        surface = {"kind": "factor_surface"}
        surface |= {n: list(getattr(found.surface, n)) for n in found.surface.__dataclass_fields__}
        record["surface"] = surface
        record["surface_error"] = {"now": _short(found.rmse_now), "states_quarter_to_four": _short(found.rmse_all)}
    return record


def _short(value: float) -> float:
    return float(f"{value:.9g}")
