"""Closed-form rules of venues for one position or one figure, one venue per file.

Calculators, not simulated models: they answer ``verify`` and single what-if questions, and are not in the registry.
"""
