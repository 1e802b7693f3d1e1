"""The typed configuration and its checks."""
