"""The command line, one file for each command; `registry` lists the commands and `cli` runs them."""
