"""Scores of texts, token by token or word by word: one schema, and the formats it is written in."""

from weft.scoring.text_scores import Wanted, score_lines, score_running
from weft.scoring.token_score import TokenScore

__all__ = ["TokenScore", "Wanted", "score_lines", "score_running"]
