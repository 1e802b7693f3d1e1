"""Other toolkits' formats."""
