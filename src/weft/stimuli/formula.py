"""Formulas of SyntaxGym's predictions: surprisals of regions, added, subtracted and compared.

    formula     comparison { ("&" | "|") comparison }
    comparison  sum [ ("<" | ">" | "=") sum ]
    sum         term { ("+" | "-") term }
    term        number | (R;%condition%) | (*;%condition%) | "(" formula ")" | "[" formula "]"

R is the number of a region, * all regions of the condition. As in SyntaxGym, "&" and "|" have the same precedence and
group from the left, and a = b holds if |a - b| <= 1e-3 + 1e-5 |b|. A prediction is true or false, so a formula must
have a comparison on each side of "&" and "|", and numbers on each side of the other operators.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from weft.errors import InputError, quoted

RELATIVE, ABSOLUTE = 1e-5, 1e-3
"""Tolerances of "=", in bits, the relative one of the right side."""

DEEPEST = 100
"""Most parentheses within each other."""

_TOKEN = re.compile(
    r"\(\s*(?P<region>[0-9]{1,9}|\*)\s*;\s*%(?P<condition>[^%]*)%\s*\)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<sign>[-+<>=&|()\[\]])"
)
_CLOSING = {"(": ")", "[": "]"}
_SPACE = re.compile(r"\s*")


@dataclass(frozen=True)
class Reference:
    """The surprisal of a region of a condition; region None: the sum over all its regions."""

    condition: str
    region: int | None

    def __str__(self) -> str:
        return f"({'*' if self.region is None else self.region};%{self.condition}%)"


def is_equal(left: float, right: float) -> bool:
    """Whether two sums of surprisals are equal within the tolerances; infinite ones if they are the same."""
    return left == right or abs(left - right) <= ABSOLUTE + RELATIVE * abs(right) < float("inf")


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "<": operator.lt,
    ">": operator.gt,
    "=": is_equal,
    "&": lambda left, right: left and right,
    "|": lambda left, right: left or right,
}

Step = float | Reference | str
"""A number or reference, whose value is put on a stack, or an operator, which takes two values from it."""


@dataclass(frozen=True)
class Formula:
    """A formula as written, and its steps in postfix order."""

    text: str
    steps: tuple[Step, ...]

    @property
    def references(self) -> list[Reference]:
        """The references in the formula, each once, in order."""
        return list(dict.fromkeys(step for step in self.steps if isinstance(step, Reference)))

    def holds(self, value_of: Callable[[Reference], float]) -> bool:
        """Whether the formula is true where a reference has the value `value_of(reference)`."""
        values: list[Any] = []
        for step in self.steps:
            if isinstance(step, str):
                right = values.pop()
                values.append(OPERATORS[step](values.pop(), right))
            else:
                values.append(value_of(step) if isinstance(step, Reference) else step)
        return bool(values[0])


def parse_formula(text: str) -> Formula:
    """The formula that `text` is. Raises InputError, with the place of the mistake, if it is none."""
    parser = _Parser(text)
    if not parser.formula(0):
        raise parser.error("expected a comparison with <, > or =")
    if parser.token is not None:
        raise parser.unexpected("an operator or the end")
    return Formula(text, tuple(parser.steps))


class _Parser:
    """Recursive descent. The methods append the steps of what they read; all but `term` return whether it is a truth
    value rather than a number."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = self._end = 0
        self.steps: list[Step] = []
        self.token: re.Match[str] | None = None
        self._advance()

    def formula(self, depth: int) -> bool:
        is_truth = self._comparison(depth)
        while (sign := self._sign_among("&|")) is not None:
            place = self._place
            self._advance()
            if not (self._comparison(depth) and is_truth):
                raise self.error(f"{sign!r} needs a comparison on each side", place)
            self.steps.append(sign)
        return is_truth

    def _comparison(self, depth: int) -> bool:
        is_truth = self._sum(depth)
        sign = self._sign_among("<>=")
        if sign is None:
            return is_truth
        self._advance_to_number(sign, is_truth, lambda: self._sum(depth))
        if self._sign_among("<>=") is not None:
            raise self.error("a comparison has two sides: connect two of them by '&'")
        return True

    def _sum(self, depth: int) -> bool:
        is_truth = self._term(depth)
        while (sign := self._sign_among("+-")) is not None:
            self._advance_to_number(sign, is_truth, lambda: self._term(depth))
        return is_truth

    def _advance_to_number(self, sign: str, is_truth: bool, right: Callable[[], bool]) -> None:
        """Read an operator and its right side, both sides of which must be numbers."""
        place = self._place
        self._advance()
        if right() or is_truth:
            raise self.error(f"{sign!r} needs a number on each side", place)
        self.steps.append(sign)

    def _term(self, depth: int) -> bool:
        sign = self._sign_among("+-")
        if sign is not None:
            self._advance()
            if self.token is None or self.token["number"] is None:
                raise self.unexpected(f"a number after the sign {sign!r}")
        token = self.token
        if token is not None and token["number"] is not None:
            self.steps.append(float(token["number"]) * (-1.0 if sign == "-" else 1.0))
        elif token is not None and token["region"] is not None:
            region = None if token["region"] == "*" else int(token["region"])
            self.steps.append(Reference(token["condition"], region))
        elif token is not None and token["sign"] in _CLOSING:
            return self._within_parentheses(token["sign"], depth + 1)
        else:
            raise self.unexpected("a number, a region such as (1;%condition%), or a parenthesis")
        self._advance()
        return False

    def _within_parentheses(self, opening: str, depth: int) -> bool:
        if depth > DEEPEST:
            raise self.error(f"more than {DEEPEST} parentheses are open")
        self._advance()
        is_truth = self.formula(depth)
        if self._sign_among(_CLOSING[opening]) is None:
            raise self.unexpected(f"{_CLOSING[opening]!r}")
        self._advance()
        return is_truth

    def _sign_among(self, signs: str) -> str | None:
        """The sign at the present place, if it is one of `signs`."""
        sign: str | None = None if self.token is None else self.token["sign"]
        return sign if sign is not None and sign in signs else None

    def _advance(self) -> None:
        space = _SPACE.match(self._text, self._end)
        self._place = self._end if space is None else space.end()
        self.token = _TOKEN.match(self._text, self._place)
        if self.token is not None:
            self._end = self.token.end()
        elif self._place < len(self._text):
            raise self.error(f"{quoted(self._text[self._place :], 20)} is no part of a formula")

    def unexpected(self, expected: str) -> InputError:
        found = "the end" if self.token is None else quoted(self.token[0], 20)
        return self.error(f"expected {expected}, got {found}")

    def error(self, message: str, place: int | None = None) -> InputError:
        """An error with the formula and the place, in characters from 1."""
        at = self._place if place is None else place
        return InputError(f"the formula {quoted(self._text)}, at character {at + 1}: {message}")
