"""Exposures: what the estimators of a lab are tested on, each a position in one asset of a world."""
