"""Scores and calibration measures of forecasts: quantiles, expected shortfalls, probabilities, whole laws."""
