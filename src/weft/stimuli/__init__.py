"""Stimuli of psycholinguistic experiments: test suites of SyntaxGym, minimal pairs, and number agreement."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from weft.stimuli.accuracy import Accuracy, bootstrap_interval
from weft.stimuli.pairs import ComparedPair, Pair, Tallies, Tally, compare_pairs
from weft.stimuli.suite import Suite, read_suite
from weft.stimuli.syntaxgym import EvaluatedSuite, evaluate_suite, score_suites
from weft.submodules import import_submodule

__all__ = [
    "Accuracy",
    "ComparedPair",
    "EvaluatedSuite",
    "Pair",
    "Suite",
    "Tallies",
    "Tally",
    "bootstrap_interval",
    "compare_pairs",
    "evaluate_suite",
    "read_suite",
    "score_suites",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> ModuleType:
        return import_submodule(__name__, name)
