"""Bad debt by token: by hand, against the whole on every path, and what a book of one token has."""

from dataclasses import replace

import numpy as np
import pytest

from riskengine.book.loans import Loans
from riskengine.config.study import load_study
from riskengine.engine.desks import LendingDesk
from riskengine.engine.loop import run_loop
from riskengine.lending.aave_v2.market import AaveV2, AaveV2Rules
from riskengine.lending.by_token import bad_debt_by_token
from riskengine.lending.keeper import Keeper
from riskengine.lending.utilisation import PathUtilisation
from riskengine.market.paths import MarketPaths
from riskengine.random import DrawKeys
from riskengine.report.lending_chapters import bad_debt
from riskengine.report.measures import MEASURES
from riskengine.report.rows import Row as RowShown
from riskengine.stats.figures import PlainFigures
from riskengine.study.measures import column_rows
from riskengine.study.names import all_measures
from tests.unit.lending.markets import TOKENS, loan, market, play

KEY = ("lending", "aave_v3", None, 0.0)


def two_debts():
    """One borrower: 1 WBTC against 6,000 USDC and 9 WETH."""
    return Loans(TOKENS, np.array([[0.0, 1.0, 0.0]]), np.array([[9.0, 0.0, 6_000.0]]), ("a",))


def split_of(model, book, eth):
    state, events, closing = play(model, book, eth)
    spot = np.array([[30_000.0] * state.deficit_usd.size, np.atleast_1d(eth[-1])])
    return bad_debt_by_token(state, spot), events, closing


def test_a_shortfall_that_nobody_wrote_off_is_shared_by_hand():
    """Gas keeps keepers away.  WETH at 4,000: 36,000 and 6,000 owed, 30,000 held, 12,000 short: six parts to one."""
    found, _, closing = split_of(market(gas=1e6), two_debts(), [2000, 4000])
    assert found.keys() == {"WETH", "USDC"}
    assert found["WETH"][0] == pytest.approx(12_000 * 6 / 7, rel=1e-12)
    assert found["USDC"][0] == pytest.approx(12_000 / 7, rel=1e-12)
    assert closing["deficit"][0] == 0.0 and closing["bad_debt"][0] == pytest.approx(12_000)


def test_what_a_call_writes_off_counts_for_the_tokens_still_owed():
    """WETH at 4,000: a call takes all 30,000 of collateral for 30,000 / 1.05 of WETH debt; the rest is written off."""
    found, events, closing = split_of(market(), two_debts(), [2000, 4000])
    assert events[-1].volume_usd[0] == pytest.approx(30_000 / 1.05)
    assert found["WETH"][0] == pytest.approx(36_000 - 30_000 / 1.05, rel=1e-12)
    assert found["USDC"][0] == pytest.approx(6_000, rel=1e-12)
    assert closing["residual_shortfall"][0] == 0.0
    # written off at the price of the day, whatever the token does later
    later = split_of(market(), two_debts(), [2000, 4000, 5000])[0]
    assert [later[k][0] for k in found] == [found[k][0] for k in found]


def test_aave_v2_writes_nothing_off():
    """The same seizure leaves what v3 writes off, valued at the close."""
    v3 = market(protocol_fee=0.0, calls=4)
    own = ("name", "as_of", "source", "reserves", "oracle")
    rules = AaveV2Rules(**{k: getattr(v3.rules, k) for k in own}, close_factor=0.5)
    found, _, closing = split_of(AaveV2(rules, Keeper(0.0, 0.0, 9), v3.liquidity), two_debts(), [2000, 4000, 5000])
    assert closing["deficit"][0] == 0.0 and closing["bad_debt"][0] == pytest.approx(sum(found.values())[0], rel=1e-12)
    assert found["WETH"][0] == pytest.approx((36_000 - 30_000 / 1.05) * 5 / 4, rel=1e-12)
    assert found["USDC"][0] == pytest.approx(6_000, rel=1e-12)


@pytest.mark.parametrize("books", [loan(weth=10, usdc=15_000), loan(wbtc=1.0, weth_debt=9.0)])
def test_a_book_that_owes_one_token_has_no_split(books):
    model = market(gas=1e6)
    state, _, closing = play(model, books, [2000, 500] if books.debt[0, 2] else [2000, 5000])
    assert bad_debt_by_token(state, np.array([[30_000.0], [500.0]])) == {}
    assert closing["bad_debt"][0] > 0.0 and "written_off" not in state.own


@pytest.fixture(scope="module")
def lived():
    """(question, paths): a shipped market with a book of many borrowers who owe USDC and WETH, ever deeper crashes."""
    study = load_study("quickstart").study
    simulated = study.world.sample(study.grid, 0, 300, DrawKeys(3))
    spot = simulated.spot_lanes.copy()
    spot *= np.exp(np.linspace(0.0, -0.7, len(spot))[:, None, None] * (np.arange(300) % 7) / 6)
    book = study.lending.book
    debt = book.debt.copy()
    usdc, weth = book.reserves.index("USDC"), book.reserves.index("WETH")
    debt[::2, weth] = 0.4 * debt[::2, usdc] / float(spot[0, simulated.assets.index("ETH"), 0])
    debt[::2, usdc] *= 0.6
    debt[::6, usdc] = 0.0
    return study.lending, replace(book, debt=debt), MarketPaths(simulated.grid, simulated.assets, 0, spot)


def columns_of(model, book, paths):
    desk = LendingDesk(model, 0.0, book, paths, paths.spot_lanes[0])
    run_loop(paths, [desk])
    return desk.columns()


@pytest.mark.parametrize("pools", [False, True])
def test_tokens_add_up_to_the_whole_on_every_path(lived, pools):
    question, book, paths = lived
    model = question.market
    if pools:
        model = replace(model, utilisation=PathUtilisation(0.4, 0.3, 24.0))
    found = columns_of(model, book, paths)
    whole = found[*KEY, "all", "bad_debt"]
    split = {k[4]: v for k, v in found.items() if k[5] == "bad_debt_by_token"}
    assert split.keys() == {"USDC", "WETH"} and all((v >= 0).all() and v.any() for v in split.values())
    assert (whole > 0).sum() > 50
    np.testing.assert_allclose(sum(split.values()), whole, rtol=1e-12)


def test_bits_do_not_depend_on_the_block(lived):
    question, book, paths = lived
    whole = columns_of(question.market, book, paths)
    for low, high in ((0, 77), (77, 300)):
        part = MarketPaths(paths.grid, paths.assets, low, np.ascontiguousarray(paths.spot_lanes[:, :, low:high]))
        found = columns_of(question.market, book, part)
        for token in ("USDC", "WETH"):
            key = (*KEY, token, "bad_debt_by_token")
            assert np.array_equal(found[key], whole[key][low:high])


def test_a_row_names_its_token_and_shift():
    column = np.array([0.0, 0.0, 30.0, 10.0])
    rows = list(column_rows((*KEY, "WETH", "bad_debt_by_token"), column, PlainFigures(0.95)))
    value = {r.measure: r.estimate for r in rows}
    assert all(r.parameters == {"threshold_shift": 0.0, "token": "WETH"} for r in rows)
    assert value["bad_debt_by_token_mean"].value == 10.0 and value["bad_debt_by_token_probability"].value == 0.5
    assert value.keys() <= all_measures() & MEASURES.keys() and "bad_debt_by_token_es_99" in value


def test_the_report_has_a_folded_table_of_tokens():
    rows = [
        RowShown("lending", "aave_v3", f"bad_debt_by_token_{part}", "USD", {"value": v}, at)
        for part in ("mean", "es_99")
        for at, v in (
            ({"threshold_shift": 0.0, "token": "WETH"}, 1.0),
            ({"threshold_shift": 0.0, "token": "USDC"}, 2.0),
        )
    ]
    (table,) = [t for t in bad_debt({}, rows, False).items if t is not None and t.title == "Bad debt by token"]
    assert table.folded and [line[1].text for line in table.rows] == ["WETH", "USDC"]
