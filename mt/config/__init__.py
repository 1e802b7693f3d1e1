"""The typed configuration: its schema, its checks, and how it is read from a file."""
