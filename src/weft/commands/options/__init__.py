"""Options that several commands share, with the checks of their values."""
