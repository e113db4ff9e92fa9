"""Titles and definitions of the measures of a study of Black-Scholes."""

# measure -> (title, definition)
BLACK_SCHOLES: dict[str, tuple[str, str]] = {
    "one_volatility": ("The one volatility", "Volatility that Black–Scholes is given for a maturity."),
    "true_price": ("True price", "Price of the option under the world's own law, per cent of the spot."),
    "price_error": ("Price error", "Black–Scholes price over the true one, less 1: −90 % is a tenth of the price."),
    "volatility_error": (
        "Volatility error",
        "The one volatility less the implied volatility of the true price, in points of volatility a year.",
    ),
    "delta_error": ("Delta error", "Black–Scholes delta less the true one, in coins per option."),
    "hedge_error": (
        "Hedge error",
        "Black–Scholes delta less the hedge that leaves least variance over the next instant, in coins per option.",
    ),
    "margin_needed": (
        "Margin needed",
        "Exact loss quantile of the short option over the margin period, per cent of the spot; negative where the "
        "seller gains.",
    ),
    "margin_black": ("Margin of Black–Scholes", "The same under Black–Scholes prices and a lognormal return."),
    "margin_error": ("Margin error", "Margin of Black–Scholes over the margin needed, less 1."),
    "margin_breach": (
        "Breach of the Black–Scholes margin",
        "Exact probability of a loss beyond the margin that assumes Black–Scholes.",
    ),
    "hedge_mean": (
        "Mean loss",
        "Mean loss of the hedged seller, per cent of the spot; zero where the price has no drift.",
    ),
    "hedge_sd": ("Tracking error", "Standard deviation of the hedged seller's loss, per cent of the spot."),
    "hedge_variance_ratio": (
        "Variance of Black–Scholes",
        "Variance of the loss over that of the Black–Scholes delta, on the same paths: below 100 % is better.",
    ),
    "hedge_loss_p01": ("Loss, p1", "1 % quantile of the hedged seller's loss: the good end."),
    "hedge_loss_p99": ("Loss, p99", "99 % quantile of the hedged seller's loss."),
    "hedge_loss_es_99": ("Loss, ES 99 %", "Mean of the hedged seller's worst 1 % of losses."),
    "hedge_table_error": (
        "Error of tabulated hedges",
        "Largest difference of a hedge read from its table and the exact one, in coins per option, where it was tried.",
    ),
    "vault_edge": ("Edge of the first coin", "True price less the first ask, per cent of the spot; exact."),
    "vault_size": ("Coins bought", "Coins that a buyer who knows the law takes, until the next costs its true price."),
    "vault_profit": (
        "Expected profit of the buyer",
        "True value of what he buys less what he pays for it, per cent of the spot of one coin; exact.",
    ),
    "vault_profit_simulated": ("Expected profit, simulated", "The same as the mean over prices drawn at expiry."),
    "vault_break_even": (
        "Spread that ends it",
        "Spread in points of volatility at which the first coin has no edge; exact.",
    ),
    "vault_break_even_simulated": (
        "Spread that ends it, simulated",
        "The same from the mean payoff over prices drawn, its interval carried through the inverse price.",
    ),
    "vault_break_even_size": (
        "Size that ends it",
        "Coins after which the next one has no edge, were there no limit: its impact has eaten the edge.",
    ),
    "vault_break_even_size_simulated": (
        "Size that ends it, simulated",
        "The same from the simulated spread that ends it.",
    ),
    "vault_loss_probability": ("P(the vault loses)", "Share of prices at expiry at which payoffs exceed the premiums."),
    "vault_loss_p99": ("Loss of the vault, p99", "99 % quantile of payoffs less premiums, per cent of the spot."),
    "vault_loss_es_99": ("Loss of the vault, ES 99 %", "Mean of its worst 1 % of losses, per cent of the spot."),
    "vault_worst": (
        "Most the vault can lose",
        "Payoffs less premiums at the worst price there can be, per cent of the spot; no bound once a call is sold.",
    ),
    "attack_push": ("Best push", "How far the attacker pushes what the oracle reads; 0 where no push pays."),
    "attack_cost": ("Cost of the attack", "What the pushes cost over all observations that he holds."),
    "attack_profit": ("Profit of the attack", "Gain of the position less the cost, at the best push."),
    "attack_break_even": (
        "Open interest that is safe",
        "Least position on which any push pays: a cap on open interest below it stops the attack.",
    ),
    "attack_observations": (
        "Observations needed",
        "Fewest observations in the average from which no push pays for this position.",
    ),
    "fixed_error": (
        "Error of 18 decimals",
        "Larger error of call and put in 18-decimal integers against 50 digits, in units of 1e-18 of the larger of "
        "forward and strike.",
    ),
    "fixed_largest_forward": (
        "Largest forward",
        "Largest power of ten (its exponent, USD) of an at-the-money forward that does not revert.",
    ),
    "fixed_mul": ("Multiplications", "256-bit multiplications of one call, the most over the arguments tried."),
    "fixed_div": ("Divisions", "256-bit divisions of one call, the most over the arguments tried."),
    "fixed_add": ("Additions", "256-bit additions and comparisons by subtraction of one call."),
    "fixed_shift": ("Shifts", "256-bit shifts of one call."),
    "hedge_sd_lognormal": (
        "Tracking error if Black–Scholes were true",
        "Closed form of the standard deviation that hedging at intervals leaves in a lognormal world, leading order.",
    ),
}
