"""Utilisation on the path: against a plain account of one path with the contracts' integer rates, protocol by protocol,
and against the stated utilisation where nothing moves it."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from scipy.optimize import brentq

from riskengine.book.loans import Loans
from riskengine.engine.desks import LendingDesk
from riskengine.engine.loop import run_loop
from riskengine.lending.aave_v3.market import AaveV3
from riskengine.lending.aave_v3.rules import AaveV3Rules, Reserve
from riskengine.lending.comet.market import Comet
from riskengine.lending.comet.rules import BorrowCurve, CometAsset, CometRules
from riskengine.lending.euler_evk.market import EulerEvk
from riskengine.lending.euler_evk.rules import EulerCollateral, EulerRules
from riskengine.lending.keeper import Keeper
from riskengine.lending.listing import Token, wad
from riskengine.lending.morpho_blue.integer import liquidation_incentive_factor, taylor_compounded
from riskengine.lending.morpho_blue.market import MorphoBlue
from riskengine.lending.morpho_blue.rules import IsolatedMarket, MorphoRules
from riskengine.lending.utilisation import PathUtilisation, RateShock
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.oracle.push import PushOracle
from riskengine.pricing.fixed_point import RAY, SECONDS_PER_YEAR, WAD
from riskengine.rates.adaptive_curve import adaptive_rate
from riskengine.rates.crvusd_policy import CrvusdPolicy
from riskengine.rates.linear_kink import LinearKink
from riskengine.rates.two_slope import TwoSlope, exact_rates

HOUR, STEPS = 3600, 60
CURVE = TwoSlope(0.8, 0.01, 0.04, 0.9, 0.1)
COMET = BorrowCurve(0.8, 0.015, 0.035, 0.25), BorrowCurve(0.8, 0.0, 0.0325, 0.4)
EULER = LinearKink(0, 516261061, 4371001016, 3865470566)
USED = {"aave_v3": 0.85, "comet": 0.82, "morpho_blue": 0.88, "euler_evk": 0.92}
DEEP = {"keeper": Keeper(0.0, 0.0, 1), "liquidity": ConstantProduct({"ETH": 1e15}, 0.0, 1.0)}
ORACLE = PushOracle(0.0, 1.0)
USDC = Token("USDC", None, 6)
COLLATERAL = np.array([10.0, 12.0, 9.0, 20.0, 15.0])
DEBT = np.array([14_500.0, 16_900.0, 14_600.0, 18_000.0, 23_000.0])
BOOK = Loans(
    ("WETH", "USDC"), np.stack([COLLATERAL, 0 * DEBT], axis=1), np.stack([0 * DEBT, DEBT], axis=1), tuple("abcde")
)


def market(kind, path=None, **changes):
    """A market of `kind` that liquidates whole accounts, without gas or slippage."""
    if kind == "aave_v3":
        weth = Reserve("WETH", "ETH", 18, 0.7, 0.83, 0.05, 0.0, TwoSlope(0.8, 0.0, 0.0, 0.0))
        usdc = Reserve(
            "USDC", None, 6, 0.0, 0.0, 0.0, 0.0, changes.get("curve", CURVE), changes.get("used", USED[kind])
        )
        return AaveV3(
            AaveV3Rules("t", "2025-01-01", "t", (weth, usdc), ORACLE, close_factor=1.0), **DEEP, utilisation=path
        )
    if kind == "comet":
        weth = CometAsset("WETH", "ETH", 18, borrow_collateral_factor=0.7, liquidate_collateral_factor=0.83,
                          liquidation_factor=0.95)  # fmt: skip
        rules = CometRules(
            "t", "t", "t", USDC, (weth,), 0.5, 1e15, COMET[0], ORACLE, 4_000.0, USED[kind], supply_rates=COMET[1]
        )
        return Comet(rules, **DEEP, utilisation=path)
    if kind == "morpho_blue":
        weth = IsolatedMarket("WETH", "ETH", 18, lltv=0.83, utilisation=USED[kind], rate_at_target=0.05, fee=0.1)
        return MorphoBlue(MorphoRules("t", "t", "t", USDC, (weth,), ORACLE), **DEEP, utilisation=path)
    weth = EulerCollateral("WETH", "ETH", 18, borrow_ltv=0.7, liquidation_ltv=0.83)
    rules = EulerRules("t", "t", "t", USDC, (weth,), 0.15, EULER, ORACLE, USED[kind], interest_fee=0.1)
    return EulerEvk(rules, **DEEP, utilisation=path)


def crash(paths=3):
    """ETH prices (T + 1, 1, P): one calm path, one that falls by a third, one that falls by two thirds in a step."""
    t = np.arange(STEPS + 1)[:, None]
    noise = np.random.default_rng(5).normal(0.0, 0.002, (STEPS + 1, paths)).cumsum(axis=0)
    fall = np.array([0.0, -0.4, -1.1])[:paths] * np.clip((t - 20) / np.array([1.0, 15.0, 1.0])[:paths], 0.0, 1.0)
    return np.exp(np.log(2000.0) + noise - noise[0] + fall)[:, None, :]


def lived(model, spot, book=BOOK):
    state = model.init(book, ("ETH",), spot[0], TimeGrid(HOUR, len(spot) - 1))
    events = [model.step(state, t, spot[t]) for t in range(1, len(spot))]
    return state, events, model.close(state, spot[-1])


class Account:
    """One path of one pool in plain numbers; cash is counted from what flows, not from claims."""

    def __init__(self, kind, path):
        self.kind, self.path = kind, path
        self.collateral, self.debt = list(COLLATERAL), list(DEBT)
        self.others = self.protocol = self.deficit = self.refused = 0.0
        self.supply = sum(DEBT) / USED[kind]
        self.reserves = 4_000.0 if kind == "comet" else 0.0
        self.cash = self.supply + self.reserves - sum(DEBT)
        self.at_target = wad(0.05) // SECONDS_PER_YEAR
        self.wanted, self.held, self.jumped = [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]
        self.first = self.rates()
        self.paid = self.earned = self.above = self.total = 0.0
        self.waiting = self.waiting_with_cash = self.unpaid = 0.0
        self.peak = self.used()

    def owed(self):
        return sum(self.debt) + self.others

    def used(self):
        whole = {"comet": self.supply, "morpho_blue": self.supply + self.protocol}
        return self.owed() / whole.get(self.kind, self.owed() + self.cash)

    def rates(self, u=None):
        """Borrow and supply rate per year before they are rounded."""
        u = self.used() if u is None else u
        if self.kind == "aave_v3":
            rate = 0.01 + 0.04 * min(u / 0.8, 1.0) + 0.9 * max(u - 0.8, 0.0) / 0.2
        elif self.kind == "comet":
            per_second = [
                [v // SECONDS_PER_YEAR for v in (c.exact.base, c.exact.slope_low, c.exact.slope_high)] for c in COMET
            ]
            year = SECONDS_PER_YEAR / WAD
            return tuple((b + low * min(u, 0.8) + high * max(u - 0.8, 0.0)) * year for b, low, high in per_second)
        elif self.kind == "morpho_blue":
            far = (u - 0.9) / (0.1 if u > 0.9 else 0.9)
            rate = self.at_target / WAD * SECONDS_PER_YEAR * (1.0 + (3.0 if far > 0 else 0.75) * far)
        else:
            steps = u * (2**32 - 1)
            slopes = EULER.slope1 * min(steps, EULER.kink) + EULER.slope2 * max(steps - EULER.kink, 0.0)
            rate = slopes / RAY * SECONDS_PER_YEAR
        return rate, rate * u * 0.9

    def accrue(self):
        u = self.used()
        kink = {"aave_v3": 0.8, "comet": 0.8, "morpho_blue": 0.9, "euler_evk": EULER.kink / (2**32 - 1)}[self.kind]
        self.total += u
        self.above += u > kink + 1e-12
        self.waiting += self.unpaid > 0.0
        self.waiting_with_cash += self.unpaid > 0.0 and self.cash > 1e-9 * self.supply
        if self.kind == "aave_v3":
            raw = (round(x * 10**12) for x in (self.owed(), max(self.cash, 0.0), self.deficit))
            found = exact_rates(8000, 100, 400, 9000, 1000, *raw, HOUR)
            factor, earned = found.borrow_index_factor / RAY, self.supply * (found.supply_index_factor / RAY - 1.0)
        elif self.kind == "comet":
            factor = 1.0 + COMET[0].per_second(u) * HOUR / WAD
            earned = self.supply * COMET[1].per_second(u) * HOUR / WAD
        elif self.kind == "morpho_blue":
            found = adaptive_rate(self.at_target, round(u * WAD), HOUR)
            self.at_target = found.end_rate_at_target
            factor = 1.0 + taylor_compounded(found.average_borrow_rate, HOUR) / WAD
            earned = 0.9 * self.owed() * (factor - 1.0)
        else:
            rate = EULER.per_second(round(self.owed() * 10**12), round(self.cash * 10**12))
            factor = float((1 + Decimal(rate) / RAY) ** HOUR)
            earned = 0.9 * self.owed() * (factor - 1.0)
        interest = self.owed() * (factor - 1.0)
        self.debt = [d * factor for d in self.debt]
        self.others *= factor
        self.supply += earned
        self.protocol += interest - earned
        self.paid += interest
        self.earned += earned

    def answers(self, part):
        """What both want at the utilisation that follows from it."""
        before, whole = list(self.wanted), self.supply + self.protocol + self.reserves - self.deficit
        own = {"comet": 0.0, "morpho_blue": self.protocol}.get(self.kind, whole - self.supply)

        def wanted(u):
            now = self.rates(u)
            powers = (-self.path.borrower_elasticity, self.path.supplier_elasticity)
            return [before[s] ** (1.0 - part) * max(now[s] / self.first[s], 0.01) ** (powers[s] * part) for s in (0, 1)]

        def gap(u):
            debt, supply = (self.jumped[s] * w / self.held[s] for s, w in enumerate(wanted(u)))
            return self.owed() * debt / (self.supply * supply + own) - u

        most = 1.0 + max(self.reserves, 0.0) / self.supply
        return wanted(brentq(gap, 0.0, most, xtol=1e-15, rtol=1e-15) if gap(most) < 0.0 else most)

    def respond(self, hour):
        for shock in self.path.shocks:
            if shock.hours == hour:
                self.jumped = [self.jumped[0] * shock.demand, self.jumped[1] * (1.0 - shock.withdrawn)]
        part = 1.0 - 0.5 ** (1.0 / self.path.half_life_hours)
        self.wanted = self.answers(part)
        goal = [self.jumped[s] * self.wanted[s] / self.held[s] for s in (0, 1)]
        if goal[0] < 1.0:
            self.cash += self.owed() * (1.0 - goal[0])
            self.debt = [d * goal[0] for d in self.debt]
            self.others *= goal[0]
            self.held[0] *= goal[0]
        asked = self.supply * (goal[1] - 1.0)
        flow = max(asked, -max(self.cash, 0.0))
        self.unpaid = flow - asked if flow - asked > 1e-9 * self.supply else 0.0
        self.refused = max(self.refused, self.unpaid)
        self.held[1] *= 1.0 + flow / self.supply
        self.supply += flow
        self.cash += flow
        if goal[0] > 1.0:
            new = min(self.owed() * (goal[0] - 1.0), max(self.cash, 0.0))
            self.held[0] *= 1.0 + (new / self.owed() if self.owed() else 0.0)
            self.others += new
            self.cash -= new

    def liquidate(self, price):
        bonus = liquidation_incentive_factor(wad(0.83)) / WAD if self.kind == "morpho_blue" else 1.05
        for i in range(5):
            held, owed = self.collateral[i] * price, self.debt[i]
            if owed == 0.0 or held * 0.83 >= owed * (1.0 - 1e-12):
                continue
            if self.kind == "comet":
                credit = held * 0.95
                self.reserves -= max(credit, owed)
                self.supply += max(credit - owed, 0.0)
                # the storefront sells all of it at half the penalty
                self.reserves += held * 0.975
                self.cash += held * 0.975
                self.collateral[i] = self.debt[i] = 0.0
                continue
            if self.kind == "euler_evk":
                bonus = 1.0 / max(held * 0.83 / owed, 0.85)
            repaid = min(owed, held / bonus)
            self.cash += repaid
            self.collateral[i] -= repaid * bonus / price
            self.debt[i] = 0.0
            lost = owed - repaid
            if lost > 0.0:
                self.collateral[i] = 0.0
                if self.kind == "aave_v3":
                    self.deficit += lost
                else:
                    share = self.supply / (self.supply + self.protocol)
                    self.supply -= lost * share
                    self.protocol -= lost * (1.0 - share)

    def run(self, prices):
        for hour, price in enumerate(prices[1:], 1):
            self.accrue()
            self.respond(hour)
            self.liquidate(price)
            self.peak = max(self.peak, self.used())
        return self


PATH = PathUtilisation(
    0.6, 0.4, 12.0, (RateShock(10.0, demand=1.3), RateShock(30.0, withdrawn=0.4), RateShock(45.0, 0.1, 0.6))
)


# suppliers who want out while keepers repay, and hardly anybody who answers
RUN = PathUtilisation(0.02, 0.02, 24.0, (RateShock(15.0, withdrawn=0.5),))


@pytest.mark.parametrize("path", [PATH, RUN], ids=["shocks", "run"])
@pytest.mark.parametrize("kind", list(USED))
def test_every_path_is_that_of_a_plain_account_with_integer_rates(kind, path):
    spot = crash()
    state, events, closing = lived(market(kind, path), spot)
    pools = state.own["pools"]
    for p in range(3):
        plain = Account(kind, path).run(spot[:, 0, p])
        found = {
            "book": pools.book[0, p], "others": pools.others[0, p], "supply": pools.supply[0, p],
            "protocol": pools.protocol[0, p], "deficit": pools.deficit[0, p], "cash": pools.cash[0, p],
            "mean": closing["utilisation_mean"][p], "peak": closing["utilisation_peak"][p],
            "above": closing["hours_above_kink"][p], "waiting": closing["hours_waiting"][p],
            "refused": closing["withdrawals_refused"][p], "paid": closing["borrower_interest"][p],
            "earned": closing["supplier_interest"][p], "kept": closing["interest_kept"][p],
        }  # fmt: skip
        expected = {
            "book": sum(plain.debt), "others": plain.others, "supply": plain.supply, "protocol": plain.protocol,
            "deficit": plain.deficit, "cash": plain.cash, "mean": plain.total / STEPS, "peak": plain.peak,
            "above": plain.above, "waiting": plain.waiting, "refused": plain.refused, "paid": plain.paid,
            "earned": plain.earned, "kept": plain.paid - plain.earned,
        }  # fmt: skip
        scale = {"cash": plain.supply, "protocol": plain.paid, "kept": plain.paid}
        for name, value in expected.items():
            slack = 1e-9 * scale.get(name, 0.0) + 1e-9
            assert found[name] == pytest.approx(value, rel=1e-9, abs=slack), (name, p)
    # the shocks did what they are there for: somebody was refused, and the crash was lived through
    assert closing["withdrawals_refused"].max() > 1_000 and closing["hours_waiting"].max() > 0
    assert sum(e.liquidations for e in events)[2] == 5
    if path is RUN:  # what keepers repaid lay there while suppliers waited: that is not an hour without waiting
        assert plain.waiting_with_cash >= 1


CALM = np.full((STEPS + 1, 1, 2), 2000.0)
STILL = PathUtilisation()


def test_everything_lent_out_is_the_stated_utilisation_of_one():
    # with no idle cash debt over debt plus cash stays 1, whatever accrues
    moving, stated = (lived(market("aave_v3", path, used=1.0), CALM) for path in (STILL, None))
    np.testing.assert_allclose(moving[0].debt[:, 1], stated[0].debt[:, 1] * stated[0].indices[1, 1], rtol=1e-13)
    for measure in ("debt", "bad_debt", "borrow_capacity_at_close", "liquidatable"):
        np.testing.assert_allclose(moving[2][measure], stated[2][measure], rtol=1e-13, err_msg=measure)
    assert not moving[2]["hours_waiting"].any() and "utilisation_mean" not in stated[2]


def test_a_flat_curve_is_the_stated_utilisation_through_a_crash():
    flat, spot = TwoSlope(0.8, 0.08, 0.0, 0.0, 0.1), crash()
    moving, stated = (lived(market("aave_v3", path, curve=flat), spot) for path in (STILL, None))
    for a, b in zip(moving[1], stated[1], strict=True):
        for name in ("volume_usd", "deficit_usd", "seized_usd", "liquidations", "keeper_profit_usd"):
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-12, atol=1e-9, err_msg=name)
    assert sum(e.liquidations for e in stated[1]).tolist()[1:] == [4, 5]


@pytest.mark.parametrize("kind", ["aave_v3", "comet", "euler_evk"])
def test_without_answers_debt_grows_as_at_each_hours_utilisation_stated(kind):
    model, grid = market(kind, STILL), TimeGrid(HOUR, STEPS)
    state, product = model.init(BOOK, ("ETH",), CALM[0], grid), 1.0
    for t in range(1, 20):
        used = float(state.own["pools"].used[0, 0])
        rules = replace(model.rules, utilisation=used) if kind != "aave_v3" else market(kind, used=used).rules
        one = replace(model, rules=rules, utilisation=None)
        fixed = one.init(BOOK, ("ETH",), CALM[0], grid)
        one.accrue(fixed, 1)
        product *= fixed.indices[1, 1]
        model.step(state, t, CALM[t])
        np.testing.assert_allclose(state.debt[:, 1, 0], DEBT * product, rtol=1e-11)
        assert state.own["pools"].used[0, 0] > used


def test_answers_settle_where_demand_meets_supply():
    rule = PathUtilisation(0.5, 0.3, 2.0, (RateShock(1.0, demand=1.2),))
    state, _, closing = lived(market("aave_v3", rule, used=0.75), np.full((STEPS + 1, 1, 1), 2000.0))
    first, u = (float(CURVE.borrow_rate(0.75)), float(CURVE.supply_rate(0.75))), state.own["pools"].used[0, 0]

    def gap(x):
        answers = (CURVE.borrow_rate(x) / first[0]) ** 0.5 * (CURVE.supply_rate(x) / first[1]) ** 0.3
        return x * answers - 0.75 * 1.2

    # interest of two and a half days moves it by a few in ten thousand
    assert u == pytest.approx(brentq(gap, 0.1, 1.0), rel=1e-3)
    assert closing["withdrawals_refused"][0] == 0.0


@pytest.mark.parametrize("kind", list(USED))
def test_claims_are_debt_cash_and_what_was_lost_and_interest_is_shared_out(kind):
    state, _, closing = lived(market(kind, PATH), crash())
    pools = state.own["pools"]
    np.testing.assert_allclose(
        closing["borrower_interest"], closing["supplier_interest"] + closing["interest_kept"], rtol=1e-12
    )
    # what the loans of the book say for themselves
    np.testing.assert_allclose(pools.book[0], state.debt[:, 1].sum(axis=0), rtol=1e-12, atol=1e-9)
    assert (pools.cash >= -1e-9 * pools.supply).all() and (pools.supply >= 0).all()
    if kind == "aave_v3":
        np.testing.assert_allclose(pools.deficit[0], state.deficit_usd, rtol=1e-9, atol=1e-9)
    assert (closing["utilisation_peak"] >= closing["utilisation_mean"]).all()
    assert ((closing["hours_waiting"] > 0) == (closing["withdrawals_refused"] > 0)).all()


def test_a_path_does_not_depend_on_those_beside_it():
    spot = crash()
    whole, alone = (lived(market("morpho_blue", PATH), spot[:, :, k:])[2] for k in (0, 2))
    for measure, column in whole.items():
        np.testing.assert_array_equal(column[2:], alone[measure], err_msg=measure)


def test_suppliers_at_full_utilisation_wait_until_loans_are_repaid():
    run = PathUtilisation(0.0, 0.0, 24.0, (RateShock(5.0, withdrawn=0.5),))
    held = lived(market("euler_evk", run), CALM)[2]
    assert held["withdrawals_refused"][0] == pytest.approx(DEBT.sum() / 0.92 * 0.42, rel=1e-3)
    assert held["hours_waiting"][0] == STEPS - 5 and held["utilisation_peak"][0] == pytest.approx(1.0)
    # liquidations repay debt, and what comes in goes out at once: those who wait get it
    state, _, crashed = lived(market("euler_evk", run), crash())
    waiting, left = state.own["pools"].refused[0], state.own["pools"].supply[0]
    assert waiting[1] < 0.2 * waiting[0] and left[1] < 0.7 * left[0]
    # borrowers who answer the rate repay, so fewer are refused for long
    eased = lived(market("euler_evk", replace(run, borrower_elasticity=0.5, half_life_hours=6.0)), CALM)[0]
    assert eased.own["pools"].refused[0, 0] < 0.9 * state.own["pools"].refused[0, 0]


def test_several_pools_and_supplied_debt_tokens():
    book = Loans(("WETH", "USDC"), np.array([[10.0, 5_000.0], [0.0, 30_000.0]]), np.array([[0.0, 9_000.0], [8.0, 0.0]]),
                 ("a", "b"))  # fmt: skip
    weth = Reserve("WETH", "ETH", 18, 0.7, 0.83, 0.05, 0.0, CURVE, 0.5)
    usdc = Reserve("USDC", None, 6, 0.7, 0.8, 0.05, 0.0, CURVE, 0.9)
    rules = AaveV3Rules("t", "2025-01-01", "t", (weth, usdc), ORACLE)
    state, _, closing = lived(AaveV3(rules, **DEEP, utilisation=STILL), CALM, book)
    pools = state.own["pools"]
    assert pools.columns.tolist() == [0, 1]
    # collateral in a pool's token grows by what its suppliers earn
    grown = pools.supply[:, 0] / (np.array([8.0, 9_000.0]) / [0.5, 0.9])
    np.testing.assert_allclose(state.collateral[:, :, 0], book.collateral * grown, rtol=1e-12)
    worth = 8.0 * 2000.0, 9_000.0
    mean = (worth[0] * 0.5 + worth[1] * 0.9) / sum(worth)
    assert closing["utilisation_mean"][0] == pytest.approx(mean, rel=1e-3)


@pytest.mark.parametrize(
    ("kind", "rule", "said"),
    [
        ("aave_v3", PathUtilisation(shocks=(RateShock(0.5),)), "shock hours"),
        ("aave_v3", PathUtilisation(shocks=(RateShock(2.0), RateShock(2.0))), "different hours"),
    ],
)
def test_what_cannot_be_run_is_refused(kind, rule, said):
    with pytest.raises(ValueError, match=said):
        lived(market(kind, rule), CALM)


def test_bad_rules_are_refused():
    for bad, said in (
        ({"borrower_elasticity": -1.0}, "borrower_elasticity must lie in"),
        ({"half_life_hours": 0.0}, "half_life_hours must lie in"),
        ({"shocks": (1,)}, None),
    ):
        if said:
            with pytest.raises(ValueError, match=said):
                PathUtilisation(**bad)
    with pytest.raises(ValueError, match="withdrawn must lie in"):
        RateShock(1.0, withdrawn=1.0)
    free = TwoSlope(0.8, 0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="rates must be above 0 at the start"):
        lived(market("aave_v3", PATH, curve=free), CALM)
    with pytest.raises(ValueError, match="utilisation of token 1 on the path must lie in"):
        lived(market("aave_v3", STILL, used=0.0), CALM)
    comet = market("comet", STILL)
    with pytest.raises(ValueError, match="supply_rates must be given"):
        lived(replace(comet, rules=replace(comet.rules, supply_rates=None)), CALM)
    with pytest.raises(ValueError, match="policy must be left out of a market of kind comet"):
        lived(market("comet", PathUtilisation(policy=CrvusdPolicy(0.1))), CALM)


def test_borrowers_compare_with_the_rate_elsewhere():
    book = Loans(("WETH", "USDC"), np.array([[0.0, 30_000.0]]), np.array([[8.0, 0.0]]), ("b",))
    flat = TwoSlope(0.8, 0.03, 0.0, 0.0)
    weth, usdc = (Reserve(s, a, 18, 0.7, 0.8, 0.05, 0.0, flat, 0.5) for s, a in (("WETH", "ETH"), ("USDC", None)))
    rules = AaveV3Rules("t", "2025-01-01", "t", (weth, usdc), ORACLE)
    model = AaveV3(rules, **DEEP, utilisation=PathUtilisation(0.5, 0.0, 1.0))
    paths = MarketPaths(TimeGrid(HOUR, STEPS), ("ETH",), 0, CALM)
    dear = np.full_like(CALM, 0.05)
    dear[1:, :, 1] = 0.10
    desks = [LendingDesk(model, 0.0, book, own, CALM[0]) for own in (paths, replace(paths, borrow_rate_lanes=dear))]
    for desk in desks:
        run_loop(paths, [desk])
    alone, beside = (d._state.own["pools"].debt[0] for d in desks)
    # the pool's own rate stays: twice the rate elsewhere makes borrowers want 2^0.5 of what they did
    np.testing.assert_allclose(beside / alone, [1.0, 2.0**0.5], rtol=1e-12)
