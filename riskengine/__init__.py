"""Calibration simulator for risk engines.

A jump-diffusion generator makes market paths; margin models and lending protocols live through them; the result says
how often coverage is breached, who is liquidated, how much bad debt is left, and how wrong the tail estimate behind
each parameter is.  See ``docs/notation.md`` for the words used and ``docs/extending.md`` for how to add a model.
"""

__version__ = "0.1.0"
