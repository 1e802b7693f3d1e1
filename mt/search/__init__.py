"""Ways of searching for a translation: they know neither the tokeniser nor the model."""
