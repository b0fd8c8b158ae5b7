"""Formulas of predictions: the same values as Python's own arithmetic, and mistakes with their place."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import InputError
from weft.stimuli.formula import ABSOLUTE, DEEPEST, RELATIVE, Reference, is_equal, parse_formula

VALUES = {Reference(condition, region): 1.7 * region for condition in ("a-1", "b_2") for region in range(4)}
VALUES |= {Reference(name, None): sum(VALUES[Reference(name, n)] for n in range(4)) for name in ("a-1", "b_2")}
SPACES = st.sampled_from(["", " ", "  ", "\t"])
PARENTHESES = st.sampled_from(["()", "[]"])


class Both(NamedTuple):
    """A formula, and the same as an expression of Python, in which every operation has parentheses."""

    formula: str
    python: str


def holds(text: str) -> bool:
    return parse_formula(text).holds(VALUES.__getitem__)


def python_value(expression: str) -> bool:
    value = eval(expression, {"is_equal": is_equal})
    assert isinstance(value, bool)
    return value


def in_parentheses(inner: Both, space: str, parentheses: str) -> Both:
    return Both(f"{parentheses[0]}{space}{inner.formula}{space}{parentheses[1]}", f"({inner.python})")


def chained(first: Both, rest: list[tuple[str, Both]], space: str) -> Both:
    """Operations that group from the left."""
    formula, python = first
    words = {"&": "and", "|": "or"}
    for sign, other in rest:
        formula += f"{space}{sign}{space}{other.formula}"
        python = f"({python} {words.get(sign, sign)} {other.python})"
    return Both(formula, python)


def compared(left: Both, sign: str, right: Both, space: str) -> Both:
    formula = f"{left.formula}{space}{sign}{space}{right.formula}"
    if sign == "=":
        return Both(formula, f"is_equal({left.python}, {right.python})")
    return Both(formula, f"({left.python} {sign} {right.python})")


def chains(parts: st.SearchStrategy[Both], signs: str) -> st.SearchStrategy[Both]:
    return st.builds(chained, parts, st.lists(st.tuples(st.sampled_from(signs), parts), max_size=3), SPACES)


def numbers() -> st.SearchStrategy[Both]:
    literals = st.one_of(st.integers(0, 30).map(str), st.floats(0, 50).map(repr), st.sampled_from(["1.", ".5", "2E1"]))
    signed = st.builds(lambda sign, text: sign + text, st.sampled_from(["", "-", "+"]), literals)
    regions = st.sampled_from([Both(str(reference), repr(value)) for reference, value in VALUES.items()])
    return signed.map(lambda text: Both(text, f"({text})")) | regions


def within(chain: st.SearchStrategy[Both]) -> st.SearchStrategy[Both]:
    return st.builds(in_parentheses, chain, SPACES, PARENTHESES)


def sums() -> st.SearchStrategy[Both]:
    return chains(st.recursive(numbers(), lambda terms: within(chains(terms, "+-")), max_leaves=3), "+-")


def formulas() -> st.SearchStrategy[Both]:
    comparisons = st.builds(compared, sums(), st.sampled_from("<>="), sums(), SPACES)
    return chains(st.recursive(comparisons, lambda terms: within(chains(terms, "&|")), max_leaves=3), "&|")


@given(formulas())
def test_a_formula_has_the_value_of_the_same_expression_in_python(both: Both) -> None:
    assert holds(both.formula) is python_value(both.python)


@given(
    st.lists(st.tuples(st.sampled_from("+-"), st.integers(0, 9)), max_size=6),
    st.sampled_from("<>"),
    st.lists(st.tuples(st.sampled_from("+-"), st.integers(0, 9)), max_size=6),
)
def test_sums_and_comparisons_group_as_in_python(
    left: list[tuple[str, int]], sign: str, right: list[tuple[str, int]]
) -> None:
    text = f"4{''.join(f' {s} {n}' for s, n in left)} {sign} 5{''.join(f' {s} {n}' for s, n in right)}"
    assert holds(text) is python_value(text)


def test_and_and_or_group_from_the_left_as_in_syntaxgym() -> None:
    assert not holds("1 < 2 | 1 < 2 & 2 < 1")
    assert holds("1 < 2 | (1 < 2 & 2 < 1)")


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6) | st.none(), st.floats(-1, 1))
def test_equality_is_that_of_numpy_with_the_tolerances_of_syntaxgym(
    left: float, other: float | None, distance: float
) -> None:
    right = left + distance * (ABSOLUTE + RELATIVE * abs(left)) * 1.5 if other is None else other
    bound = ABSOLUTE + RELATIVE * abs(right)
    if not math.isclose(abs(left - right), bound, rel_tol=1e-9):
        assert is_equal(left, right) is (abs(left - right) < bound)
    assert is_equal(math.inf, math.inf)
    assert not is_equal(left, math.inf)
    assert not is_equal(math.inf, left)
    assert not is_equal(math.inf, -math.inf)


def test_a_formula_lists_its_references() -> None:
    formula = parse_formula("[(6;%a%) + ( * ;%b c% )] < (6;%a%) - (7;%a%)")
    assert formula.references == [Reference("a", 6), Reference("b c", None), Reference("a", 7)]


def test_a_long_formula_needs_no_deep_recursion() -> None:
    assert holds(" & ".join(["1 + 1 - 1 < 2"] * 20_000))
    assert holds(f"{'[' * DEEPEST}1 < 2{']' * DEEPEST}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "character 1: expected a number, a region such as (1;%condition%), or a parenthesis, got the end"),
        ("(1;%a%)", "character 8: expected a comparison"),
        ("1 < 2 & 3", "character 7: '&' needs a comparison on each side"),
        ("(1 < 2) + 1 < 3", "character 9: '+' needs a number on each side"),
        ("(1 < 2) < (1 < 2)", "character 9: '<' needs a number on each side"),
        ("1 < 2 < 3", "character 7: a comparison has two sides"),
        ("(1 < 2", "character 7: expected ')', got the end"),
        ("(1 < 2]", "character 7: expected ')', got ']'"),
        ("1 < 2)", "character 6: expected an operator or the end, got ')'"),
        ("1 < -(1;%a%)", "character 6: expected a number after the sign '-', got '(1;%a%)'"),
        ("1 << 2", "character 4: expected a number, a region"),
        ("(1;a) < 2", "character 3: ';a) < 2' is no part of a formula"),
        ("(x;%a%) > 1", "character 2: 'x;%a%) > 1' is no part of a formula"),
        ("1 < 2 or 2 < 1", "character 7: 'or 2 < 1' is no part of a formula"),
        ("__import__('os')", "character 1: "),
        ("(" * 5000 + "1 < 2" + ")" * 5000, "more than 100 parentheses are open"),
        ("\x1b[31m" * 1000, "is no part of a formula"),
        ("1 < 2 " + "x" * 100_000, "is no part of a formula"),
    ],
)
def test_a_mistake_is_reported_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_formula(text)
    assert message in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


@given(st.text("(1;%a%)<+&[] *=-", max_size=30))
def test_any_text_is_a_formula_or_refused_in_one_line(text: str) -> None:
    refusal = ""
    try:
        parse_formula(text).holds(lambda reference: 1.0)
    except InputError as error:
        refusal = str(error)
    assert refusal == "" or refusal.isprintable()
