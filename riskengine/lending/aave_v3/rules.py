"""Parameters of an Aave v3 market: frozen records, checked once.

The contract refuses a reserve unless its liquidation threshold is at least its LTV and threshold times bonus does not
exceed 100 % (``PoolConfigurator``); both hold here for reserves and e-mode categories alike.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from riskengine.arrays import check_range
from riskengine.lending.aave_v3.history import ChangeLog
from riskengine.lending.listing import moved
from riskengine.lending.parameter_set import OF_CURVE, OF_SIZE, OF_TOKEN, Constraints, ParameterSet, TokenChange
from riskengine.lending.wrapping import Wrapping, check_wraps
from riskengine.pricing.fixed_point import BPS, percent_mul_half_up
from riskengine.rates.two_slope import TwoSlope
from riskengine.roles import PriceOracle

# in the name of a token: what is behind it is the efficiency mode of its holder
MODE = "@"


def to_bps(name: str, value: float) -> int:
    """`value` (0.83) in basis points (8300); ValueError unless it is a whole number of them, as on chain."""
    bps = round(value * BPS)
    if abs(value * BPS - bps) > 1e-6:
        raise ValueError(f"{name} must be a whole number of basis points, got {value!r}")
    return bps


def check_collateral(name: str, ltv: float, threshold: float, bonus: float) -> None:
    """ValueError unless 0 <= LTV <= threshold <= 1, bonus >= 0 and percentMul(threshold, 1 + bonus) <= 100 %."""
    check_range(f"{name} ltv", ltv, 0.0, 1.0)
    check_range(f"{name} liquidation_threshold", threshold, 0.0, 1.0)
    check_range(f"{name} liquidation_bonus", bonus, 0.0, 1.0)
    if threshold < ltv:
        raise ValueError(f"{name} liquidation_threshold must be at least ltv {ltv:g}, got {threshold:g}")
    whole = percent_mul_half_up(
        to_bps(f"{name} liquidation_threshold", threshold), BPS + to_bps(f"{name} liquidation_bonus", bonus)
    )
    if whole > BPS:
        raise ValueError(
            f"{name} liquidation_threshold times (1 + liquidation_bonus) must be at most 1, got {whole / BPS:g}"
        )


@dataclass(frozen=True)
class Reserve:
    """One listed token.

    Attributes
    ----------
    symbol : str
    asset : str or None
        Market asset whose price the token follows (WBTC follows BTC); None where the price is fixed.
    decimals : int
        Of the token's raw units.
    ltv, liquidation_threshold : float
        LTV gates borrowing, the threshold gates liquidation; both 0 where the token is no collateral.
    liquidation_bonus : float
        0.05 gives a liquidator 105 of collateral for 100 of debt.
    liquidation_protocol_fee : float
        Treasury's share of the bonus.
    rates : TwoSlope
    utilisation : float
        At which the reserve stays during a run; sets the rates that accrue.
    price : float
        USD, where `asset` is None.
    supply_cap, borrow_cap : float or None
        Whole tokens; None is no cap.  They stop new supply and new debt: a run holds a book that is there already.
    emode : int
        Efficiency-mode category the token belongs to, 0 for none; see `EfficiencyMode`.
    wraps : Wrapping or None
        What a token is made of that is not one coin of its asset.
    """

    symbol: str
    asset: str | None
    decimals: int
    ltv: float
    liquidation_threshold: float
    liquidation_bonus: float
    liquidation_protocol_fee: float
    rates: TwoSlope
    utilisation: float = 0.0
    price: float = 1.0
    supply_cap: float | None = None
    borrow_cap: float | None = None
    emode: int = 0
    wraps: Wrapping | None = field(default=None, metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        check_collateral(self.symbol, self.ltv, self.liquidation_threshold, self.liquidation_bonus)
        check_range(f"{self.symbol} decimals", self.decimals, 0, 36)
        check_range(f"{self.symbol} liquidation_protocol_fee", self.liquidation_protocol_fee, 0.0, 1.0)
        to_bps(f"{self.symbol} ltv", self.ltv)
        to_bps(f"{self.symbol} liquidation_protocol_fee", self.liquidation_protocol_fee)
        check_range(f"{self.symbol} utilisation", self.utilisation, 0.0, 1.0)
        check_range(f"{self.symbol} price", self.price, 0.0, float("inf"), open_low=True, open_high=True)
        check_wraps(self)

    @property
    def unit(self) -> int:
        """Raw units in one token."""
        return 10**self.decimals

    def parameter(self, name: str) -> float | None:
        """One of `riskengine.lending.parameter_set.OF_RESERVE` by its name, those of the curve among them."""
        value: float | None = getattr(self.rates if name in OF_CURVE else self, name)
        return value

    def with_values(self, values: Mapping[str, float | None]) -> "Reserve":
        """The reserve with parameters of these names replaced; ValueError where it could not be configured."""
        curve = {n: v for n, v in values.items() if n in OF_CURVE}
        own = {n: v for n, v in values.items() if n not in OF_CURVE}
        return replace(self, **own, **({"rates": replace(self.rates, **curve)} if curve else {}))


@dataclass(frozen=True)
class EfficiencyMode:
    """A category of correlated tokens with parameters of its own.

    A borrower in category 1 holds ``WETH@1`` in a book: WETH under the parameters of the category where it is one of
    the category's collaterals, under its own where it is not.

    Attributes
    ----------
    category : int
    label : str
    ltv, liquidation_threshold, liquidation_bonus : float
    collateral, borrowable : tuple of str
        Symbols of the category's two bitmaps; where one is empty it holds the reserves that name the category as their
        ``emode`` (one category a token, as before v3.2).
    """

    category: int
    label: str
    ltv: float
    liquidation_threshold: float
    liquidation_bonus: float
    collateral: tuple[str, ...] = field(default=(), metadata={"written": "unless empty"})
    borrowable: tuple[str, ...] = field(default=(), metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        check_collateral(self.label, self.ltv, self.liquidation_threshold, self.liquidation_bonus)

    @property
    def symbol(self) -> str:
        """What messages call it."""
        return self.label


@dataclass(frozen=True)
class AaveV3Rules:
    """A dated parameter set.  The four constants are the contract's (v3.3 and later).

    Attributes
    ----------
    name, as_of, source : str
        Market, date of the parameters (ISO), where they were read.
    reserves : tuple of Reserve
    oracle : PriceOracle
        Feed the deployment reads.
    emodes : tuple of EfficiencyMode
    reference_spot : dict of str to float
        Oracle prices (USD) of the market assets at `as_of`: data for books and calculators, not read by a run.
    close_factor : float
        Share of the *whole* debt one call may repay while the position is not far gone.
    full_close_health : float
        At or below this health factor a call may repay everything.
    full_close_below_usd : float
        As does a call on a reserve whose collateral or debt is worth less than this.
    min_leftover_usd : float
        A call that leaves both collateral and debt in the two touched reserves must leave this much of each.
    history : ChangeLog or None
        Changes by governance, by which `riskengine.lending.aave_v3.history.stepped` brings the set to another date.
    """

    name: str
    as_of: str
    source: str
    reserves: tuple[Reserve, ...]
    oracle: PriceOracle
    emodes: tuple[EfficiencyMode, ...] = ()
    reference_spot: dict[str, float] = field(default_factory=dict)
    close_factor: float = 0.5
    full_close_health: float = 0.95
    full_close_below_usd: float = 2000.0
    min_leftover_usd: float = 1000.0
    history: ChangeLog | None = field(default=None, metadata={"written": "unless empty"})

    def __post_init__(self) -> None:
        symbols = [r.symbol for r in self.reserves]
        if not symbols or len(set(symbols)) != len(symbols):
            raise ValueError(f"reserves must hold at least one token, each once, got {symbols}")
        check_range("close_factor", self.close_factor, 0.0, 1.0, open_low=True)
        check_range("full_close_health", self.full_close_health, 0.0, 1.0)
        check_range("full_close_below_usd", self.full_close_below_usd, 0.0, 1e12)
        check_range("min_leftover_usd", self.min_leftover_usd, 0.0, 1e12)
        unknown = sorted({r.emode for r in self.reserves} - {0} - {e.category for e in self.emodes})
        if unknown:
            raise ValueError(f"emode of every reserve must be listed in emodes, got unlisted {unknown}")
        lost = sorted({s for e in self.emodes for s in (*e.collateral, *e.borrowable)} - set(symbols))
        categories = [e.category for e in self.emodes]
        if lost:
            raise ValueError(f"collateral and borrowable of emodes must be reserves, got {lost}")
        if len(set(categories)) != len(categories) or min(categories, default=1) < 1:
            raise ValueError(f"categories of emodes must be positive, each once, got {categories}")
        if any(MODE in s for s in symbols):
            raise ValueError(
                f"symbols of reserves must not hold {MODE!r}, which marks an efficiency mode, got {symbols}"
            )

    def mode(self, category: int) -> EfficiencyMode:
        """The efficiency mode `category` with its bitmaps filled; ValueError where there is none."""
        for found in self.emodes:
            if found.category == category:
                members = tuple(r.symbol for r in self.reserves if r.emode == category)
                return replace(found, collateral=found.collateral or members, borrowable=found.borrowable or members)
        raise ValueError(f"efficiency mode must be one of {[e.category for e in self.emodes]}, got {category}")

    def reserve(self, symbol: str) -> Reserve:
        """The reserve called `symbol`, ``WETH@1`` as a borrower in category 1 holds it; ValueError naming the listed
        ones where there is none."""
        if MODE in symbol:
            plain, _, category = symbol.partition(MODE)
            if not category.isdigit():
                raise ValueError(f"efficiency mode must be a number, got {symbol!r}")
            own, mode = self.reserve(plain), self.mode(int(category))
            if plain not in mode.collateral:
                return replace(own, symbol=symbol)
            return replace(
                own,
                symbol=symbol,
                ltv=mode.ltv,
                liquidation_threshold=mode.liquidation_threshold,
                liquidation_bonus=mode.liquidation_bonus,
            )
        for found in self.reserves:
            if found.symbol == symbol:
                return found
        raise ValueError(f"reserve must be one of {[r.symbol for r in self.reserves]}, got {symbol!r}")

    def with_threshold_shift(self, shift: float) -> "AaveV3Rules":
        """The liquidation threshold of every collateral and efficiency mode moved by `shift` (0.03 is three points).

        An LTV above the new threshold comes down to it.  ValueError where a threshold leaves [0, 1) or times its
        bonus exceeds 1: such a market could not be configured.
        """

        def changed(own: Any) -> Any:
            enabled = own.liquidation_threshold > 0.0
            return moved(own, shift, "liquidation_threshold", "ltv") if enabled else own

        if not shift:
            return self
        modes = {"emodes": tuple(changed(e) for e in self.emodes)} if self.emodes else {}
        return replace(self, reserves=tuple(changed(r) for r in self.reserves), **modes)

    def broken(self, changes: ParameterSet, constraints: Constraints) -> list[str]:
        """Every reason why `changes` could not be configured, or break `constraints`; empty where they can."""
        found = []
        for symbol, change in changes.tokens.items():
            own = next((r for r in self.reserves if r.symbol == symbol), None)
            as_collateral = change.values(OF_TOKEN)
            if own is None or as_collateral and own.liquidation_threshold == 0.0:
                only = [r.symbol for r in self.reserves if not as_collateral or r.liquidation_threshold > 0.0]
                said = "collateral of" if as_collateral else "listed in"
                found.append(f"tokens must be {said} the market ({', '.join(only)}), got {symbol!r}")
                continue
            if as_collateral:
                new = {name: getattr(own, name) for name in OF_TOKEN} | as_collateral
                found += constraints.broken(symbol, *new.values())
            if change.liquidation_threshold == 0.0:
                found.append(f"{symbol} liquidation_threshold must be above 0, which would end it as collateral, got 0")
            found += [
                f"{symbol} {name} must be a whole number of basis points, got {value!r}"
                for name, value in change.values((*OF_TOKEN, *OF_CURVE)).items()
                if abs(value * BPS - round(value * BPS)) > 1e-6
            ]
            found += _sizes(own, change)
            found += _curve(own, change)
            if changes.caps != 1.0 and change.values(OF_SIZE):
                found.append(f"caps must be left out of a set that changes a cap of {symbol}, got {changes.caps:g}")
        return found

    def with_parameters(self, changes: ParameterSet) -> "AaveV3Rules":
        """The market under `changes`; ValueError with every reason where it could not be configured."""
        faults = self.broken(changes, Constraints())
        if faults:
            raise ValueError(f"{changes.name}: {'; '.join(faults)}")

        def grown(cap: float | None) -> float | None:
            return None if cap is None else float(round(cap * changes.caps))

        def changed(reserve: Reserve) -> Reserve:
            own = changes.tokens.get(reserve.symbol, TokenChange())
            caps = {n: grown(getattr(reserve, n)) for n in OF_SIZE} if changes.caps != 1.0 else {}
            values = {n: round(v * BPS) / BPS for n, v in own.values((*OF_TOKEN, *OF_CURVE)).items()}
            return reserve.with_values(caps | own.values(OF_SIZE) | values)

        factor = {} if changes.close_factor is None else {"close_factor": changes.close_factor}
        return replace(self, reserves=tuple(changed(r) for r in self.reserves), **factor)


def _sizes(own: Reserve, change: TokenChange) -> Iterator[str]:
    for name, cap in change.values(OF_SIZE).items():
        if not cap >= 1.0 or cap != round(cap):
            yield f"{own.symbol} {name} must be a whole number of tokens from 1 on, got {cap:g}"


def _curve(own: Reserve, change: TokenChange) -> Iterator[str]:
    """What the contract refuses of a curve: bounds, and a second slope below the first."""
    values = change.values(OF_CURVE)
    if not values:
        return
    try:
        new = replace(own.rates, **values)
    except ValueError as error:
        yield f"{own.symbol} {error}"
        return
    if new.slope1 > new.slope2:
        yield f"{own.symbol} slope2 must be at least slope1 {new.slope1:g}, got {new.slope2:g}"
