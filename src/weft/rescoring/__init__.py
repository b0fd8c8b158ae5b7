"""N-best rescoring: a language model chooses the best hypotheses of a speech recognizer."""

from weft.rescoring.column_layout import ColumnLayout
from weft.rescoring.hypotheses import Hypothesis, Utterance
from weft.rescoring.json_layout import JsonLayout
from weft.rescoring.kaldi_layout import KaldiLayout
from weft.rescoring.prefix_scorer import PrefixScorer, TextScore
from weft.rescoring.rescore import RescoredUtterance, rescore
from weft.rescoring.tuning import tune
from weft.rescoring.weights import Weights, read_weights, write_weights

__all__ = [
    "ColumnLayout",
    "Hypothesis",
    "JsonLayout",
    "KaldiLayout",
    "PrefixScorer",
    "RescoredUtterance",
    "TextScore",
    "Utterance",
    "Weights",
    "read_weights",
    "rescore",
    "tune",
    "write_weights",
]
