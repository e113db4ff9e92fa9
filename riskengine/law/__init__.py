"""Exact laws of a horizon log-return: Poisson mixtures, Fourier inversion, and the risk of an exposure under them."""
