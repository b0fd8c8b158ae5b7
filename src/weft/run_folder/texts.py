"""The texts of a run as token ids: which ones it has, and whether they are still there."""

from __future__ import annotations

from pathlib import Path

from weft.config.toml import read_config, read_text_sizes, read_token_counts
from weft.errors import CheckpointError, MissingFileError
from weft.run_folder.layout import CONFIG, DATA, HELD_OUT, tokens_path
from weft.text.size import TextSize
from weft.text.tokens import TokenIds, open_tokens


def text_of(run: Path, split: str) -> TokenIds | None:
    """The token ids of a text of the run `run`; None if the run was prepared without it.

    Raises MissingFileError if it had the text and the file is gone, CheckpointError if the file is damaged or of
    another text.
    """
    path, expected = tokens_path(run, split), _recorded(run)
    if not path.exists():
        if split not in expected:
            return None
        raise MissingFileError(f"the {split} text of {run} is gone: restore {path} from a copy, or name a text")
    ids = open_tokens(path)
    count = expected.get(split)
    if count is not None and len(ids) != count:
        raise CheckpointError(f"{path} has {len(ids):,} tokens; the {split} text of the run has {count:,}")
    return ids


def size_of(run: Path, split: str) -> TextSize | None:
    """The size of a text of the run; None if an earlier version prepared the run."""
    return read_text_sizes(run / CONFIG).get(split)


def held_out_texts(run: Path) -> tuple[str, ...]:
    """The held-out texts that the run was prepared with, whether or not they are still there."""
    recorded = _recorded(run)
    return tuple(split for split in HELD_OUT if split in recorded or tokens_path(run, split).exists())


def _recorded(run: Path) -> dict[str, int | None]:
    """The number of tokens of every text that the run was prepared with; None if an earlier version prepared it.

    A run without the whole folder of texts was copied without them on purpose, and has none.
    """
    if not (run / DATA).exists():
        return {}
    counts = read_token_counts(run / CONFIG)
    if counts is not None:
        return dict(counts)
    text = read_config(run / CONFIG).text
    shares = {"valid": text.valid or text.valid_fraction, "test": text.test or text.test_fraction}
    return {"train": None, **{split: None for split, share in shares.items() if share}}
