"""Strings and subword pieces; nothing here knows the model."""
