"""Titles and definitions of the measures of account life."""

# amounts with an atom at zero -> (title, what it is)
LIFE_AMOUNTS: dict[str, tuple[str, str]] = {
    "liquidated_notional": ("Liquidated notional", "notional closed in the market because of maintenance"),
    "account_shortfall": ("Shortfall", "amount that accounts owe beyond their equity"),
    "fund_draw": ("Fund draw", "amount taken from the insurance fund"),
    "fund_need": (
        "Fund need",
        "largest amount that an endless insurance fund, fees counted in, is ever below its start",
    ),
    "deleveraged_notional": ("Deleveraged notional", "notional of winners that is closed against bankrupt accounts"),
    "maker_loss": ("Loss of the maker", "loss of the maker of options, nothing where it gains"),
    "deleveraging_loss": ("Deleveraging loss", "loss of those who are deleveraged, against the mark"),
}
# measure -> (title, definition)
LIFE: dict[str, tuple[str, str]] = {
    "margin_calls": (
        "Margin calls",
        "Mean number of times on a path that an account is found below its maintenance requirement, once a step.",
    ),
    "bankrupt_accounts": (
        "Bankrupt accounts",
        "Mean number of accounts on a path that owe beyond their equity when they are taken over, by the fund or by "
        "bidders.",
    ),
    "deleveragings": (
        "Deleveragings",
        "Mean number of positions on a path that are closed against a bankrupt account.",
    ),
    "execution_cost": (
        "Execution cost",
        "Mean cost on a path of closing beside the mark: spread, depth of the book, pool, maker.",
    ),
    "liquidation_fees": (
        "Liquidation fees",
        "Mean fees on a path that liquidated accounts, or bidders for them, pay to the insurance fund.",
    ),
    "uncovered_loss": ("Uncovered loss", "Mean loss on a path that neither fund nor any account's equity bears."),
    "auctions": ("Auctions", "Mean number of auctions on a path that begin."),
    "auction_discount": (
        "Given to bidders",
        "Mean amount on a path that bidders in auctions get beside the mark: discount of solvent accounts, payment for "
        "insolvent ones.",
    ),
    "bidder_profit": (
        "Profit of bidders",
        "Mean amount on a path that is left to bidders of what they are given, after unwinding and fee.",
    ),
    "bidder_payment": (
        "Paid to bidders",
        "Mean amount on a path that fund and accounts pay bidders for taking accounts, beyond the shortfall of these.",
    ),
    "maker_notional": ("Options sold to the maker", "Mean notional of options on a path that the maker takes."),
    "maker_charge": (
        "Charged by the maker",
        "Mean amount on a path that the maker of options charges beside the mark.",
    ),
    "maker_profit": (
        "Profit of the maker",
        "Mean amount on a path of what the maker charges and what the options that it holds gain; it does not hedge.",
    ),
    "closing_cost": (
        "Cost of closing",
        "Mean amount on a path that leaves accounts and fund beside the mark: spread and depth, and what bidders keep. "
        "The fee goes to the fund and is no part of it.",
    ),
    "open_notional": (
        "Notional left open",
        "Mean notional on a path of accounts that at the end are below their requirement, in an auction, or taken over "
        "and not sold; closing it is not in fund and cost.",
    ),
    "open_probability": (
        "P(notional left open)",
        "Share of paths at whose end an account is below its requirement, in an auction, or taken over and not sold.",
    ),
    "volatility_rise_p99": (
        "Rise of implied volatility, p99",
        "99 % quantile over all paths of the largest share by which closing raises the implied volatility that options "
        "are marked at.",
    ),
    "volatility_rise_largest": (
        "Rise of implied volatility, largest",
        "Largest share on any path by which closing raises the implied volatility that options are marked at.",
    ),
    "deleveraging_probability": ("P(deleveraging)", "Share of paths on which somebody is deleveraged."),
    "fund_size": (
        "Fund size",
        "Size of the insurance fund at the start that is exhausted with the probability asked for: a quantile of the "
        "fund need.",
    ),
    "certified_fund": (
        "Certified fund",
        "Upper bound of the fund size, in whole dollars: enough with the confidence of the interval, whatever the law.",
    ),
    "fresh_exhaustion": (
        "Exhausted on fresh paths",
        "Share of new paths, drawn apart from those that chose it, on which the certified fund is exhausted.",
    ),
    "conservation_error": (
        "Conservation error",
        "Largest entry of money, coins or contracts that no other entry explains, as a share of all there is.",
    ),
    "need_mismatch": (
        "Paths that contradict the need",
        "Paths on which the fund is exhausted though the need is smaller, or is not though it is larger.",
    ),
}
