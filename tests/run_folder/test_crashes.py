"""After a crash at any operation on the files of a run folder there is the old run or the new one, whole.

The operations that weft does are recorded. Every state in which a crash can leave the folder is made, with operations
lost that were not synced, and then recovered.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers.crash_model import Tree, crash_states, prefix_states, recorded, tree_of, write_tree
from weft.files import write_text_atomically
from weft.loss import Loss
from weft.run_folder import CONFIG, DATA, TOKENIZER, WEIGHTS, locked, new_run, recover
from weft.run_folder.layout import OF_WRITERS, REPLACED
from weft.run_folder.replacement import OF_A_RUN
from weft.text import write_tokens
from weft.training.checkpoint import Checkpoint, load_checkpoint, newest_checkpoint, save_best_weights, save_checkpoint
from weft.training.safetensors_io import load_weights
from weft.training.training_state import TrainingState

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the names of open files in /proc")

NOT_OF_A_RUN = {"notes.txt": b"mine"}


def prepare(folder: Path, content: str, weights: bool = False) -> None:
    write_text_atomically(folder / TOKENIZER, f"the tokenizer of the {content} run\n")
    if weights:  # those of an imported model
        write_text_atomically(folder / WEIGHTS, f"the weights of the {content} run\n")
    write_tokens(folder / DATA / "train.safetensors", [], 10, content)
    write_text_atomically(folder / CONFIG, f"weft = '{content}'\n")


def whole_run(folder: Path, content: str) -> Tree:
    """The tree of a run that has been trained."""
    with new_run(folder) as preparing:
        prepare(preparing, content)
    for name in set(OF_A_RUN) - {CONFIG, TOKENIZER, DATA}:
        if "." in name:
            write_text_atomically(folder / name, f"{name} of {content}\n")
        else:
            (folder / name / "one").mkdir(parents=True)
            write_text_atomically(folder / name / "one" / "file", f"{name} of {content}\n")
    write_tree(folder, dict(NOT_OF_A_RUN))
    return tree_of(folder)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[[Tree], Path]]:
    """Makes a folder with the files of a tree, each time the same folder."""
    folder = tmp_path / "state"

    def make(tree: Tree) -> Path:
        shutil.rmtree(folder, ignore_errors=True)
        write_tree(folder, tree)
        return folder

    yield make
    shutil.rmtree(folder, ignore_errors=True)


def repaired(run: Path) -> Tree:
    """The tree after a recovery, without the files of the lock."""
    with locked(run):
        recover(run)
    return {name: content for name, content in tree_of(run).items() if name.partition("/")[0] not in OF_WRITERS}


@pytest.mark.parametrize(
    ("old", "weights"),
    [(False, False), (True, False), (True, True)],
    ids=["first run", "over an old run", "imported over an old run"],
)
def test_a_crash_while_a_run_is_replaced_leaves_one_whole(
    tmp_path: Path, fresh: Callable[[Tree], Path], old: bool, weights: bool
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    before = whole_run(run, "old") if old else {}
    with recorded(run) as recording, new_run(run) as preparing:
        prepare(preparing, "new", weights)
    after = tree_of(run)
    assert (WEIGHTS in after) == weights
    kinds = {operation.kind for operation in recording.operations}
    assert kinds >= {"mkdir", "create", "write", "sync", "rename", "rmdir"}
    assert not any(name.partition("/")[0] in OF_WRITERS for name in after)

    states = list(crash_states(before, recording.operations))
    outcomes = [repaired(fresh(state)) for state in states]
    for state, outcome in zip(states, outcomes, strict=True):
        assert outcome in (before, after), sorted(state)
    assert {outcome == after for outcome in outcomes} == {False, True}
    assert len(states) > (150 if old else 20)


def test_a_crash_during_a_recovery_leaves_a_whole_run_too(tmp_path: Path, fresh: Callable[[Tree], Path]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    before = whole_run(run, "old")
    with recorded(run) as recording, new_run(run) as preparing:
        prepare(preparing, "new", weights=True)
    after, again = tree_of(run), 0
    for state in prefix_states(before, recording.operations):
        folder = fresh(state)
        with recorded(folder) as of_recovery:
            recover(folder)
        for second in crash_states(state, of_recovery.operations, samples=2):
            assert repaired(fresh(second)) in (before, after)
            again += 1
    assert again > 300


@pytest.mark.parametrize("moved", range(len(OF_A_RUN) + 1))
def test_a_replacement_that_an_earlier_version_left_is_undone(tmp_path: Path, moved: int) -> None:
    run = tmp_path / "run"
    run.mkdir()
    before = whole_run(run, "old")
    replaced = run / REPLACED
    replaced.mkdir()
    for name in OF_A_RUN[:moved]:
        (run / name).rename(replaced / name)
    if moved == len(OF_A_RUN):  # and parts of the new run were in place
        write_tokens(_folder(run / DATA) / "train.safetensors", [], 10, "new")
        write_text_atomically(run / TOKENIZER, "the tokenizer of the new run\n")
        write_text_atomically(_folder(run / ".preparing") / CONFIG, "weft = 'new'\n")
    outcome = repaired(run)
    assert outcome == before


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_model_that_loses_synced_operations_would_be_found(
    tmp_path: Path, fresh: Callable[[Tree], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from weft.run_folder import replacement

    monkeypatch.setattr(replacement, "sync_folder", lambda folder: None)
    run = tmp_path / "run"
    run.mkdir()
    before = whole_run(run, "old")
    with recorded(run) as recording, new_run(run) as preparing:
        prepare(preparing, "new")
    after = tree_of(run)
    outcomes = [repaired(fresh(state)) for state in crash_states(before, recording.operations)]
    assert any(outcome not in (before, after) for outcome in outcomes)


def test_a_crash_while_a_checkpoint_is_saved_keeps_one_valid(tmp_path: Path, fresh: Callable[[Tree], Path]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for step in (3, 4):
        before = tree_of(run)
        with recorded(run) as recording:
            save_best_weights(run, {"W": np.full((2, 3), float(step))})
            save_checkpoint(run, checkpoint(step))
    states = list(crash_states(before, recording.operations, samples=4))
    assert len(states) > 20
    for state in states:
        folder = fresh(state)
        newest = newest_checkpoint(folder)
        assert newest is not None
        step = load_checkpoint(newest, {"W": (2, 3)}).training.step
        assert step in (3, 4)
        best = load_weights(folder / WEIGHTS, {"W": (2, 3)})["W"]
        assert best[0, 0] in {3: (3, 4), 4: (4,)}[step]
        recover(folder)
        assert not list(folder.rglob("*.tmp"))


def checkpoint(step: int) -> Checkpoint:
    weights = {"W": np.full((2, 3), float(step))}
    loss = Loss(3.0, 2)
    state = TrainingState(
        step=step, epoch=0, position=step, blocks_per_epoch=9, accumulate=1, total_steps=9, optimizer="sgd",
        schedule="constant", schedule_state={}, averaging="none", averaging_state={}, random_state={}, epoch_loss=loss,
        epoch_seconds=1.0, train=None, best=loss, epochs_without_improvement=0, validation_due=False,
    )  # fmt: skip
    return Checkpoint(weights, {}, {}, (), state)
