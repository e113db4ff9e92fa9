"""Estimators of value at risk and expected shortfall: one per file, on one sample or on many lanes at once."""
