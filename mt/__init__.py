"""mt: train translation models and translate with them."""

__version__ = "0.1.0"
