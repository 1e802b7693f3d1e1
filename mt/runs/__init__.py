"""The run folder: its layout, and what is in it."""
