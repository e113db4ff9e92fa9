"""Market state beyond prices: one component per file, each filling its own lanes of `MarketPaths`."""
