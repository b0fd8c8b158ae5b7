"""A token as it can be shown."""

from __future__ import annotations


def visible(token: str) -> str:
    """The token with a blank as ␣ and what cannot be printed escaped."""
    return "".join(map(_visible_character, token))


def _visible_character(character: str) -> str:
    if character == " ":
        return "␣"
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
