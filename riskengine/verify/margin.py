"""Adapters of the margin mechanisms: from the inputs of a reference case to the results of this engine.

An adapter only translates; every figure comes from the model that simulations use.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from riskengine.verify import truth, venues

Inputs = dict[str, Any]
Results = dict[str, Any]


def _black76(x: Inputs) -> Results:
    from riskengine.pricing.black import black76, call_delta

    tau = x["seconds_to_expiry"] / x.get("year_seconds", 31_536_000)
    discount = x.get("discount", 1.0)
    call, put = black76(x["forward"], x["strike"], tau, x["volatility"], np.array([1.0, -1.0]), discount)
    delta = call_delta(x["forward"], x["strike"], tau, x["volatility"])
    return {
        "call": call,
        "put": put,
        "call_delta_undiscounted": delta,
        "call_delta_discounted": delta * discount,
        "put_delta_undiscounted": delta - 1.0,
        "put_delta_discounted": (delta - 1.0) * discount,
    }


def _svi(x: Inputs) -> Results:
    from riskengine.pricing.svi import svi_volatility

    shape = {k: x[k] for k in ("tau", "a", "b", "rho", "m", "sigma")}
    return {"vols": svi_volatility(x["strikes"], x["forward"], **shape)}


def _pmrm_v2(x: Inputs) -> Results:
    from riskengine.verify.derive import pmrm_v2

    return pmrm_v2(x)


def _pmrm_v1(x: Inputs) -> Results:
    from riskengine.verify.derive import pmrm_v1

    return pmrm_v1(x)


def _standard_manager(x: Inputs) -> Results:
    from riskengine.verify.derive import standard_manager

    return standard_manager(x)


def _partial_close(x: Inputs) -> Results:
    from riskengine.liquidation.partial_close import notional_to_close

    closed, after = notional_to_close(x["equity"], x["notional"], x["target_margin_fraction"], x["liquidation_fee"])
    return {"notional_to_close": closed, "margin_fraction_after": after}


def _liquidation_price(x: Inputs) -> Results:
    from riskengine.liquidation.liquidation_price import cross_margin_liquidation_price

    return {
        "liquidation_price": [
            cross_margin_liquidation_price(
                r["equity"], r["size"], r["mark"], r["mm_fraction"], r.get("other_positions_maintenance", 0.0)
            )
            for r in x["rows"]
        ]
    }


ADAPTERS: dict[str, Callable[[Inputs], Results]] = {
    "black76": _black76,
    "svi_total_variance_vol": _svi,
    "derive_pmrm_v2": _pmrm_v2,
    "derive_pmrm_v1": _pmrm_v1,
    "derive_standard_manager": _standard_manager,
    "partial_liquidation_identity": _partial_close,
    "cross_margin_liquidation_price": _liquidation_price,
    **truth.ADAPTERS,
    **venues.ADAPTERS,
}
