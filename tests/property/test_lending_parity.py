"""Each mechanism on lanes is its integer engine within 1e-9 relative: random books walked along random paths.

The integer side replays the whole path: interest, oracle prices, who is liquidatable, every call, every balance.
"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mechanisms import book_of, market_of, play

from riskengine.lending.comet.integer import (
    CometCollateral,
    CometLedger,
    is_liquidatable,
    present_value,
    principal_value,
    quote_collateral,
)
from riskengine.lending.euler_evk.integer import liquidation_call, max_liquidation
from riskengine.lending.morpho_blue.integer import MorphoLedger, liquidation_incentive_factor
from riskengine.pricing.fixed_point import RAY, SECONDS_PER_YEAR, WAD, mul_div_floor, ray_power
from riskengine.rates.adaptive_curve import adaptive_rate

HOUR = 3600
BASE, SCALES = (10**8, 10**6), (10**18, 10**8)
# what a call may lose to rounding: a few raw units of USDC, of 1e-8 BTC at 30,000 USD, and of 1e-8 USD
GRAIN = 0.004


@st.composite
def walks(draw):
    """(threshold in per cent, balances of up to four borrowers in raw units, prices (T + 1, 2) in cents)."""
    threshold = draw(st.integers(50, 92))
    count = draw(st.integers(1, 4))
    steps = draw(st.lists(st.tuples(st.integers(-12, 8), st.integers(-12, 8)), min_size=2, max_size=8))
    btc, eth, prices = 3_000_000, 200_000, [(3_000_000, 200_000)]
    for a, b in steps:
        btc, eth = max(1_000, btc * (100 + a) // 100), max(1_000, eth * (100 + b) // 100)
        prices.append((btc, eth))
    loans = []
    for _ in range(count):
        weth, wbtc = draw(st.integers(0, 10**5)), draw(st.integers(0, 10**4))
        if weth + wbtc == 0:
            weth = 1_000
        worth = weth * 20.0 + wbtc * 300.0  # hundredths of a coin, USD
        health = draw(st.floats(1.02, 1.4))
        loans.append((weth * 10**16, wbtc * 10**6, int(worth * threshold / 100 / health * 1e6)))
    return threshold, loans, prices


def floating(kind, walk, **changes):
    threshold, loans, prices = walk
    weth, wbtc, usdc = np.array(loans, dtype=object).T
    book = book_of(
        *(np.array([int(v) / s for v in x]) for x, s in zip((weth, wbtc, usdc), (*SCALES, 10**6), strict=True))
    )
    model = market_of(kind, threshold=threshold / 100, interest=True, **changes)
    return model, *play(model, book, np.array(prices) / 100.0)


def close_to(got, want):
    assert got == pytest.approx(want, rel=1e-9, abs=GRAIN)


def far_from_tie(weighted, owed):
    # a decision on a knife's edge belongs to the boundary tests
    assume(abs(weighted - owed) > 1e-9 * owed)


@settings(max_examples=120, deadline=None)
@given(walks(), st.integers(80, 99))
def test_comet(walk, factor):
    threshold, loans, prices = walk
    model, state, events, closing = floating("comet", walk, liquidation_factor=factor / 100)
    rate = model.rules.rates.per_second(0.8)
    lcf, lf, sfpf = threshold * WAD // 100, factor * WAD // 100, WAD // 2
    principals = [principal_value(-usdc, 10**15, 10**15) for *_, usdc in loans]
    held = [list(amounts) for *amounts, _ in loans]
    ledger = CometLedger(0, 0, -sum(principals), (0, 0))
    moved = 0
    for event, (btc, eth) in zip(events, prices[1:], strict=True):
        ledger = ledger.accrued(0, rate, HOUR)
        oracle = (eth * 10**6, btc * 10**6)

        def of(amounts, oracle=oracle):
            return tuple(CometCollateral(a, p, s, lcf, lf) for a, p, s in zip(amounts, oracle, SCALES, strict=True))

        sums = dict.fromkeys(("calls", "seized", "repaid", "returned", "deficit"), 0)
        # interest that reserves earn is not part of a run
        before = ledger.reserves
        for i, principal in enumerate(principals):
            debt = -present_value(principal, ledger.supply_index, ledger.borrow_index)
            if debt == 0:
                continue
            mine = of(held[i])
            far_from_tie(sum(c.value for c in mine) * threshold / 100, debt * 100)
            if not is_liquidatable(debt, *BASE, mine):
                continue
            ledger, principals[i], done = ledger.absorbed(principal, *BASE, mine)
            held[i] = [0, 0]
            principals[i] = 0  # what a borrower does with a credit is not followed
            sums["calls"] += 1
            sums["seized"] += sum(c.value for c in mine) / 1e8
            sums["repaid"] += (debt - done.bad_debt) / 1e6
            sums["returned"] += done.new_balance / 1e6
            sums["deficit"] += done.bad_debt / 1e6
        coins = ledger.inventory
        for c, each in enumerate(of((0, 0))):
            # as much base as the whole inventory costs, rounded down
            many, _ = quote_collateral(10**24, *BASE, each.price, each.scale, lf, sfpf)
            base = coins[c] * 10**24 // (many + 1)
            if base:
                ledger, _ = ledger.bought(c, base, *BASE, each, sfpf, 10**18)
        assert event.liquidations[0] == sums["calls"]
        close_to(event.seized_usd[0], sums["seized"])
        close_to(event.volume_usd[0], sums["repaid"])
        close_to(event.returned_usd[0], sums["returned"])
        close_to(event.deficit_usd[0], sums["deficit"])
        close_to(event.sold[1, 0], coins[0] / SCALES[0])
        close_to(event.sold[0, 0], coins[1] / SCALES[1])
        moved += ledger.reserves - before
    close_to(state.own["reserves"][0], moved / 1e6)
    debts = sum(-present_value(p, ledger.supply_index, ledger.borrow_index) for p in principals)
    close_to(closing["debt"][0], debts / 1e6)


@settings(max_examples=120, deadline=None)
@given(walks())
def test_morpho_blue(walk):
    threshold, loans, prices = walk
    # one collateral a borrower, so that a position is a borrower
    loans = [(weth, 0, usdc) if i % 2 else (0, wbtc or 10**8, usdc) for i, (weth, wbtc, usdc) in enumerate(loans)]
    loans = [(weth or 10**18 if i % 2 else 0, wbtc, usdc) for i, (weth, wbtc, usdc) in enumerate(loans)]
    walk = (threshold, loans, prices)
    lltv = threshold * WAD // 100
    _, state, events, closing = floating("morpho_blue", walk)
    ledgers = [
        MorphoLedger(lltv, 2 * usdc, 2 * usdc * 10**6, usdc, usdc * 10**6, weth or wbtc, usdc * 10**6)
        for weth, wbtc, usdc in loans
    ]
    rate = 4 * WAD // 100 // SECONDS_PER_YEAR
    supplied = sum(ledger.total_supply_assets for ledger in ledgers)
    interest = bad = 0
    for event, (btc, eth) in zip(events, prices[1:], strict=True):
        charged = adaptive_rate(rate, 9 * WAD // 10, HOUR)
        rate = charged.end_rate_at_target
        sums = dict.fromkeys(("calls", "seized", "repaid", "deficit"), 0.0)
        for i, ledger in enumerate(ledgers):
            before = ledger.total_supply_assets
            ledger = ledger.accrued(charged.average_borrow_rate, HOUR)
            interest += ledger.total_supply_assets - before
            is_eth = loans[i][0] > 0
            usd8, scale = (eth, SCALES[0]) if is_eth else (btc, SCALES[1])
            # USDC raw units for a raw unit of collateral, times 1e36
            price = usd8 * 10**6 * 10**36 * 10**6 // (10**8 * scale)
            if ledger.borrow_shares == 0:
                continue
            far_from_tie(ledger.collateral * price / 1e36 * threshold / 100, ledger.debt)
            if not ledger.healthy(price):
                lif = liquidation_incentive_factor(lltv)
                worth = mul_div_floor(ledger.collateral, price, 10**36)
                assume(abs(worth - ledger.debt * lif / WAD) > 1e-9 * worth)
                held = ledger.collateral
                if worth * WAD < ledger.debt * lif:
                    ledger, done = ledger.liquidated(price, seized_assets=ledger.collateral)
                else:
                    ledger, done = ledger.liquidated(price, repaid_shares=ledger.borrow_shares)
                sums["calls"] += 1
                sums["seized"] += (held - ledger.collateral) * usd8 / 100 / scale
                sums["repaid"] += done.repaid_assets / 1e6
                sums["deficit"] += done.bad_debt_assets / 1e6
                bad += done.bad_debt_assets
            ledgers[i] = ledger
        assert event.liquidations[0] == sums["calls"]
        close_to(event.seized_usd[0], sums["seized"])
        close_to(event.volume_usd[0], sums["repaid"])
        close_to(event.deficit_usd[0], sums["deficit"])
    close_to(closing["debt"][0], sum(ledger.debt for ledger in ledgers) / 1e6)
    # suppliers bear all bad debt in the block in which it arises, and nothing else
    assert sum(ledger.total_supply_assets for ledger in ledgers) == supplied + interest - bad


@settings(max_examples=120, deadline=None)
@given(walks(), st.integers(1, 30))
def test_euler(walk, discount):
    threshold, loans, prices = walk
    model, state, events, closing = floating("euler_evk", walk, max_liquidation_discount=discount / 100)
    rate = model.rules.rates.per_second(WAD // 2, WAD // 2)
    step = ray_power(RAY + rate, HOUR)
    # the vault keeps 31 bits below a raw unit of debt, and rounds up
    owed = [usdc << 31 for *_, usdc in loans]
    held = [list(amounts) for *amounts, _ in loans]
    ltv = threshold * 100
    for event, (btc, eth) in zip(events, prices[1:], strict=True):
        usd = (eth, btc)
        owed = [o * step // RAY for o in owed]
        sums = dict.fromkeys(("calls", "seized", "repaid", "deficit"), 0.0)
        for i, mine in enumerate(held):
            for _ in range(8):
                debt = -(-owed[i] >> 31)
                if debt == 0:
                    break
                value = [a * u * 10**16 // s for a, u, s in zip(mine, usd, SCALES, strict=True)]
                debt_value = debt * 10**12
                adjusted = [v * ltv // 10_000 for v in value]
                # at a health a hair below 1 the discount does not pay even the smallest slippage
                assume(abs(sum(adjusted) - debt_value) > 1e-6 * debt_value)
                if sum(adjusted) >= debt_value:
                    break
                limits = [
                    max_liquidation(mine[c], value[c], ltv, debt, debt_value, discount * 100, adjusted[1 - c])
                    if mine[c]
                    else None
                    for c in (0, 1)
                ]
                pays = [limit.max_repay if limit else -1 for limit in limits]
                assume(min(pays) < 0 or abs(pays[0] - pays[1]) > 1e-9 * max(pays) or pays[0] == pays[1])
                c = int(pays[1] > pays[0])
                factor = limits[c].discount_factor
                assume(abs(value[c] * factor / WAD - debt_value) > 1e-9 * debt_value)
                done = liquidation_call(limits[c], mine[c], debt, debt_value, mine[1 - c] > 0)
                mine[c] -= done.taken
                owed[i] = done.debt_left << 31
                sums["calls"] += 1
                sums["seized"] += done.taken * usd[c] / 100 / SCALES[c]
                sums["repaid"] += done.repaid / 1e6
                sums["deficit"] += done.socialised / 1e6
        assert event.liquidations[0] == sums["calls"]
        close_to(event.seized_usd[0], sums["seized"])
        close_to(event.volume_usd[0], sums["repaid"])
        close_to(event.deficit_usd[0], sums["deficit"])
    close_to(closing["debt"][0], sum(-(-o >> 31) for o in owed) / 1e6)
