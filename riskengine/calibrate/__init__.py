"""Fit a world to data: returns across horizons, bands that judge the fit, option chains, and the world file."""
