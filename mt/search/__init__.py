"""Search for translations over a step function; nothing here knows the tokenizer or the model."""
