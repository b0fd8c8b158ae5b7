"""The built-in text: the language reference that is part of Python, as `help()` shows it."""

from __future__ import annotations

from weft.errors import InputError


def builtin_text() -> str:
    """CPython's language reference, chapters sorted by name: about 465,000 characters, 65,000 words.

    The text depends on the version of Python. Raises InputError if this Python was built without it.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise InputError(
            "this Python was installed without its language reference (pydoc_data.topics), which is the built-in text: "
            "name a text file instead"
        ) from None
    return "".join(topics[name].removesuffix("\n") + "\n" for name in sorted(topics))
