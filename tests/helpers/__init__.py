"""Code that several tests use: cases, oracles, and running the command line."""
