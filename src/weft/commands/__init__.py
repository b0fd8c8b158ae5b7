"""The command line, one file a command; `cli` gathers them."""
