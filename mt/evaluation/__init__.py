"""Evaluation of translations: test sets, scores, comparisons of systems, and breakdowns of errors."""
