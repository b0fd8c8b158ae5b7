"""Settings of all tests."""

from hypothesis import settings

# How long an example takes says nothing about whether the code is right.
settings.register_profile("weft", deadline=None)
settings.load_profile("weft")
