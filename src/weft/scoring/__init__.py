"""Scores of texts by token or by word: one schema, and the formats in which it is written."""

from weft.scoring.text_scores import Wanted, score_lines, score_running
from weft.scoring.token_score import TokenScore

__all__ = ["TokenScore", "Wanted", "score_lines", "score_running"]
