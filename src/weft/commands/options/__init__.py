"""Options that several commands share, each with its checks."""
