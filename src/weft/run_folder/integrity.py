"""All files of a run that contain a digest, each checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from weft.config.toml import read_config, read_toml
from weft.errors import CheckpointError, WeftError
from weft.files.digests import stated_digest
from weft.run_folder.layout import CONFIG, SPLITS, TOKENIZER, WEIGHTS, first_weights_path, oov_path, tokens_path
from weft.text.tokenizers.registry import load_tokenizer
from weft.text.tokens import open_tokens, tokens_digest
from weft.training import safetensors_io
from weft.training.checkpoint import ARRAYS, STATE, newest_checkpoint, read_training_state


@dataclass(frozen=True)
class CheckedFile:
    """A file of a run: its name in the folder, the digest that it states, and what is wrong with it, if anything."""

    name: str
    digest: str | None
    problem: str | None


def checked_files(run: Path) -> list[CheckedFile]:
    """The files of the run that are there, each read and compared with its digest."""
    ways: dict[Path, tuple[Callable[[Path], object], Callable[[Path], str | None]]] = {
        run / CONFIG: (read_config, _config_digest),  # its digest is compared when the model is loaded
        run / TOKENIZER: (load_tokenizer, _text_digest),
        run / WEIGHTS: (safetensors_io.read_tensors, safetensors_io.stated_digest),
    }
    for split in SPLITS:
        for path in (tokens_path(run, split), oov_path(run, split)):
            ways[path] = (open_tokens, tokens_digest)
    ways[first_weights_path(run)] = (safetensors_io.read_tensors, safetensors_io.stated_digest)
    newest = newest_checkpoint(run)
    if newest is not None:
        ways[newest / STATE] = (read_training_state, _text_digest)
        for name in (WEIGHTS, ARRAYS):
            ways[newest / name] = (safetensors_io.read_tensors, safetensors_io.stated_digest)
    return [_checked(run, path, *way) for path, way in ways.items() if path.exists()]


def check_files(run: Path) -> list[CheckedFile]:
    """As `checked_files`; raises CheckpointError with the names of all damaged files if there are any."""
    files = checked_files(run)
    damaged = [file for file in files if file.problem]
    if len(damaged) == 1:
        raise CheckpointError(str(damaged[0].problem))
    if damaged:
        names = ", ".join(file.name for file in damaged)
        raise CheckpointError(f"{run} has {len(damaged)} damaged files, {names}: {damaged[0].problem}")
    return files


def _checked(
    run: Path, path: Path, check: Callable[[Path], object], digest: Callable[[Path], str | None]
) -> CheckedFile:
    name = path.relative_to(run).as_posix()
    try:
        check(path)
        return CheckedFile(name, digest(path), None)
    except WeftError as error:
        return CheckedFile(name, None, str(error))


def _config_digest(path: Path) -> str | None:
    digest = read_toml(path).get("digest")
    return digest if isinstance(digest, str) else None


def _text_digest(path: Path) -> str | None:
    with path.open(encoding="utf-8") as file:
        return stated_digest(file.read(4096))
