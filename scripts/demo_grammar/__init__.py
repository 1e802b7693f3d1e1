"""A grammar of everyday Chinese and English that makes pairs of sentences with the same meaning."""
