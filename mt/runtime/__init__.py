"""The process and the machine: files, messages, signals, seeds, devices, processes."""
