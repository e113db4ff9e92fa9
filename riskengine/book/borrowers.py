"""Borrower books: CSV reader and writer, and a generator of synthetic ones.

The CSV has one row per borrower: ``borrower``, then ``<token>_collateral`` and ``<token>_debt`` columns in whole
tokens.  Tokens without a column are zero.
"""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.book.loans import Loans
from riskengine.errors import Fault, InputError, refuse_pointer
from riskengine.random import DrawKeys, Purpose, fill_uniforms, fill_words, normals_from_words

_SIDES = ("collateral", "debt")


@dataclass(frozen=True)
class BorrowerLaw:
    """Distribution of a synthetic book: one stable-coin debt against two volatile collaterals.

    log debt is normal; health factor is `floor` + exp(normal), correlated with log debt.  The defaults follow two real
    books of accounts in good standing: Aave v2 stETH borrowers with mostly stable debt, June 2023 (456 accounts:
    log(HF - 1) mean -0.06, deviation 0.89, skewness -0.06, correlation with log debt -0.23; log debt in USD mean 11.3,
    deviation 1.76), and Aave v3 BTC borrowers, February 2026 (1,478 accounts: -0.65, 1.25, 0.29, -0.27; 11.9, 1.57).
    The split between collaterals is an assumption.

    Attributes
    ----------
    median_debt_usd, log_debt_deviation : float
    log_health_mean, log_health_deviation : float
        Of log(HF - floor).
    correlation : float
        Between log debt and log(HF - floor): large borrowers sit closer to the edge.
    floor : float
        Above 1, so nobody is liquidatable at the start.
    first_only, second_only : float
        Shares of borrowers with one collateral; the rest hold both, split uniformly by threshold-weighted value.
    """

    median_debt_usd: float = 100_000.0
    log_debt_deviation: float = 1.65
    log_health_mean: float = -0.4
    log_health_deviation: float = 1.0
    correlation: float = -0.25
    floor: float = 1.01
    first_only: float = 0.4
    second_only: float = 0.3

    def __post_init__(self) -> None:
        check_range("median_debt_usd", self.median_debt_usd, 0.0, 1e12, open_low=True)
        check_range("log_debt_deviation", self.log_debt_deviation, 0.0, 10.0)
        check_range("log_health_deviation", self.log_health_deviation, 0.0, 10.0)
        check_range("correlation", self.correlation, -1.0, 1.0)
        check_range("floor", self.floor, 1.0, 10.0)
        check_range("first_only", self.first_only, 0.0, 1.0)
        check_range("second_only", self.second_only, 0.0, 1.0 - self.first_only)


def synthetic_borrowers(
    count: int,
    prices: Mapping[str, float],
    thresholds: Mapping[str, float],
    debt_token: str = "USDC",
    seed: int = 20231031,
    law: BorrowerLaw | None = None,
) -> Loans:
    """A deterministic book; a longer one extends a shorter one of the same seed.

    Parameters
    ----------
    count : int
        Number of borrowers L.
    prices, thresholds : mapping of str to float
        USD price and liquidation threshold of the two collateral tokens, in this order.
    debt_token : str
        Token owed, worth 1 USD.
    seed : int
    law : BorrowerLaw, optional

    Returns
    -------
    Loans
        Reserves are the two collaterals and `debt_token`; balances rounded as the CSV holds them.
    """
    law = law or BorrowerLaw()
    if len(prices) != 2 or set(prices) != set(thresholds):
        raise ValueError(f"prices and thresholds must name the same two tokens, got {list(prices)}, {list(thresholds)}")
    k0, k1 = DrawKeys(seed).words()
    words = np.empty((2, count), dtype=np.uint64)
    size, health, choice, split = np.empty((4, count))
    # the lane is the borrower, so a draw belongs to a borrower whatever the length of the book
    fill_words(words[0], words[1], 0, 0, np.int64(Purpose.INITIAL_STATE), 0, k0, k1)
    normals_from_words(words[0], words[1], size, health)
    fill_uniforms(choice, 0, 1, np.int64(Purpose.INITIAL_STATE), 0, k0, k1)
    fill_uniforms(split, 0, 2, np.int64(Purpose.INITIAL_STATE), 0, k0, k1)

    debt = law.median_debt_usd * np.exp(law.log_debt_deviation * size)
    health = law.correlation * size + math.sqrt(1.0 - law.correlation**2) * health
    factor = law.floor + np.exp(law.log_health_mean + law.log_health_deviation * health)
    share = np.where(choice < law.first_only, 1.0, np.where(choice < law.first_only + law.second_only, 0.0, split))
    collateral = np.zeros((count, 3))
    for column, (token, part) in enumerate(zip(prices, (share, 1.0 - share), strict=True)):
        # rounding up to 1e-6 of a coin keeps the health factor at or above the one drawn
        coins = debt * factor * part / (prices[token] * thresholds[token])
        collateral[:, column] = np.where(part > 0, np.ceil(coins * 1e6) / 1e6, 0.0)
    owed = np.zeros((count, 3))
    owed[:, 2] = np.floor(debt * 100.0) / 100.0
    return Loans((*prices, debt_token), collateral, owed, tuple(f"b{i + 1:04d}" for i in range(count)))


def borrowers_csv(loans: Loans) -> str:
    """`loans` as CSV text; only tokens that somebody holds or owes get a column."""
    columns = [
        (f"{token}_{side}", getattr(loans, side)[:, r])
        for side in _SIDES
        for r, token in enumerate(loans.reserves)
        if getattr(loans, side)[:, r].any()
    ]
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["borrower", *(name for name, _ in columns)])
    for i, borrower in enumerate(loans.names):
        writer.writerow([borrower, *(format(balance[i], ".12g") for _, balance in columns)])
    return out.getvalue()


def write_borrowers(loans: Loans, path: "Path | str") -> None:
    """Write `loans` to `path` as CSV."""
    Path(path).write_text(borrowers_csv(loans), encoding="utf-8")


def _header(header: list[str], file: str) -> tuple[list[tuple[str, str]], list[Fault]]:
    """(token, side) of each column after the first, and what is wrong with the header."""
    faults = []
    if not header or header[0] != "borrower":
        faults.append(Fault(f"first column must be borrower, got {header[0] if header else ''!r}", file, 1))
    columns = []
    for name in header[1:]:
        token, _, side = name.rpartition("_")
        if not token or side not in _SIDES:
            faults.append(Fault(f"column must be <token>_collateral or <token>_debt, got {name!r}", file, 1))
        columns.append((token, side))
    if len(set(header)) != len(header):
        faults.append(Fault(f"columns must be distinct, got {header}", file, 1))
    return columns, faults


def _balance(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def read_borrowers(path: "Path | str") -> Loans:
    """The book in the CSV at `path`; InputError with every fault of the file, each with its line."""
    file = str(path)
    try:
        with open(path, newline="", encoding="utf-8-sig") as handle:
            text = handle.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Fault(f"borrower book must be a readable CSV file, got {error}", file)) from error
    refuse_pointer(text, file)
    rows = list(csv.reader(io.StringIO(text, newline="")))
    columns, faults = _header(rows[0] if rows else [], file)
    names: list[str] = []
    balances: list[list[float]] = []
    for line, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != len(columns) + 1:
            faults.append(Fault(f"row must have {len(columns) + 1} fields, got {len(row)}", file, line))
            continue
        if not row[0] or row[0] in names:
            faults.append(Fault(f"borrower must be a new, non-empty name, got {row[0]!r}", file, line, "borrower"))
        values = [_balance(text) for text in row[1:]]
        for (token, side), text, value in zip(columns, row[1:], values, strict=True):
            if value is None:
                place = f"{token}_{side}"
                faults.append(Fault(f"balance must be a finite number >= 0, got {text!r}", file, line, place))
        names.append(row[0])
        balances.append([v or 0.0 for v in values])
    if not names:
        faults.append(Fault("borrower book must hold at least one borrower, got none", file))
    if faults:
        raise InputError(faults)
    reserves = tuple(dict.fromkeys(token for token, _ in columns))
    sides: dict[str, Floats] = {side: np.zeros((len(names), len(reserves))) for side in _SIDES}
    for c, (token, side) in enumerate(columns):
        sides[side][:, reserves.index(token)] = [row[c] for row in balances]
    return Loans(reserves, sides["collateral"], sides["debt"], tuple(names))
