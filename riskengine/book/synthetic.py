"""`SyntheticBook`: borrowers by their loan-to-value and by how often debt and collateral follow one asset.

A borrower holds one collateral and owes one token.  log debt is normal; the share u of its limit that a borrower uses,
debt over collateral times threshold (one over the health factor), is Beta distributed on (0, ``most_used``), joined to
log debt by a Gaussian copula:

    D = median e^{s z1},   u = most F_Beta^{-1}(Phi(r z1 + sqrt(1 - r^2) z2)),   C = D / (u threshold)

With probability ``correlated_share`` the debt is in a token that follows the asset of the collateral, where there is
one: such a loan moves little with the market.  Otherwise, and where there is none, it is drawn by weight from the
tokens that follow another asset.  A longer book extends a shorter one.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.book.loans import Loans
from riskengine.random import DrawKeys, Purpose, fill_uniforms, fill_words, normals_from_words


@dataclass(frozen=True)
class SyntheticToken:
    """A token of a synthetic book.

    Attributes
    ----------
    price : float
        USD: the world's at time 0, for health factors to be those drawn.
    asset : str or None
        Asset whose price it follows; None for USD.
    threshold : float
        Liquidation threshold in the market; 0 for a token that is only owed.
    held, owed : float
        Weights with which it is drawn as collateral and as debt.
    """

    price: float
    asset: str | None = None
    threshold: float = 0.0
    held: float = 0.0
    owed: float = 0.0

    def __post_init__(self) -> None:
        check_range("price", self.price, 0.0, 1e12, open_low=True)
        check_range("threshold", self.threshold, 0.0, 1.0)
        for name in ("held", "owed"):
            check_range(name, getattr(self, name), 0.0, 1e9)
        if self.held and not self.threshold:
            raise ValueError("threshold must be above 0 for a token that is held, got 0")


@dataclass(frozen=True)
class SyntheticBook:
    """Description of a synthetic book; the class of ``format: synthetic``.

    Attributes
    ----------
    count : int
    tokens : dict of str to SyntheticToken
    mean_used, sd_used, most_used : float
        Mean and standard deviation of u, and its upper end: below 1, nobody is liquidatable at the start.
    median_debt_usd, log_debt_deviation : float
    correlation : float
        Of the copula between debt and u.
    correlated_share : float
    seed : int

    Examples
    --------
    >>> tokens = {"WETH": SyntheticToken(1_810.0, "ETH", 0.83, held=1.0), "USDC": SyntheticToken(1.0, owed=1.0)}
    >>> book = SyntheticBook("synthetic", 1_000, tokens).loans()
    >>> float((book.debt[:, 1] / (book.collateral[:, 0] * 1_810.0 * 0.83)).max()) < 0.98
    True
    """

    format: Literal["synthetic"]
    count: int
    tokens: dict[str, SyntheticToken]
    mean_used: float = 0.55
    sd_used: float = 0.2
    most_used: float = 0.98
    median_debt_usd: float = 100_000.0
    log_debt_deviation: float = 1.65
    correlation: float = 0.25
    correlated_share: float = 0.0
    seed: int = 20231031

    def __post_init__(self) -> None:
        check_range("count", self.count, 1, 1_000_000)
        check_range("most_used", self.most_used, 0.0, 1.0, open_low=True, open_high=True)
        check_range("mean_used", self.mean_used, 0.0, self.most_used, open_low=True, open_high=True)
        widest = math.sqrt(self.mean_used * (self.most_used - self.mean_used))
        check_range("sd_used", self.sd_used, 0.0, widest, open_low=True, open_high=True)
        check_range("median_debt_usd", self.median_debt_usd, 0.0, 1e12, open_low=True)
        check_range("log_debt_deviation", self.log_debt_deviation, 0.0, 10.0)
        check_range("correlation", self.correlation, -1.0, 1.0)
        check_range("correlated_share", self.correlated_share, 0.0, 1.0)
        check_range("seed", self.seed, 0, 2**64 - 1)
        for side in ("held", "owed"):
            if not any(getattr(t, side) for t in self.tokens.values()):
                raise ValueError(f"tokens must hold at least one with a weight {side} above 0, got none")
        for name, token in self.tokens.items():
            if token.held and not (self._like(token).any() or self._unlike(token).any()):
                raise ValueError(f"tokens must hold one that a borrower against {name} may owe, got none")

    def _owed(self, token: SyntheticToken, like: bool) -> Floats:
        """Weights of the debts that follow the asset of `token`, or another; nobody owes what they hold."""
        return np.array([t.owed * ((t.asset == token.asset) == like) * (t is not token) for t in self.tokens.values()])

    def _like(self, token: SyntheticToken) -> Floats:
        return self._owed(token, True)

    def _unlike(self, token: SyntheticToken) -> Floats:
        return self._owed(token, False)

    def loans(self) -> Loans:
        """The book; reserves in the order of `tokens`."""
        from scipy.special import betaincinv, ndtr

        tokens, n = tuple(self.tokens.values()), self.count
        k0, k1 = DrawKeys(self.seed).words()
        purpose = np.int64(Purpose.INITIAL_STATE)
        words, (z1, z2), draws = np.empty((2, n), dtype=np.uint64), np.empty((2, n)), np.empty((3, n))
        # the lane is the borrower, so a draw belongs to a borrower whatever the length of the book
        fill_words(words[0], words[1], 0, 0, purpose, 0, k0, k1)
        normals_from_words(words[0], words[1], z1, z2)
        for i, draw in enumerate(draws, start=1):
            fill_uniforms(draw, 0, i, purpose, 0, k0, k1)
        mean, spread = self.mean_used / self.most_used, (self.sd_used / self.most_used) ** 2
        strength = mean * (1.0 - mean) / spread - 1.0
        chance = ndtr(self.correlation * z1 + math.sqrt(1.0 - self.correlation**2) * z2)
        used = self.most_used * betaincinv(mean * strength, (1.0 - mean) * strength, chance)
        debt = self.median_debt_usd * np.exp(self.log_debt_deviation * z1)
        collateral, owed = np.zeros((2, n, len(tokens)))
        held = _drawn(np.array([t.held for t in tokens]), draws[0])
        for c, token in enumerate(tokens):
            mine = np.flatnonzero(held == c)
            if not mine.size:
                continue
            collateral[mine, c] = debt[mine] / (used[mine] * token.threshold * token.price)
            like, unlike = self._like(token), self._unlike(token)
            alike = (
                (draws[1, mine] < self.correlated_share)
                if like.any() and unlike.any()
                else np.full(mine.size, like.any())
            )
            for weights, rows in ((like, mine[alike]), (unlike, mine[~alike])):
                if rows.size:
                    which = _drawn(weights, draws[2, rows])
                    owed[rows, which] = debt[rows] / np.array([t.price for t in tokens])[which]
        return Loans(
            tuple(self.tokens), collateral, owed, tuple(f"b{i + 1}" for i in range(n)), None, self.named()
        )  # fmt: skip

    def named(self) -> dict[str, Any]:
        """The words that make the same book again."""
        return asdict(self)


def _drawn(weights: Floats, uniforms: Floats) -> np.ndarray:
    """Positions drawn by weight."""
    edges = np.cumsum(weights) / weights.sum()
    return np.minimum(np.searchsorted(edges, uniforms, side="right"), np.flatnonzero(weights)[-1])
