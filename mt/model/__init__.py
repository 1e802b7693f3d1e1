"""The Transformer, from attention upwards."""
