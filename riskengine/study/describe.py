"""What a result says about its own study: world, settings, assumptions, provenance."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from riskengine.book.loans import Loans
from riskengine.engine.questions import MarginQuestion
from riskengine.lending.oracle_notes import oracle_words
from riskengine.market.recorded import PathSet
from riskengine.market.series import PriceSeries
from riskengine.scenario.world import World
from riskengine.study.lab_spec import EstimatorLabStudy
from riskengine.study.spec import CalibrationStudy

# what each kind of market state does to the figures
_STATE = {
    "depth_lanes": "Depth moves on each path: closing costs, and price impact where feedback is on, are divided by it; "
    "the pools that lending markets sell into keep their stated depth.",
    "funding_lanes": "Longs and shorts of perpetuals exchange funding at the path's rate at every step.",
    "basis_lanes": "Perpetuals are marked at spot times the path's basis.",
    "oracle_lanes": "Oracles of lending markets are told the world's oracle price, not the market's.",
}


def _permanent(market: Any) -> float:
    """Share of the impact of a lending market's sales that stays."""
    return market.liquidity.permanent_share if hasattr(market, "liquidity") else 0.0


def _venue(markets: Sequence[Any]) -> str:
    """What lending markets sell into, each by itself."""
    kinds = {m.liquidity.kind for m in markets if hasattr(m, "liquidity")}
    pools = kinds <= {"constant_product"}
    return "a pool of its own of the stated depth" if pools else "liquidity of its own, as the study states it"


def world_head(world: World) -> dict[str, Any]:
    """The world as the report shows it."""
    return {
        "name": world.name,
        "title": world.title,
        "measure": world.measure,
        "model": world.model.kind,
        "assets": list(world.model.assets),
        "stamp": world.stamp,
        "stress": list(world.stress),
        "repairs": list(world.repairs),
        "fit": world.fit,
        "source": list(world.source),
    }


def worlds_head(worlds: Sequence[World]) -> dict[str, Any]:
    """Several worlds as the report shows one: the worst stamp counts, and what is said of each is said of all."""
    heads = [world_head(w) for w in worlds]
    if len(heads) == 1:
        return heads[0]
    stamps = [w["stamp"] for w in heads]
    return {
        "name": ", ".join(w["name"] for w in heads),
        "title": "; ".join(w["title"] for w in heads),
        "measure": "P",
        "model": ", ".join(dict.fromkeys(w["model"] for w in heads)),
        "assets": list(dict.fromkeys(a for w in heads for a in w["assets"])),
        "stamp": stamps[0] if len(set(stamps)) == 1 else "UNFIT" if "UNFIT" in stamps else "NOT FITTED",
        "stress": [f"{w['name']}: {said}" for w in heads for said in w["stress"]],
        "repairs": [said for w in heads for said in w["repairs"]],
        "fit": {},
        "source": [f"{w['name']}: {said}" for w in heads for said in w["source"]],
    }


def world_data(world: World) -> list[dict[str, str]]:
    """Name and hash of every file that the paths of a world are made of."""
    parts = (getattr(world.model, f.name) for f in fields(world.model))
    return [
        {"name": Path(p.origin.get("file", "given as arrays")).name, "sha256": p.sha256, "source": "named by the world"}
        for p in parts
        if isinstance(p, (PriceSeries, PathSet))
    ]


def _order_statistics(margin: MarginQuestion, history: int) -> Iterator[str]:
    """What a quantile of a window promises: a probability of its own, not one minus the level."""
    told = {}
    for model in margin.models:
        if hasattr(model, "exceeded"):
            n = model.window or history
            told |= {(n, level): p for level, p in zip(model.levels, model.exceeded(history), strict=False)}
    for n in dict.fromkeys(n for n, _ in told):
        rates = ", ".join(f"{100 * p:.3g} % at {100 * level:g} %" for (m, level), p in sorted(told.items()) if m == n)
        yield (
            f"An order statistic of {n:,} losses is exceeded, where margin periods are exchangeable, with probability "
            f"{rates}; accounts that cannot lose count among the accounts."
        )


def assumptions(study: CalibrationStudy) -> list[str]:
    """What a calibration study takes for granted, a sentence each."""
    said = [
        "Losses are positive. Paths run under the real-world law; option prices come from the world's "
        "implied-volatility surface at the path's own variance (sticky in moneyness): the stated link between the two.",
        "A path is the unit of every interval: accounts and origins on one path are never counted as independent.",
    ]
    if study.world.data is not None:
        said.append(
            "Paths are made of data: intervals say how well this world's figures are known from that many paths taken "
            "as independent, not how well the data know the market."
        )
    margin = study.margin
    if margin is not None:
        said += [
            f"Initial-margin breach: loss at the end of {margin.margin_period_hours:g} h, positions left alone, "
            "strictly above the initial margin at the start; origins do not overlap.",
            f"Maintenance coverage: worst loss within {margin.liquidation_latency_hours:g} h against maintenance "
            "margin. Insolvency: worst loss within the margin period against all resources "
            f"({margin.funding_multiple:g} x initial margin).",
            "Every account is funded at the stated multiple of its own requirement under each model, so a higher "
            "level buys safety with capital.",
            "Grids have no confidence level: realised coverage is an output. Quantile models are recomputed once a "
            "margin period, grids at every step.",
            *_order_statistics(margin, study.history_windows),
            "Liquidation closes positions in proportion at the stated costs until equity is the stated multiple of "
            "the maintenance requirement of what is left; losses beyond an account's equity are paid by the fund, then "
            "charged to the other accounts in proportion to their equity.",
        ]
    if study.lending is not None:
        said.append(
            "Bad debt is deficit booked by the protocol plus what the collateral of accounts not yet liquidated falls "
            "short of at the horizon."
        )
        named = tuple(zip(study.lending.labels, study.lending.markets, strict=True))
        said += [
            f"Borrowers of {label}: {100.0 * m.reaction.attentive_share:g} % of them act ({m.reaction.action}) below "
            f"a health factor of {m.reaction.trigger:g}, to {m.reaction.target:g}, before keepers, without slippage."
            for label, m in named
            if getattr(m, "reaction", None) is not None
        ]
        beside = bool(study.lending.compared_with)
        said += [f"Market {name}: {words}." for name, market in named for words in oracle_words(market, beside)]
        said += [
            f"Keepers of {label} have {keeper.capital_usd:,.0f} USD in all; what a call spends is there again "
            + (f"after {keeper.recycling_hours:g} hours." if keeper.recycling_hours else "at the next step.")
            for label, m in named
            if (keeper := getattr(m, "keeper", None)) is not None and keeper.capital_usd is not None
        ]
        said += [
            f"Utilisation of {label} moves with the path: {m.utilisation.said}"
            for label, m in named
            if getattr(m, "utilisation", None) is not None
        ]
        if study.imported is not None:
            count, origin = len(study.imported.names), study.imported.origin
            said.append(
                f"The {count} borrowers are the accounts of {origin['file']}, as of {origin['as_of']}; "
                f"source: {origin['source']}."
            )
        if study.lending.compared_with:
            said.append(
                "Every market has the same borrowers and paths, an oracle that is told the same prices, and "
                f"{_venue(study.lending.markets)}. The penalty is collateral taken from borrowers less the debt it "
                "settled and what was credited back; the protocol's result is its fees less bad debt, with what it "
                "gained or lost on collateral that it took over itself. After sale, what it holds unsold and the "
                "collateral of loans then liquidatable count for what the pool pays for all of it at the end, instead "
                "of at market prices. Differences between markets hold together over all pairs."
            )
    said += [_STATE[lanes] for lanes in study.world.filled if lanes in _STATE]
    if study.feedback is None:
        said.append("Prices are exogenous: liquidations do not move them (price feedback is off).")
    else:
        said.append(
            "Price feedback is on: sales move the price, and the move halves every "
            f"{study.feedback.half_life_hours:g} h."
        )
        stays = [] if study.lending is None else [m for m in study.lending.markets if _permanent(m)]
        said += [
            f"What keepers sell into {m.liquidity.kind} moves the price for good instead, by {_permanent(m):.3g} of "
            "the impact on their own market."
            for m in stays
        ]
    said += _WEIGHTED.get(study.sampling.method, [])
    if study.target_error is not None:
        said.append(
            f"The run stops at the first of {len(study.looks)} looks, fixed before it, at which "
            f"{study.target_error.measure} is tight enough; its interval pays for all looks, those of other figures "
            "do not."
        )
    return said


_WEIGHTED = {
    "importance": [
        "Paths after time 0 are drawn from a mixture of the world's own law and of laws tilted towards rare "
        "events; every figure is weighted by the exact likelihood ratio. What a history alone decides "
        "is not tilted.",
        "The tilts were chosen on pilot paths of their own. Intervals are refused where the effective number of "
        "hits in a figure's own tail is below 100; an event that no tilt reaches and none of the deepest plain "
        "paths shows would go unseen.",
    ],
    "stratified": [
        "A share of the paths after time 0 is given how many jumps it has, so that paths with many jumps are less rare "
        "than in the world; every figure is weighted by the exact probability of the count. Given its count a path "
        "follows the world's own law, and what a history alone decides is plain.",
        "Intervals are refused where the effective number of hits in a figure's own tail is below 100; an event that "
        "comes with counts that have no share of their own, and that none of the deepest plain paths shows, would go "
        "unseen.",
    ],
}


def head(study: CalibrationStudy, name: str, command: str) -> dict[str, Any]:
    """Everything of ``result.json`` that is not a figure."""
    margin = study.margin
    return {
        "study": {"name": name, "title": study.title, "kind": study.kind},
        "command": command,
        "world": world_head(study.world),
        "settings": {
            "seed": study.seed,
            "paths": study.paths,
            "horizon_hours": study.horizon_hours,
            "step_hours": study.step_hours,
            "history_windows": study.history_windows,
            "confidence": study.confidence,
            "margin_period_hours": margin.margin_period_hours if margin else None,
            "liquidation_latency_hours": margin.liquidation_latency_hours if margin else None,
            "funding_multiple": margin.funding_multiple if margin else None,
            "accounts": margin.book.accounts if margin else None,
            "loans": len(study.lending.book.names) if study.lending else None,
            "price_feedback": study.feedback is not None,
        },
        "assumptions": assumptions(study),
        **_compared(study),
    } | ({"data": data} if (data := [*world_data(study.world), *book_data(study.imported)]) else {})


def _compared(study: CalibrationStudy) -> dict[str, Any]:
    """How the lending markets of a study that compares some differ: their kinds, and what of them nobody chooses."""
    if study.lending is None or not study.lending.compared_with:
        return {}
    kinds = sorted({m.kind for m in study.lending.markets})
    return {"compared": {"kinds": kinds, "assumed": list(study.lending.assumed)}}


def book_data(book: Loans | None) -> list[dict[str, str]]:
    """Name and hash of the file of an imported book."""
    if book is None:
        return []
    return [{"name": book.origin["file"], "sha256": book.origin["sha256"], "source": "accounts, given by --data"}]


def lab_head(study: EstimatorLabStudy, name: str, command: str, sampled: dict[str, str]) -> dict[str, Any]:
    """Head of an estimator lab; `sampled` says for each world how its samples were made."""
    how = {
        "independent": "independent draws from the exact horizon law, by counter-based uniforms through its quantile",
        "history": "consecutive windows of history that the world simulates; breach probabilities are conditional on "
        "the state after them, truth and regret are of the unconditional law",
    }
    return {
        "study": {"name": name, "title": study.title, "kind": study.kind},
        "command": command,
        "world": worlds_head(study.worlds),
        "settings": {
            "seed": study.seed,
            "replications": study.replications,
            "standard_error": study.standard_error,
            "horizon_hours": study.horizon_hours,
            "levels": list(study.levels),
            "sample_sizes": list(study.sample_sizes),
            "targets": list(study.targets),
            "samples": dict(sampled),
            "limit_size": study.limit_size,
            "limit_replications": study.limit_replications,
            "confidence": study.confidence,
        },
        "assumptions": [
            "Losses are positive; every error is relative to the exact quantile of the world.",
            *(f"Samples of {w} are {how[kind]}." for w, kind in sampled.items()),
            *dict.fromkeys(e.note for e in study.exposures if hasattr(e, "note")),
            "All estimators, levels and sample sizes see the same draws; a shorter sample is part of the longer ones.",
            "Breach probabilities are exact for each estimate, not counted hits.",
            *(
                [
                    f"Each estimator at each sample size uses the first so many of {study.replications:,} samples "
                    f"that the standard error of its mean estimate is {study.standard_error:.2g} of the truth at every "
                    "level and for VaR and ES, going by the scatter of the first 256: n beside a figure says how many."
                ]
                if study.standard_error is not None
                else []
            ),
            "Samples that an estimator refuses are counted, and left out of its other figures.",
            f"Model error is the bias on samples of {study.limit_size:,} losses; what is more at n is finite-sample "
            "bias.",
        ],
    }
