"""TextState: an immutable value that can be kept, copied, compared and continued."""

from __future__ import annotations

import copy

import pytest

from helpers.untrained import untrained
from weft.errors import InputError


def test_pushing_pieces_equals_pushing_the_whole_text() -> None:
    lm = untrained("char")
    whole = lm.start().push("you say\nhello")
    pieces = lm.start().push("you ").push("").push("say\nhel").push("lo")
    assert pieces == whole
    assert pieces.logprob_nats == pytest.approx(whole.logprob_nats)
    assert pieces.surprisals == whole.surprisals[-2:]


def test_pushing_does_not_change_a_state() -> None:
    lm = untrained()
    before = lm.start().push("you say")
    expected = before.next(5)
    hello, goodbye = before.push("hello"), before.push("goodbye")
    assert before.next(5) == expected
    assert hello != goodbye
    assert hello.next(5) != goodbye.next(5)
    assert before.push("hello") == hello
    assert lm.start() == lm.start() != before


def test_copies_are_equal_and_continue_alike() -> None:
    state = untrained().start().push("you say")
    for other in (copy.copy(state), copy.deepcopy(state)):
        assert other == state
        assert other.push("hello") == state.push("hello")
        assert other == state


def test_states_of_other_models_and_other_types_are_not_equal() -> None:
    assert untrained().start() != untrained().start()
    assert untrained().start() != "start"


def test_texts_read_in_turn_do_not_affect_each_other() -> None:
    lm = untrained()
    alone = lm.start().push("you").push("say").push("hello").logprob_nats
    ours, theirs = lm.start(), lm.start()
    for word, other in zip(("you", "say", "hello"), ("hello", "i", "say"), strict=True):
        ours, theirs = ours.push(word), theirs.push(other)
    assert ours.logprob_nats == alone != theirs.logprob_nats


def test_the_probability_of_a_token_equals_that_of_next() -> None:
    state = untrained().start().push("you say")
    (token, probability), *_rest = state.next(1)
    assert state.probability(token) == pytest.approx(probability)
    with pytest.raises(InputError, match="'nonsense' is not a token"):
        state.probability("nonsense")
