"""Text to text: search set up for a model and a tokenizer, and what is added to its results."""
