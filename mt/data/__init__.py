"""Parallel text: reading, filtering, encoding, mixing, batches."""
