"""How good a translation is, estimated without a reference."""
