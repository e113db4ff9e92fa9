"""Estimates from samples, each with an interval and the name of the method that made it."""
