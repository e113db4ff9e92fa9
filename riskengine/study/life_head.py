"""What the result of a study of account life says of itself: settings, and assumptions in words."""

import math
from typing import Any

import numpy as np

from riskengine.liquidation.venue_terms import VenueTerms
from riskengine.study.describe import world_data, world_head
from riskengine.study.life_spec import AccountLifeStudy


def _sold(venue: VenueTerms) -> list[str]:
    """How accounts are closed that are sold."""
    parts = [p for p, held in (("order book", venue.execution.book), ("pool", venue.execution.pool)) if held]
    return [
        "An account below its maintenance requirement is closed in part, the worst covered first, until equity is "
        f"{venue.target:g} times the requirement of what is left, at the price that its own sale makes.",
        f"Sales go to the {', then the '.join(parts)}; no dollar is filled at more than "
        f"{100 * venue.execution.limit:g} % beside the mark, and what is left waits a step. "
        "Depth that was taken refills with its half-life.",
        f"A fee of {100 * venue.liquidation_fee:g} % of what is closed goes to the fund. The fund pays what an account "
        "owes and takes it over; where it cannot, positions are closed against ranked accounts on the other side, and "
        "what is then still owed is charged to accounts with equity in proportion to it.",
    ]


def _auctioned(venue: VenueTerms) -> list[str]:
    """How accounts are closed that are auctioned."""
    who = venue.auction.bidders
    return [
        "An account below its maintenance requirement is auctioned: bidders pay a falling share of its value, and take "
        f"it until equity is {venue.target:g} times the requirement of what is left. For taking one without equity "
        "they are paid, in the end its requirement too, by the fund, then by all accounts with equity. Nobody is "
        "deleveraged, and what is owed at the end is settled at the mark.",
        f"A bidder comes every {who.arrival_seconds:g} s and takes what earns him most after unwinding in the venue's "
        f"own book and pool, a fee of {100 * venue.liquidation_fee:g} % to the fund and a profit of "
        f"{100 * who.required_profit:g} % of notional; bidders have {who.capital_usd:,.0f} USD, half of what they tie "
        f"is free after {who.capital_half_life_hours:g} h.",
    ]


def _options(venue: VenueTerms) -> str:
    """What options require, and to whom they are sold."""
    maker, book = venue.execution.maker, venue.execution.options
    sold = "options are sold to a book of their own and are not deleveraged."
    if maker is not None:
        first = "" if book is None else "a book of their own, then to "
        sold = (
            f"options are sold to {first}a maker, and are not deleveraged. It quotes {100 * maker.spread:g} points of "
            f"volatility from the mark and, at a full inventory of vega, {100 * maker.vega_widening:g} more."
        )
    return (
        f"A short option requires {100 * venue.option_maintenance:g} % of spot (a put of its mark where that "
        f"is more), a long one its whole value; {sold}"
    )


def life_head(study: AccountLifeStudy, name: str, command: str) -> dict[str, Any]:
    """Study, world, settings and assumptions of a result."""
    book, venue = study.book, study.venue
    spot = np.asarray(study.world.model.spot)
    held = float((book.sizes(spot) * spot[book.asset_index]).sum())
    said = [
        "A path is the unit of every interval. Paths run under the real-world law.",
        *(_sold(venue) if venue.auction is None else _auctioned(venue)),
        "Traders neither add margin nor trade; collateral in coin counts at its price.",
        *([_options(venue)] if book.options.size else []),
    ]
    if study.feedback is not None:
        said.append(
            "With price feedback on, sales also move the mark of everybody by 1 % for each depth sold; the move halves "
            f"every {study.feedback.half_life_hours:g} h. Off, prices are exogenous."
        )
    heat = study.volatility_feedback
    if heat is not None:
        said.append(
            f"With volatility feedback on, closing a depth adds {heat.elasticity:g} to the logarithm of the variance "
            f"that options are marked at, less the nearer it is to the most that is ever added, {heat.largest:g} "
            f"(implied volatility times {math.exp(0.5 * heat.largest):.3g}); it halves every {heat.half_life_hours:g} "
            "h. The path itself moves as before."
        )
    if study.routes:
        said.append(
            f"Ways to close accounts differ in nothing else: {study.own_route.replace('_', ' ')} is the venue's own; "
            "all run on the same paths, with all the feedback there is."
        )
    if study.targets:
        said.append(
            "A certified fund is the upper bound of the interval of the fund, and is run on paths of their own; it "
            "holds given the world and the book."
        )
    settings = {
        "seed": study.seed,
        "paths": study.paths,
        "horizon_hours": study.horizon_hours,
        "step_hours": study.step_hours,
        "accounts": book.accounts,
        "notional_held_usd": round(held),
        "insurance_fund_usd": study.insurance_fund_usd,
        "targets": list(study.targets),
        "confidence": study.confidence,
        "price_feedback": study.feedback is not None,
    }
    if heat is not None:
        settings["volatility_feedback"] = True
    if study.routes:
        settings["routes"] = [study.own_route, *study.routes]
    return {
        "study": {"name": name, "title": study.title, "kind": study.kind},
        "command": command,
        "world": world_head(study.world),
        "settings": settings,
        "assumptions": said,
    } | ({"data": data} if (data := world_data(study.world)) else {})
