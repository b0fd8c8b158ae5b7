"""Settings of all tests."""

from hypothesis import settings

# No deadline: the time of an example depends on the machine.
settings.register_profile("weft", deadline=None)
settings.load_profile("weft")
