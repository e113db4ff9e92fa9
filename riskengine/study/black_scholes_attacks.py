"""Rows of a study of Black-Scholes on manipulation: the vault bought empty, and the mark that is moved."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from riskengine.arrays import Floats
from riskengine.engine.black_scholes import YEAR_HOURS, best_volatility, of_horizon, option_errors
from riskengine.estimate import Estimate, exact, undetermined
from riskengine.law.hedge_ratio import realised_variance
from riskengine.law.sampler import ExactSampler
from riskengine.liquidity.option_vault import worst_loss
from riskengine.oracle.mark_attack import MOST, best_attack, break_even_position, observations_needed
from riskengine.pricing.implied_vol import implied_volatility
from riskengine.random import DrawKeys
from riskengine.scenario.world import World
from riskengine.stats.mean import mean
from riskengine.stats.proportion import clopper_pearson
from riskengine.stats.quantile import expected_shortfall, value_at_risk
from riskengine.study.black_scholes_spec import BlackScholesStudy, MarkAttack
from riskengine.study.names import BLACK_SCHOLES
from riskengine.study.result import Row


def black_row(section: str, model: str, place: dict[str, Any], measure: str, figure: Estimate) -> Row:
    """A row with the unit of its measure."""
    return Row(section, model, place, measure, BLACK_SCHOLES[measure], figure)


def vault_rows(study: BlackScholesStudy, world: World) -> Iterator[Row]:
    """What a buyer who knows the law takes from the vault, maturity by maturity."""
    test, vault = study.vault, study.vault.quote
    whole = world.model.law(study.asset, 1.0)
    z = np.array(test.moneyness)
    for days in test.days:
        law = of_horizon(whole, 24.0 * days / YEAR_HOURS)
        strike = np.exp(z * np.sqrt(realised_variance(law) * law.horizon))
        volatility = best_volatility(law, study.volatilities[0])
        true = option_errors(law, strike, volatility)
        coins = vault.bought(volatility, z, true.implied)
        premium = vault.premium(volatility, z, strike, true.sign, law.horizon, coins)
        first = vault.premium(volatility, z, strike, true.sign, law.horizon, np.full(z.shape, 1e-9)) / 1e-9
        spread = vault.break_even_spread(volatility, z, true.implied)
        place = {"world": world.name, "days": days}
        x = ExactSampler(law).draw(1, 0, test.paths, DrawKeys(study.seed))[0]
        payoff = np.maximum(true.sign[:, None] * (np.exp(x) - strike[:, None]), 0.0)
        for i, m in enumerate(test.moneyness):
            at = place | {"moneyness": m}
            for measure, figure in (
                ("vault_edge", exact(float(true.price[i] - first[i]))),
                ("vault_size", exact(float(coins[i]))),
                ("vault_profit", exact(float(coins[i] * true.price[i] - premium[i]))),
                ("vault_break_even", exact(round(float(spread[i]), 12))),
                ("vault_break_even_size", exact(max(float(spread[i] - vault.spread) / vault.impact, 0.0))),
            ):
                known = figure if np.isfinite(figure.value) else undetermined(0, "price below 1e-13 of the spot")
                yield black_row("vault", "", at, measure, known)
            root = _implied(mean(payoff[i], study.confidence), strike[i], law.horizon, true.sign[i])
            shift = volatility + vault.wing * abs(m)
            seen = _scaled(root, shift, 1.0)
            yield black_row("vault", "", at, "vault_break_even_simulated", seen)
            size = _scaled(seen, vault.spread, 1.0 / vault.impact)
            yield black_row("vault", "", at, "vault_break_even_size_simulated", _positive(size))
        yield from _whole(study, place, true.sign, strike, true.price, coins, premium, payoff)


def _whole(
    study: BlackScholesStudy,
    place: dict[str, Any],
    sign: Floats,
    strike: Floats,
    price: Floats,
    coins: Floats,
    premium: Floats,
    payoff: Floats,
) -> Iterator[Row]:
    """All options of a maturity together: the buyer's profit is the vault's loss."""
    c, taken = study.confidence, float(premium.sum())
    loss = coins @ payoff - taken
    worst = worst_loss(strike, sign, coins, taken)
    bounded = exact(worst, "puts only: the price at zero") if np.isfinite(worst) else undetermined(0, "no bound: calls")
    for measure, figure in (
        ("vault_profit", exact(float(coins @ price) - taken)),
        ("vault_profit_simulated", mean(loss, c)),
        ("vault_loss_probability", clopper_pearson(int((loss > 0.0).sum()), loss.size, c)),
        ("vault_loss_p99", value_at_risk(loss, [0.99], c)[0]),
        ("vault_loss_es_99", expected_shortfall(loss, 0.99, c)),
        ("vault_worst", bounded),
    ):
        yield black_row("vault_total", "", place, measure, figure)


def _implied(price: Estimate, strike: float, tau: float, sign: float) -> Estimate:
    """Implied volatility of a mean payoff; the ends of its interval go through the same increasing function."""
    least, most = max(sign * (1.0 - strike), 0.0), 1.0 if sign > 0 else strike
    ends = [min(max(v, least), most * (1.0 - 1e-12)) for v in (price.value, price.lower, price.upper)]
    value, lower, upper = (float(v) for v in implied_volatility(ends, 1.0, strike, tau, sign))
    if not np.isfinite(price.lower):
        return Estimate(value, np.nan, -np.inf, np.inf, price.confidence, price.n, price.n_effective, price.method)
    said = f"{price.method}, through the inverse price"
    return Estimate(value, np.nan, lower, upper, price.confidence, price.n, price.n_effective, said)


def _scaled(e: Estimate, less: float, times: float) -> Estimate:
    """An estimate less a known number, times a positive one."""
    value, lower, upper = (times * (v - less) for v in (e.value, e.lower, e.upper))
    return replace(e, value=value, std_error=times * e.std_error, lower=lower, upper=upper)


def _positive(e: Estimate) -> Estimate:
    """An estimate of what cannot be negative: a size below nothing is nothing."""
    value, lower, upper = (max(v, 0.0) for v in (e.value, e.lower, e.upper))
    return replace(e, value=value, lower=lower, upper=upper)


def attack_rows(attack: MarkAttack) -> Iterator[Row]:
    """The best push under every rule, and what stops it; the attack is arithmetic, so every figure is exact."""
    market, position = attack.market, attack.position_usd
    for cap in attack.caps:
        for n in attack.observations:
            rule = attack.rule(n, cap)
            found, at = best_attack(market, rule, position), {"observations": n, "cap": cap}
            for measure, value in (
                ("attack_push", found.push),
                ("attack_cost", found.cost),
                ("attack_profit", found.profit),
                ("attack_break_even", break_even_position(market, rule)),
            ):
                yield black_row("mark_attack", attack.name, at, measure, exact(value))
        needed = observations_needed(market, attack.rule(attack.controlled, cap), position)
        said = undetermined(0, f"more than {MOST:,}") if needed == MOST else exact(needed)
        yield black_row("mark_attack_stop", attack.name, {"cap": cap}, "attack_observations", said)
