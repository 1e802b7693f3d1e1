"""From parallel text to batches."""
