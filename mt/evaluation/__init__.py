"""What translations are worth: test sets, comparisons of systems, and where errors are."""
