"""A test suite after the test files of cpllab/syntaxgym-core (MIT licence), and tokens with given surprisals."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

REGIONS = {
    1: {
        "that": ["I know that", "our aunt", "grabbed", "in front of", "the guests", "at the holiday party."],
        "what": ["I know what", "our aunt", "grabbed", "in front of", "the guests", "at the holiday party."],
    },
    2: {
        "that": ["My neighbor told me that", "the dog", "caught", "in full view of", "the neighbors", "yesterday."],
        "what": ["My neighbor told me what", "the dog", "caught", "in full view of", "the neighbors", "yesterday."],
    },
}
FORMULAS = ["(3;%that%) < (3;%what%)", "[(*;%that%) - (3;%that%) < 90] & [(5;%what%) + (6;%what%) > 31]"]


def suite_document(metric: Any = "sum", formulas: list[str] = FORMULAS) -> dict[str, Any]:
    """The JSON object of a suite of two items, two conditions and six regions."""
    return {
        "meta": {"name": "filler", "metric": metric, "tags": ["filler-gap"]},
        "region_meta": {str(number): f"region {number}" for number in range(1, 7)},
        "predictions": [{"type": "formula", "formula": formula} for formula in formulas],
        "items": [
            {
                "item_number": item,
                "conditions": [
                    {
                        "condition_name": name,
                        "regions": [
                            {"region_number": number, "content": content}
                            for number, content in enumerate(contents, start=1)
                        ],
                    }
                    for name, contents in conditions.items()
                ],
            }
            for item, conditions in copy.deepcopy(REGIONS).items()
        ],
    }


@dataclass(frozen=True)
class GivenToken:
    start: int
    end: int
    text: str
    surprisal_bits: float
    oov: bool = False


def words_of(text: str, bits: float = 1.0) -> list[GivenToken]:
    """The words of a text, each with a surprisal of `bits` times its number of characters."""
    return [
        GivenToken(word.start(), word.end(), word[0], bits * len(word[0]), oov=word[0] == "aunt")
        for word in re.finditer(r"\S+", text)
    ]
