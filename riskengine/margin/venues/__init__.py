"""Rules of venues, clearing houses and regulators for one position, one figure or one portfolio, one per file.

Calculators, not simulated models: they answer ``verify`` and single what-if questions, and are not in the registry.
"""
