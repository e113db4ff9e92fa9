"""Reference portfolios of Derive as books and snapshots of this engine."""

from typing import Any

import numpy as np

from riskengine.book.portfolio import Portfolio
from riskengine.instrument.terms import EuropeanOption, Instrument, Perpetual
from riskengine.margin.derive_pmrm_v2 import Confidence, DerivePmrmV2
from riskengine.margin.derive_pmrm_v2 import parameters as pm
from riskengine.market.snapshot import MarketSnapshot
from riskengine.pricing.valuation import account_values

_DIRECTIONS = {d.lower(): d for d in pm.DIRECTIONS}


def _underlying(p: dict[str, Any], mm_haircut: float, im_haircut: float) -> pm.Underlying:
    vol, margin, basis, other, skew = (
        p[k] for k in ("VolShock", "Margin", "BasisContingency", "OtherContingency", "SkewShock")
    )
    return pm.Underlying(
        explicit=tuple(pm.Scenario(x, _DIRECTIONS[str(d).lower()], w) for x, d, w in p["scenarios"]),
        vol_shock=pm.VolShock(
            vol["VOLRANGEUP"], vol["VOLRANGEDOWN"], vol["MIN_VOL_EVAL_SHOCKED"], vol["SHORTTERMPOWER"],
            vol["LONGTERMPOWER"], vol["DTE_FLOOR"],
        ),
        skew_shock=pm.SkewShock(
            skew["LINEAR_SCALE_CAP"], skew["LINEAR_CBASE"], skew["ABS_SCALE_CAP"], skew["ABS_CBASE"],
            skew["MIN_K_STAR"], skew["MIN_WIDTH_SCALE"], skew["VOL_PARAM_STATIC"], skew["VOL_PARAM_SCALE"],
        ),
        static_discount=pm.StaticDiscount(
            margin["BASE_STATIC_DISCOUNT"], margin["BASE_STATIC_DISCOUNT_NEG"], margin["LONG_RATE_MULTSCALE"],
            margin["LONG_RATE_ADDSCALE"], margin["SHORT_RATE_MULTSCALE"], margin["SHORT_RATE_ADDSCALE"],
        ),
        basis=pm.BasisContingency(
            basis["SCENARIO_SPOT_UP"], basis["SCENARIO_SPOT_DOWN"], basis["BASIS_CONT_ADD_FACTOR"],
            basis["BASIS_CONT_MULT_FACTOR"],
        ),
        contingency=pm.Contingency(
            other["MM_PERP_PERCENT"], other["IM_PERP_PERCENT"], other["MM_OPTION_PERCENT"],
            other["IM_OPTION_PERCENT"], mm_haircut, im_haircut,
        ),
        factors=pm.LossFactors(
            margin["IM_LOSS_FACTOR"], margin["MM_LOSS_FACTOR"], other["PEG_LOSS_THRESHOLD"],
            other["PEG_LOSS_FACTOR"], other["CONF_THRESHOLD"], other["CONF_MARGIN"],
        ),
    )  # fmt: skip


def _field(row: dict[str, Any], *names: str, default: Any = None) -> Any:
    """First of `names` that `row` has, in any spelling of case and underscores."""
    plain = {k.lower().replace("_", ""): v for k, v in row.items()}
    for name in names:
        if name in plain:
            return plain[name]
    if default is None:
        raise KeyError(f"one of {', '.join(names)}")
    return default


def _collateral(x: dict[str, Any]) -> dict[str, float]:
    """Totals over the collaterals: value, the part that moves with spot, haircuts, and what doubt adds."""
    other = x["parameters"]["OtherContingency"]
    total = dict.fromkeys(("value", "cancelling", "mm", "im", "doubt"), 0.0)
    for row in x.get("collaterals", []):
        value = _field(row, "value", default=np.nan)
        if np.isnan(value):
            # prices come in USD, the account is kept in the settlement coin
            value = _field(row, "amount", "size") * _field(row, "price", "markprice") / x.get("stable_price", 1.0)
        confidence = _field(row, "confidence", default=1.0)
        total["value"] += value
        total["cancelling"] += value if _field(row, "isriskcancelling", "riskcancelling", default=False) else 0.0
        total["mm"] += value * _field(row, "mmhaircut", "mmpercent", default=0.0)
        total["im"] += value * _field(row, "imhaircut", "impercent", default=0.0)
        if confidence < other["CONF_THRESHOLD"]:
            total["doubt"] += value * (1.0 - confidence) * other["CONF_MARGIN"]
    return total


def pmrm_v2(x: dict[str, Any]) -> dict[str, Any]:
    """Initial and maintenance margin (excess), scenario profit and loss, mark and basis contingency of one account."""
    held = _collateral(x)
    perp, expiries = x["perp"], x["expiries"]
    instruments: list[Instrument] = []
    quantity, volatility = [], []
    for e in expiries:
        for o in e["options"]:
            instruments.append(EuropeanOption("X", o["strike"], e["seconds_to_expiry"] / 3600.0, o["type"]))
            quantity.append(o["amount"])
            volatility.append(o["vol"])
    entry = [0.0] * len(instruments)
    if perp["size"]:
        instruments.append(Perpetual("X"))
        quantity.append(perp["size"])
        entry.append(perp["mark_price"] - perp["unrealised_pnl"] / perp["size"])
    # haircuts of coins are charged on value below, collateral by collateral
    coin = held["cancelling"] / x["spot"]
    usd = x["cash"] + perp["unrealised_funding"] + held["value"] - held["cancelling"]
    book, volatility = _merged(instruments, quantity, entry, [usd, coin], volatility)
    expiry = {e["seconds_to_expiry"] / 3600.0: e for e in expiries}
    ordered = [expiry[hours] for _, hours in book.expiries]
    feeds = [
        min(e.get("forward_confidence", 1.0), e.get("rate_confidence", 1.0), e.get("vol_confidence", 1.0))
        for e in ordered
    ]
    market = MarketSnapshot(
        spot=np.array([[x["spot"]]]),
        forward=np.array([e["forward"] for e in ordered], dtype=np.float64).reshape(-1, 1),
        seconds=np.array([e["seconds_to_expiry"] for e in ordered], dtype=np.float64),
        rate=np.array([e["rate"] for e in ordered], dtype=np.float64),
        expiry_asset=np.zeros(len(ordered), dtype=np.int64),
        volatility=np.array(volatility, dtype=np.float64).reshape(-1, 1),
        perpetual=np.array([[float(perp["mark_price"])]]),
    )
    model = DerivePmrmV2(pm.ParameterSet({"X": _underlying(x["parameters"], 0.0, 0.0)}))
    ones = np.ones(1)
    sure = Confidence(
        ones * x.get("spot_confidence", 1.0),
        ones * perp.get("confidence", 1.0),
        ones,
        np.array(feeds, dtype=np.float64),
    )
    (need,) = model.requirement(model.init(book), market, x.get("stable_price", 1.0), sure, explain=True)
    equity = float(account_values(book, market)[0, 0])
    parts = {k: float(v[0, 0]) for k, v in need.components.items() if v.ndim == 2}
    pnl = need.components.get("scenario_pnl:X")
    return {
        "initial_margin": equity - float(need.initial[0, 0]) - held["mm"] - held["im"] - held["doubt"],
        "maintenance_margin": equity - float(need.maintenance[0, 0]) - held["mm"],
        "scenario_pnl": np.zeros(len(x["parameters"]["scenarios"])) if pnl is None else pnl[:, 0, 0],
        "mark_to_market_excl_cash": equity - x["cash"],
        "basis_contingency": -parts.get("basis_contingency", 0.0),
    }


def _merged(instruments, quantity, entry, cash, volatility) -> tuple[Portfolio, list[float]]:
    """A one-account book; the same option listed twice is one position."""
    unique = list(dict.fromkeys(instruments))
    total = np.zeros((1, len(unique)))
    entries = np.zeros((1, len(unique)))
    marks: dict[int, float] = {}
    for i, instrument in enumerate(instruments):
        column = unique.index(instrument)
        total[0, column] += quantity[i]
        entries[0, column] = entry[i]
        if i < len(volatility):
            marks[column] = volatility[i]
    book = Portfolio(("X",), tuple(unique), total, entries, np.array([cash], dtype=np.float64), ("account",), ("case",))
    return book, [marks[column] for column in sorted(marks)]


def _by_expiry(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of one expiry put together: options joined, feeds of the first, the least of each confidence."""
    found: dict[float, dict[str, Any]] = {}
    for row in rows:
        known = found.setdefault(row["seconds_to_expiry"], {**row, "options": []})
        known["options"] = [*known["options"], *row["options"]]
        for key in row:
            if key.endswith("confidence"):
                known[key] = min(known.get(key, 1.0), row[key])
    return list(found.values())


def pmrm_v1(x: dict[str, Any]) -> dict[str, Any]:
    """Initial and maintenance margin (excess) of one account under the first PMRM."""
    from riskengine.margin.venues import derive_pmrm_v1 as v1

    p, perp = x["parameters"], x["perp"]
    parameters = v1.Parameters(
        scenarios=tuple((m, _DIRECTIONS[str(d).lower()]) for m, d in p["scenarios"]),
        vol_shock=pm.VolShock(
            p["vol_range_up"], p["vol_range_down"], 0.0, p["short_term_power"], p["long_term_power"],
            p["dte_floor_seconds"] / 86_400.0,
        ),
        basis=pm.BasisContingency(
            p["basis_spot_up"], p["basis_spot_down"], p["basis_add_factor"], p["basis_mult_factor"]
        ),
        base_charge=p["base_percent"], perpetual_charge=p["perp_percent"], option_charge=p["option_percent"],
        im_factor=p["im_factor"], peg_threshold=p["peg_loss_threshold"], peg_factor=p["peg_loss_factor"],
        confidence_threshold=p["conf_threshold"], confidence_margin=p["conf_margin"],
        static_discount=p["base_static_discount"], rate_mult=p["rate_mult"], rate_add=p["rate_add"],
    )  # fmt: skip
    expiries = tuple(
        v1.Expiry(
            e["seconds_to_expiry"], e.get("forward_fixed", 0.0), e["forward_variable"], e["rate"],
            tuple(
                v1.Option(o["strike"], o["type"], o["amount"], o["vol"], o.get("vol_confidence", 1.0))
                for o in e["options"]
            ),
            min(e.get("forward_confidence", 1.0), e.get("rate_confidence", 1.0)),
        )
        for e in _by_expiry(x["expiries"])
    )  # fmt: skip
    m = v1.margin(
        v1.Account(
            x["spot"], x["cash"], x["base"], perp["size"], perp["mark_price"],
            perp.get("unrealised_pnl", 0.0) + perp.get("unrealised_funding", 0.0), expiries, x.get("stable_price", 1.0),
            x.get("spot_confidence", 1.0), perp.get("confidence", 1.0),
        ),
        parameters,
    )  # fmt: skip
    return {
        "initial_margin": m.initial,
        "maintenance_margin": m.maintenance,
        "mark_to_market_incl_cash": m.mark_to_market,
        "mark_to_market_excl_cash": m.mark_to_market - x["cash"],
        "scenario_pnl": m.scenario_pnl,
        "basis_contingency": m.basis_contingency,
    }


def standard_manager(x: dict[str, Any]) -> dict[str, Any]:
    """Initial and maintenance margin (excess) of one account under the StandardManager."""
    from riskengine.margin.venues import derive_standard as sm

    p = x["parameters"]
    option, oracle = p["option"], p["oracle_contingency"]
    parameters = sm.Parameters(
        sm.OptionRates(
            option["max_spot_req"], option["min_spot_req"], option["mm_call_spot_req"], option["mm_put_spot_req"],
            option["mm_put_mtm_req"], option["unpaired_im_scale"], option["unpaired_mm_scale"],
            option["put_mm_offset_scale"],
        ),
        sm.OracleRates(
            oracle["perp_threshold"], oracle["option_threshold"], oracle["base_threshold"], oracle["factor"]
        ),
        p["perp"]["mm"], p["perp"]["im"], p["depeg"]["threshold"], p["depeg"]["factor"], p["base_margin_factor"],
        p["base_im_scale"],
    )  # fmt: skip
    markets = tuple(
        sm.Market(
            m["spot"], m["base_amount"], m["perp"]["size"], m["perp"]["mark_price"],
            m["perp"]["unrealised_pnl_and_funding"],
            tuple(
                sm.Expiry(
                    e["seconds_to_expiry"], e["forward"],
                    tuple(sm.Option(o["strike"], o["type"], o["amount"], o["vol"]) for o in e["options"]),
                    e.get("confidence", 1.0),
                )
                for e in _by_expiry(m["expiries"])
            ),
            m.get("spot_confidence", 1.0), m["perp"].get("confidence", 1.0),
        )
        for m in x["markets"]
    )  # fmt: skip
    result = sm.margin(markets, x["cash"], x.get("stable_price", 1.0), parameters)
    return {
        "initial_margin": result.initial,
        "maintenance_margin": result.maintenance,
        "mark_to_market": result.mark_to_market,
    }
