"""Estimates of the quality of translations without references."""
