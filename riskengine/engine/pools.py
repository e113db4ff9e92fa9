"""What holding the pool tokens of a book costs against holding their coins: impermanent loss along the paths."""

from riskengine.arrays import Floats
from riskengine.book.portfolio import Portfolio
from riskengine.engine.outcomes import Key
from riskengine.market.paths import MarketPaths
from riskengine.pricing.pool import against_holding, prices


def pool_columns(book: Portfolio, paths: MarketPaths) -> dict[Key, Floats]:
    """Impermanent loss of each pool token over the whole path, from its coins at time 0, without fees; (P,) each."""
    (x0, y0), (x, y) = (prices(book, paths.spot_lanes[at]) for at in (0, -1))
    return {
        ("pools", book.instruments[m].name, None, None, "all", "impermanent_loss"): against_holding(
            book.instruments[m], x0[j] / y0[j], x[j], y[j]
        )
        for j, m in enumerate(book.pools)
    }
