"""Random ARPA files, and their probabilities by the textbook: dictionaries and recursion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from helpers.damage import damaged

Gram = tuple[str, ...]

UNK, START, END = "<unk>", "<s>", "</s>"
ABSENT_UNK = -100.0
NEVER = -99.0

PLAIN_WORDS = ["a", "b", "c", "海", "it's"]
ODD_WORDS = [*PLAIN_WORDS, "\x0b", "d\x0ce", "\x1c", "10\xa0km", "\u2028", "-0.5", "\\end\\", "1=3", "\x00"]
"""Words with characters that are white space elsewhere, and words that look like other parts of the format."""


@dataclass(frozen=True)
class Style:
    """How a file is written; by default as KenLM reads it."""

    before: str = ""
    blank: str = "\t"
    between_words: str = " "
    line_end: str = "\n"
    count: str = "ngram {}={}"
    number: str = "{!r}"
    never: str = "-99"
    zero_backoffs: bool = True
    empty_lines: int = 1
    at_end: str = ""


STYLES = st.builds(
    Style,
    before=st.sampled_from(["", "\ufeff", "\n", "a comment\n\n"]),
    blank=st.sampled_from(["\t", " ", "  ", " \t"]),
    between_words=st.sampled_from([" ", "\t", "\r", "\t  "]),
    line_end=st.sampled_from(["\n", "\r\n", " \n"]),
    count=st.sampled_from(["ngram {}={}", "ngram  {} = {}", "ngram\t{}={}"]),
    number=st.sampled_from(["{!r}", "{:.17e}", "{:.17E}"]),
    never=st.sampled_from(["-99", "-inf", "-Inf", "-99.0"]),
    zero_backoffs=st.booleans(),
    empty_lines=st.integers(0, 2),
    at_end=st.sampled_from(["", "\n", " \n\t\n"]),
)


@dataclass(frozen=True)
class ArpaFile:
    """ngrams: for each order, n-gram -> log10 P and log10 back-off weight."""

    ngrams: Sequence[Mapping[Gram, tuple[float, float]]]

    @property
    def order(self) -> int:
        return len(self.ngrams)

    @property
    def words(self) -> list[str]:
        """The words that can be predicted, `<unk>` and the line end among them."""
        return [UNK, *(word for (word,) in self.ngrams[0] if word not in (UNK, START))]

    def log10(self, word: str, context: Gram) -> float:
        """log10 P(word | context), by backing off."""
        found = self.ngrams[len(context)].get((*context, word))
        if found is not None:
            return found[0]
        if not context:
            return ABSENT_UNK
        return self.backoff(context) + self.log10(word, context[1:])

    def backoff(self, context: Gram) -> float:
        """The log10 back-off weight of a context."""
        return self.ngrams[len(context) - 1].get(context, (0.0, 0.0))[1]

    def line(self, words: Iterable[str]) -> list[float]:
        """log10 P of every word of a line and of its end."""
        before: Gram = (START,)
        result = []
        for word in (*words, END):
            known = word if (word,) in self.ngrams[0] and word not in (START, UNK) else UNK
            result.append(self.log10(known, before[len(before) - min(len(before), self.order - 1) :]))
            before = (*before, known)
        return result

    def content(self, style: Style) -> bytes:
        """The file."""
        lines = ["\\data\\", *(style.count.format(n, len(grams)) for n, grams in enumerate(self.ngrams, start=1))]
        for n, grams in enumerate(self.ngrams, start=1):
            lines += [""] * style.empty_lines
            lines.append(f"\\{n}-grams:")
            for gram, numbers in grams.items():
                log10, backoff = (style.never if x == NEVER else style.number.format(x) for x in numbers)
                row = [log10, style.between_words.join(gram)]
                if n < self.order and (style.zero_backoffs or numbers[1]):
                    row.append(backoff)
                lines.append(style.blank.join(row))
        lines += [*[""] * style.empty_lines, "\\end\\", ""]
        return (style.before + style.line_end.join(lines) + style.at_end).encode()


PROBABILITIES = st.sampled_from([0.0, -0.001, -0.301, -1.0, -2.5, NEVER]) | st.floats(-7, 0)
BACKOFFS = st.sampled_from([0.0, -0.125, -1.5, NEVER]) | st.floats(-4, 0)


@st.composite
def arpa_files(draw: st.DrawFn, words: Sequence[str] = PLAIN_WORDS, highest_order: int = 4) -> ArpaFile:
    """Models of orders 1 to `highest_order`, in which no word has a probability above 1 after any context of a line.

    They may lack `<s>` and `<unk>`, and have n-grams that no line contains, for example across `</s> <s>`.
    """
    order = draw(st.integers(1, highest_order))
    marks = [END, *draw(st.lists(st.sampled_from([START, UNK]), unique=True))]
    vocabulary = draw(st.permutations(marks + draw(st.lists(st.sampled_from(words), unique=True))))
    logs: list[dict[Gram, float]] = [{(word,): draw(PROBABILITIES) for word in vocabulary}]
    for _n in range(2, order + 1):
        longer = st.tuples(st.sampled_from(sorted(logs[-1])), st.sampled_from(vocabulary))
        chosen = draw(st.lists(longer, unique=True, max_size=8)) if logs[-1] else []
        logs.append({(*prefix, word): draw(PROBABILITIES) for prefix, word in chosen})
    ngrams: list[dict[Gram, tuple[float, float]]] = [{gram: (log10, 0.0) for gram, log10 in of.items()} for of in logs]
    file = ArpaFile(ngrams)
    for lower in ngrams[:-1]:  # from the lowest order on, since the bound of a weight depends on lower orders
        for gram, (log10, _zero) in lower.items():
            lower[gram] = log10, draw(_backoffs(file, gram))
    return file


def _backoffs(file: ArpaFile, context: Gram) -> st.SearchStrategy[float]:
    """Weights of a context under which no word has a probability above 1."""
    if END in context or START in context[1:]:
        return BACKOFFS | st.floats(0, 10)  # in no line, so without effect
    unseen = [word for word in file.words if (*context, word) not in file.ngrams[len(context)]]
    highest = max((file.log10(word, context[1:]) for word in unseen), default=ABSENT_UNK)
    return BACKOFFS | st.floats(0, min(10.0, abs(highest)))


def line_lists(words: Sequence[str] = PLAIN_WORDS) -> st.SearchStrategy[list[list[str]]]:
    """Texts as lists of lines of words; some words are in no model."""
    return st.lists(st.lists(st.sampled_from([*words, "zebra"]), max_size=6), max_size=5)


def arpa_contents(words: Sequence[str] = ODD_WORDS) -> st.SearchStrategy[bytes]:
    """Valid ARPA files in any style."""
    return st.builds(ArpaFile.content, arpa_files(words), STYLES)


def damaged_arpa_contents() -> st.SearchStrategy[bytes]:
    """ARPA files that were damaged; a few are valid."""
    return damaged(arpa_contents())
