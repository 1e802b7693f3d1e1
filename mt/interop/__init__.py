"""Models in the formats of other toolkits, exported and imported."""
