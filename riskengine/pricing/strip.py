"""Black implied volatilities of a pricing law: the strip that its options would be quoted at."""

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats
from riskengine.law.options import OptionDesk
from riskengine.pricing.implied_vol import implied_volatility


def implied_strip(desk: OptionDesk, strike: ArrayLike, tau: float) -> Floats:
    """Implied volatility at each strike from the option that is out of the money.

    Parameters
    ----------
    desk : OptionDesk
        Settlement does not matter: an inverse option is quoted at the volatility of the linear one.
    strike : array_like
        USD.
    tau : float
        Years to expiry: the horizon of the desk's law.

    Returns
    -------
    ndarray
        Decimal per square-root year, shape of `strike`.
    """
    strikes = np.asarray(strike, dtype=np.float64)
    sign = np.where(strikes >= desk.forward, 1.0, -1.0)
    price = desk.price(strikes, sign)
    usd = price * desk.spot if desk.settlement == "inverse" else price
    return implied_volatility(usd, desk.forward, strikes, tau, sign, desk.discount)
