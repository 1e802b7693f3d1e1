"""One module for each command: the only place where objects are built from the configuration."""
