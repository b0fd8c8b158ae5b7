"""States in which a crash can leave a folder: file operations are recorded, and any that were not synced may be lost.

The model is stricter than common file systems. An operation on the name of a file or folder is certain to last only
after its parent folder was synced, the content of a file only after the file was; until then each may be lost while
later ones last. A file whose content is lost is empty, or has the first half of it.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Tree = dict[str, bytes | None]
"""Path below the folder -> content of the file, None for a folder."""


@dataclass(frozen=True)
class Operation:
    """kind: create, mkdir, write, rename (of `path` to `target`), remove, rmdir or sync."""

    kind: str
    path: str
    target: str = ""
    content: bytes = b""


def tree_of(folder: Path) -> Tree:
    """The files and folders below `folder`."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def write_tree(folder: Path, tree: Tree) -> None:
    """Make the files and folders of `tree` below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in sorted(tree.items()):
        path = folder / name
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


@dataclass
class Recording:
    """The operations below `folder`, in order."""

    folder: Path
    operations: list[Operation] = field(default_factory=list)
    _written: dict[Path, bytes] = field(default_factory=dict)

    def _relative(self, path: Any, dir_fd: Any = -1) -> str | None:
        if isinstance(path, int):
            path = Path(f"/proc/self/fd/{path}").readlink()
        full = Path(os.fsdecode(path))
        if isinstance(dir_fd, int) and dir_fd >= 0:
            full = Path(f"/proc/self/fd/{dir_fd}").readlink() / full
        try:
            return str(full.absolute().relative_to(self.folder))
        except ValueError:
            return None

    def event(self, name: str, arguments: tuple[Any, ...]) -> None:
        """An audit event of Python, raised before the operation."""
        if name == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            path = self._relative(arguments[0])
            if path is not None:
                self._note_contents()
                full = self.folder / path
                if not full.exists():
                    self.operations.append(Operation("create", path))
                    self._written[full] = b""
                else:
                    self._written.setdefault(full, full.read_bytes())
        elif name == "os.rename":
            self._add("rename", arguments[0], arguments[2], arguments[1])
        elif name in ("os.remove", "os.mkdir", "os.rmdir"):
            self._add(name.removeprefix("os."), arguments[0], arguments[-1])

    def synced(self, descriptor: int) -> None:
        """A file or folder has been synced."""
        self._add("sync", descriptor)

    def _add(self, kind: str, path: Any, dir_fd: Any = -1, target: Any = None) -> None:
        relative = self._relative(path, dir_fd)
        if relative is None:
            return
        self._note_contents()
        self.operations.append(Operation(kind, relative, self._relative(target) or "" if target else ""))

    def _note_contents(self) -> None:
        for path, before in list(self._written.items()):
            if not path.is_file():
                del self._written[path]
            elif (content := path.read_bytes()) != before:
                self._written[path] = content
                self.operations.append(Operation("write", str(path.relative_to(self.folder)), content=content))


_active: list[Recording] = []
_installed = False


def _hook(name: str, arguments: tuple[Any, ...]) -> None:
    if _active and (name == "open" or name.startswith("os.")):
        recording = _active.pop()  # what the recording itself opens is not recorded
        try:
            recording.event(name, arguments)
        finally:
            _active.append(recording)


@contextmanager
def recorded(folder: Path) -> Iterator[Recording]:
    """A context manager that records the file operations of this process below `folder`."""
    global _installed
    if not _installed:
        sys.addaudithook(_hook)
        _installed = True
    recording, fsync = Recording(folder.absolute()), os.fsync

    def recording_fsync(descriptor: int) -> None:
        fsync(descriptor)
        _active.pop()
        recording.synced(descriptor)
        _active.append(recording)

    os.fsync = recording_fsync  # type: ignore[assignment]
    _active.append(recording)
    try:
        yield recording
    finally:
        _active.pop()
        os.fsync = fsync
        recording._note_contents()


def crash_states(before: Tree, operations: list[Operation], seed: int = 0, samples: int = 8) -> Iterator[Tree]:
    """The different trees in which a crash during `operations` can leave the folder; it began as `before`."""
    draw, seen = random.Random(seed), set()
    for count in range(len(operations) + 1):
        done = operations[:count]
        open_ones = [index for index, operation in enumerate(done) if _may_be_lost(index, done)]
        subsets = [set[int](), set(open_ones), *({index} for index in open_ones)]
        subsets += [set(open_ones) - {index} for index in open_ones]
        subsets += [{index for index in open_ones if draw.random() < 0.5} for _ in range(samples)]
        for lost in subsets:
            for half in (False, True):
                tree = _applied(before, done, lost, half)
                key = hash(frozenset(tree.items()))
                if key not in seen:
                    seen.add(key)
                    yield tree


def prefix_states(before: Tree, operations: list[Operation]) -> Iterator[Tree]:
    """The trees after each operation, as a killed process leaves them."""
    for count in range(len(operations) + 1):
        yield _applied(before, operations[:count], set(), half=False)


def _may_be_lost(index: int, done: list[Operation]) -> bool:
    operation = done[index]
    if operation.kind == "sync":
        return False
    if operation.kind in ("create", "mkdir"):  # a rename that lasts includes that what is renamed exists
        for place, later in enumerate(done[index + 1 :], start=index + 1):
            if later.kind == "rename" and f"{later.path}/".startswith(f"{operation.path}/"):
                return _may_be_lost(place, done)
    synced = {later.path for later in done[index + 1 :] if later.kind == "sync"}
    if operation.kind == "write":
        return operation.path not in synced
    return str(Path(operation.target or operation.path).parent) not in synced


def _applied(before: Tree, done: list[Operation], lost: set[int], half: bool) -> Tree:
    tree = dict(before)
    for index, operation in enumerate(done):
        path, last = operation.path, index not in lost
        if operation.kind == "write" and path in tree:
            tree[path] = operation.content if last else operation.content[: len(operation.content) // 2 * half]
        elif not last or operation.kind in ("sync", "write"):
            continue
        elif operation.kind == "create" and _has_parent(tree, path):
            tree.setdefault(path, b"")
        elif operation.kind == "mkdir" and _has_parent(tree, path):
            tree.setdefault(path, None)
        elif operation.kind in ("remove", "rmdir"):
            for name in _below(tree, path):
                del tree[name]
        elif operation.kind == "rename" and path in tree and _has_parent(tree, operation.target):
            moved = {operation.target + name[len(path) :]: tree.pop(name) for name in _below(tree, path)}
            for name in _below(tree, operation.target):
                del tree[name]
            tree |= moved
    return tree


def _has_parent(tree: Tree, path: str) -> bool:
    parent = str(Path(path).parent)
    return parent == "." or parent in tree


def _below(tree: Tree, path: str) -> list[str]:
    return [name for name in tree if name == path or name.startswith(f"{path}/")]
