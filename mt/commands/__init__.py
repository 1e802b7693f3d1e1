"""One module a command: the only place where objects are built from the configuration."""
