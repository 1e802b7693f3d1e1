"""Strings and subword pieces."""
