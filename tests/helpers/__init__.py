"""What several tests share: cases, oracles, and running the command line."""
