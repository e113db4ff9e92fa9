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
