"""The market as data: time grid, paths, implied-volatility surface, and the snapshot that valuation and margin read."""
