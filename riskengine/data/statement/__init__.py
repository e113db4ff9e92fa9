"""Positions, balances and chains as venues' interfaces answer them, made into the plain values of a margin book."""
