"""Synthetic books by loan-to-value and by the correlation of what is held and owed."""

from dataclasses import replace

import numpy as np
import pytest
from markets import market

from riskengine.book.synthetic import SyntheticBook, SyntheticToken
from riskengine.config.build import Builder
from riskengine.config.loans import build_loans, dump_loans
from riskengine.config.reader import Tree
from riskengine.errors import InputError
from riskengine.market.grid import TimeGrid

TOKENS = {
    "WETH": SyntheticToken(2_000.0, "ETH", 0.8, held=3.0, owed=1.0),
    "STETH": SyntheticToken(2_000.0, "ETH", 0.9, held=2.0),
    "WBTC": SyntheticToken(30_000.0, "BTC", 0.8, held=5.0),
    "USDC": SyntheticToken(1.0, owed=3.0),
}
PRICE = np.array([t.price for t in TOKENS.values()])
THRESHOLD = np.array([t.threshold for t in TOKENS.values()])


def book(count=20_000, **change):
    return SyntheticBook("synthetic", count, TOKENS, **change)


def used(loans):
    return (loans.debt @ PRICE) / (loans.collateral @ (PRICE * THRESHOLD))


def test_a_book_follows_its_law():
    loans = book(correlated_share=0.4).loans()
    root = np.sqrt(20_000)
    share, size = used(loans), np.log(loans.debt @ PRICE)
    # six standard errors; that of a standard deviation of a Beta is below sd
    assert share.max() < 0.98
    assert abs(share.mean() - 0.55) < 6 * 0.2 / root and abs(share.std() - 0.2) < 6 * 0.2 / root
    assert abs(size.mean() - np.log(1e5)) < 6 * 1.65 / root and abs(size.std() - 1.65) < 6 * 1.65 / root
    # the correlation of a copula is kept by ranks: 6 / pi asin(r / 2)
    ranks = [np.argsort(np.argsort(x)) for x in (share, size)]
    assert abs(np.corrcoef(*ranks)[0, 1] - 6 / np.pi * np.arcsin(0.125)) < 6 / root
    held = (loans.collateral > 0).argmax(axis=1)
    assert ((loans.collateral > 0).sum(axis=1) == 1).all() and ((loans.debt > 0).sum(axis=1) == 1).all()
    assert np.abs(np.bincount(held, minlength=4) / 20_000 - [0.3, 0.2, 0.5, 0.0]).max() < 6 * 0.5 / root
    owed = (loans.debt > 0).argmax(axis=1)
    # only stETH has another token on its asset that is owed; nobody owes what they hold
    assert (owed[held == 0] == 3).all()
    steth = owed[held == 1]
    assert abs((steth == 0).mean() - 0.4) < 6 * 0.5 / np.sqrt(steth.size)
    # against BTC every debt is on another asset: WETH and USDC by weight
    btc = owed[held == 2]
    assert abs((btc == 0).mean() - 0.25) < 6 * 0.5 / np.sqrt(btc.size)


def test_a_longer_book_extends_a_shorter_one_and_correlated_debts_nest():
    short, long = book(50).loans(), book(200).loans()
    assert (long.debt[:50] == short.debt).all() and (long.collateral[:50] == short.collateral).all()
    assert (book(50, seed=1).loans().debt != short.debt).any()
    few, many = (book(2_000, correlated_share=s).loans() for s in (0.2, 0.6))
    assert ((many.debt[:, 0] > 0) | (few.debt[:, 0] == 0))[few.collateral[:, 1] > 0].all()


def test_a_hundred_thousand_accounts_live_on_paths():
    tokens = {name: TOKENS[name] for name in ("WETH", "WBTC", "USDC")}
    tokens["WETH"] = replace(tokens["WETH"], owed=0.0)
    loans = SyntheticBook("synthetic", 100_000, tokens).loans()
    spot = np.array([[[30_000.0], [2_000.0]]]) * np.linspace(1.0, 0.9, 4)[:, None, None] * np.ones((1, 1, 8))
    model = market(calls=1)
    state = model.init(loans, ("BTC", "ETH"), spot[0], TimeGrid(3600, 3))
    assert state.initially_liquidatable[0] == 0.0
    for t in (1, 2, 3):
        model.step(state, t, spot[t])
    share = (loans.debt[:, 2]) / (loans.collateral @ np.array([1_600.0, 24_000.0, 0.0]))
    # every loan above 0.9 of its limit was called when both prices had fallen by a tenth
    assert model.close(state, spot[3])["liquidated_loans"][0] == (share > 0.9).sum() > 1_000


def test_the_yaml_names_the_book_and_not_its_borrowers():
    def read(words):
        builder = Builder(Tree(words, "book.yaml"))
        return builder.done(build_loans(builder, ()))

    words = {
        "format": "synthetic",
        "count": 40,
        "tokens": {"WETH": {"price": 2_000.0, "asset": "ETH", "threshold": 0.8}},
    }
    words["tokens"]["WETH"]["held"] = 1.0
    words["tokens"]["USDC"] = {"price": 1.0, "owed": 1.0}
    loans = read(words)
    assert len(loans.names) == 40 and not loans.awaited
    again = read(dump_loans(loans))
    assert (again.debt == loans.debt).all() and again.origin == loans.origin
    for change, said in (
        ({"count": 0}, "count must lie"),
        ({"mean_used": 0.99}, "mean_used"),
        ({"kount": 1}, "did you mean"),
    ):
        with pytest.raises(InputError, match=said):
            read(words | change)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ({"WETH": SyntheticToken(1.0, "ETH", 0.8, held=1.0)}, "weight owed"),
        ({"USDC": SyntheticToken(1.0, owed=1.0)}, "weight held"),
        ({"WETH": SyntheticToken(1.0, "ETH", 0.8, held=1.0, owed=1.0)}, "may owe"),
    ],
)
def test_books_that_cannot_be_are_refused(tokens, said):
    with pytest.raises(ValueError, match=said):
        SyntheticBook("synthetic", 5, tokens)
    with pytest.raises(ValueError, match="threshold"):
        SyntheticToken(1.0, held=1.0)
