"""How good translations are: test sets, scores, comparisons of systems, and where errors are."""
