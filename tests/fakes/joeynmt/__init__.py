"""A stand-in for JoeyNMT 2.3, with the signatures of the few names that `scripts/training_peers.py` uses."""
