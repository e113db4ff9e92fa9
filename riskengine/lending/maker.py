"""Maker liquidations 2.0: `bark` takes a vault, a Dutch auction sells it; exact integers (WAD, RAY, RAD).

Reference: dss ``dog``, ``clip``, ``abaci`` (behaviour re-implemented).
"""

from dataclasses import dataclass

from riskengine.pricing.fixed_point import RAY, WAD, check_integers, ray_mul_floor, ray_power


def linear_price(top: int, duration: int, elapsed: int) -> int:
    """Auction price falling linearly from `top` (RAY) to 0 over `duration` seconds."""
    check_integers(top=top, duration=duration, elapsed=elapsed)
    return 0 if elapsed >= duration else ray_mul_floor(top, (duration - elapsed) * RAY // duration)


def stairstep_price(top: int, cut: int, step_seconds: int, elapsed: int) -> int:
    """Auction price: `top` times `cut` (RAY) for each whole step elapsed."""
    check_integers(top=top, elapsed=elapsed)
    check_integers(1, step_s=step_seconds)
    check_integers(0, RAY, cut=cut)
    return ray_mul_floor(top, ray_power(cut, elapsed // step_seconds))


@dataclass(frozen=True)
class Take:
    """One purchase from an auction.

    Attributes
    ----------
    slice : int
        Collateral bought, WAD.
    owe : int
        Paid, RAD.
    tab, lot : int
        Still to raise (RAD) and still on sale (WAD).
    done : bool
        Auction over: with `tab` 0 the rest of `lot` returns to the owner, with `lot` 0 the rest of `tab` is bad debt.
    reverts : str or None
        ``no-partial-purchase`` where the remainder would be too small to sell.
    """

    slice: int
    owe: int
    tab: int
    lot: int
    done: bool
    reverts: str | None = None


def take(tab: int, lot: int, price: int, amount: int, chost: int) -> Take:
    """Buy up to `amount` of `lot` at `price` (RAY); none may leave a `tab` below `chost` with collateral on sale."""
    check_integers(tab=tab, lot=lot, price=price, amount=amount, chost=chost)
    part = min(lot, amount)
    owe = part * price
    if owe > tab:
        owe = tab
        part = owe // price
    elif owe < tab and part < lot and tab - owe < chost:
        if tab <= chost:
            return Take(0, 0, tab, lot, False, "no-partial-purchase")
        owe = tab - chost
        part = owe // price
    tab, lot = tab - owe, lot - part
    return Take(part, owe, tab, lot, tab == 0 or lot == 0)


@dataclass(frozen=True)
class Bark:
    """A vault's share taken into auction: `dart` normalised debt and `dink` collateral (WAD), `due` debt and `tab` to
    raise (RAD); `reverts` names why nothing was taken."""

    dart: int
    dink: int
    due: int
    tab: int
    reverts: str | None = None


def bark(
    ink: int, art: int, rate: int, spot: int, dust: int, hole_all: int, dirt_all: int, hole: int, dirt: int, chop: int
) -> Bark:
    """Start liquidating a vault of `ink` collateral and `art` debt within the limits on running auctions.

    `hole_all`, `dirt_all` are the limit on all auctions and what they are raising; `hole`, `dirt` the collateral's own.
    """
    check_integers(ink=ink, art=art, spot=spot, dust=dust, Hole=hole_all, Dirt=dirt_all, hole=hole, dirt=dirt)
    check_integers(1, rate=rate, chop=chop)
    if spot == 0 or ink * spot >= art * rate:
        return Bark(0, 0, 0, 0, "not-unsafe")
    # room below dust is no obstacle: a vault that is dusty itself may fit into it
    room = min(hole_all - dirt_all, hole - dirt)
    if room <= 0:
        return Bark(0, 0, 0, 0, "liquidation-limit-hit")
    dart = min(art, room * WAD // rate // chop)
    if art > dart:
        if (art - dart) * rate < dust:
            dart = art
        elif dart * rate < dust:
            return Bark(0, 0, 0, 0, "dusty-auction-from-partial-liquidation")
    dink = ink * dart // art
    if dink == 0:
        return Bark(0, 0, 0, 0, "null-auction")
    due = dart * rate
    return Bark(dart, dink, due, due * chop // WAD)
