"""Settings of all tests."""

import signal

from hypothesis import settings

# No deadline: the time of an example depends on the machine.
settings.register_profile("weft", deadline=None)
settings.load_profile("weft")

# A job that a script starts in the background inherits an ignored SIGINT, which many tests raise.
signal.signal(signal.SIGINT, signal.default_int_handler)
