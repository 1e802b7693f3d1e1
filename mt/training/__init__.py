"""Learning: the loop, what it minimises, how weights change, and what it reports."""
