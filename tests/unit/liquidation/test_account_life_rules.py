"""The lanes engine uses the scalar rules: partial close, fund and socialised loss, order of deleveraging."""

import numpy as np
import pytest

from riskengine.book.portfolio import Portfolio
from riskengine.engine.loop import run_loop
from riskengine.engine.venue import VenueDesk
from riskengine.instrument.terms import Perpetual
from riskengine.liquidation.adl import priority
from riskengine.liquidation.partial_close import notional_to_close, partial_close
from riskengine.liquidation.venue_terms import VenueTerms
from riskengine.liquidation.waterfall import draw, socialise
from riskengine.liquidity.execution import Execution, OrderBook
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.surface import FactorSurface

LINEAR = (Perpetual("BTC"),)


def venue(quantity, cash, entry, spot, fund=np.inf, rate=0.05, target=1.0, fee=0.005, depth=1e15, limit=0.5):
    """Accounts of one linear perpetual over two times, one lane for each row of `spot` (P, 2)."""
    k = len(quantity)
    book = Portfolio(
        ("BTC",),
        LINEAR,
        np.array(quantity, dtype=float)[:, None],
        np.broadcast_to(np.array(entry, dtype=float), (k,))[:, None].copy(),
        np.stack([np.array(cash, dtype=float), np.zeros(k)], axis=1),
        tuple(f"a{i}" for i in range(k)),
        tuple(f"kind {i}" for i in range(k)),
    )
    terms = VenueTerms({"BTC": rate}, Execution(OrderBook({"BTC": depth}, 0.0, 0.9), limit=limit), target, fee)
    paths = MarketPaths(TimeGrid(3600, 1), ("BTC",), 0, np.ascontiguousarray(np.array(spot).T[:, None, :], dtype=float))
    desk = VenueDesk(book, terms, FactorSurface.flat((0.6,)), fund, paths)
    run_loop(paths, [desk])
    return desk


def test_with_a_flat_price_the_close_is_the_plan_of_partial_close():
    price = np.linspace(90.0, 100.0, 41)
    desk = venue([1.0], [4.8], 100.0, [(100.0, p) for p in price], target=1.3, rate=0.04)
    equity, need = 4.8 + (price - 100.0), 0.04 * price
    plan = partial_close(equity, need, 0.005 * price, 1.3)
    columns = desk.columns()
    solvent = (equity > 0.005 * price) | (equity >= need)
    assert solvent.sum() > 15 and (plan.fraction[solvent] > 0).sum() > 5
    assert columns["all", "liquidated_notional"][solvent] == pytest.approx((plan.fraction * price)[solvent], rel=1e-9)
    # all of an insolvent account is sold; the fund pays what is owed at the mark and no fee
    gone = equity < 0
    assert columns["all", "liquidated_notional"][gone] == pytest.approx(price[gone], rel=1e-9)
    assert columns["all", "fund_draw"][gone] == pytest.approx(-equity[gone], rel=1e-9)


def test_the_published_case_of_a_partial_close():
    # equity 40 and notional 1,000 at the mark, margin 6.25 % wanted after a close charged 0.5 %
    closed, after = notional_to_close(40.0, 1000.0, 0.0625, 0.005)
    desk = venue([10.0], [90.0], 105.0, [(105.0, 100.0)], rate=0.05, target=1.25)
    assert desk.columns()["all", "liquidated_notional"][0] == pytest.approx(closed, rel=1e-9)
    equity, _, gross = desk.figures()[:, 0, 0]
    assert equity / gross == pytest.approx(after, rel=1e-9)


def test_fund_and_socialised_loss_are_those_of_the_waterfall():
    # two accounts that hold nothing can be charged; the long loses 60 more than it has, and nobody is short
    desk = venue([10.0, 0.0, 0.0], [140.0, 300.0, 100.0], 100.0, [(100.0, 80.0)] * 3, fund=25.0, depth=1e-3)
    called = draw(np.array([25.0]), np.array([60.0]))
    charge = socialise(called.socialised, np.array([[300.0], [100.0]]))[:, 0]
    columns = desk.columns()
    assert columns["all", "fund_draw"] == pytest.approx(np.full(3, called.paid[0]))
    for kind, want in zip(("kind 1", "kind 2"), charge, strict=True):
        assert columns[kind, "socialised_loss"] == pytest.approx(np.full(3, want))
    assert (columns["all", "deleveraged_notional"] == 0).all() and (columns["all", "uncovered_loss"] == 0).all()


def test_winners_are_deleveraged_in_the_order_of_their_score_at_the_bankruptcy_price():
    # the first account is bankrupt and cannot be sold; three shorts of different entries and leverage stand against it
    quantity, cash = [10.0, -4.0, -4.0, -4.0], [140.0, 250.0, 40.0, 100.0]
    entry = [100.0, 100.0, 99.0, 101.0]
    desk = venue(quantity, cash, entry, [(100.0, 80.0)], fund=0.0, depth=1e-3)
    equity = [c + q * (80.0 - e) for q, c, e in zip(quantity, cash, entry, strict=True)]
    score, order = priority([1 - 80.0 / e for e in entry[1:]], [4 * 80.0 / x for x in equity[1:]])
    assert score[order[0]] > score[order[1]] > score[order[2]]
    columns = desk.columns()
    closed = [columns[f"kind {1 + i}", "deleveraged_notional"][0] for i in order]
    assert closed == pytest.approx([320.0, 320.0, 160.0])
    # 60 owed over 10 coins: each coin is closed at 86, where the bankrupt account has nothing left
    losses = [columns[f"kind {1 + i}", "deleveraging_loss"][0] for i in order]
    assert losses == pytest.approx([24.0, 24.0, 12.0])
    lost = dict(zip(order, losses, strict=True))
    assert desk.figures()[0, :, 0] == pytest.approx([0.0, *(e - lost[i] for i, e in enumerate(equity[1:]))])


def test_a_failed_path_calls_nobody():
    desk = venue([10.0], [60.0], 100.0, [(100.0, np.nan), (100.0, 80.0)])
    assert desk.columns()["all", "margin_calls"].tolist() == [0.0, 1.0]
