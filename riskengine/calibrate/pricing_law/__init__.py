"""A pricing law (measure Q) fitted to the option chain of one asset, and kept fitted from snapshot to snapshot."""
