"""The command `mt translate`."""
