"""Downloading corpora from a local server that interrupts, sends wrong content, or does not respond."""

from __future__ import annotations

import errno
import hashlib
import io
import random
import re
import socket
import tarfile
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from weft.commands.data import data
from weft.errors import InputError, MissingFileError
from weft.text.catalogue import CATALOGUE, Address, NamedCorpus, NamedFile
from weft.text.download import fetch_corpus
from weft.text.http import CHUNK, NeverLeaveHttps, store

Pack = Callable[[dict[str, bytes]], bytes]

TRAIN = random.Random(1).randbytes(3 * CHUNK + 17)
TEST = random.Random(2).randbytes(1000)


@dataclass
class Page:
    """What the server sends for one path. `cuts`: the number of bytes after which each request is interrupted."""

    content: bytes
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    sends_length: bool = True
    never_responds: bool = False


@dataclass
class Site:
    """The server: its address, its pages, and the requests that it received, as (path, Range)."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = here.pages.get(self.path)
            asked = self.headers.get("Range")
            here.requests.append((self.path, asked))
            if page is None:
                self.send_error(404)
                return
            if page.never_responds:
                here.closing.wait(5)
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and page.ranges else 0
            size = len(page.content)
            if start >= size:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            if page.sends_length:
                self.send_header("Content-Length", str(size - start))
            self.end_headers()
            self.wfile.write(page.content[start:][: page.cuts.pop(0) if page.cuts else None])

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # some tests close the connection from the client

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    here = Site(f"http://127.0.0.1:{server.server_address[1]}")
    thread.start()
    yield here
    here.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEFT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "data" / "tiny"


def enter(monkeypatch: pytest.MonkeyPatch, train: list[Address], test: list[Address] | None = None) -> None:
    """Add a corpus `tiny` to the catalogue: TRAIN at the addresses `train` and, if given, TEST at `test`."""
    files = {"train": NamedFile("train.txt", len(TRAIN), hashlib.sha256(TRAIN).hexdigest(), tuple(train))}
    if test is not None:
        files["test"] = NamedFile("test.txt", len(TEST), hashlib.sha256(TEST).hexdigest(), tuple(test))
    monkeypatch.setitem(CATALOGUE, "tiny", NamedCorpus("tiny", "noise", "none needed", files))


@pytest.fixture
def one(site: Site, monkeypatch: pytest.MonkeyPatch) -> Page:
    """TRAIN at the single address /train."""
    enter(monkeypatch, [Address(f"{site.url}/train")])
    site.pages["/train"] = Page(TRAIN)
    return site.pages["/train"]


@pytest.fixture
def two(site: Site, monkeypatch: pytest.MonkeyPatch) -> tuple[Page, Page]:
    """TRAIN at the addresses /first and /second."""
    enter(monkeypatch, [Address(f"{site.url}/first"), Address(f"{site.url}/second")])
    site.pages.update({"/first": Page(TRAIN), "/second": Page(TRAIN)})
    return site.pages["/first"], site.pages["/second"]


def watched(written: list[int]) -> Callable[[Iterator[bytes], Path, int], Iterator[int]]:
    """The function `store`, with every position appended to `written`."""

    def recording(chunks: Iterator[bytes], path: Path, start: int) -> Iterator[int]:
        for position in store(chunks, path, start):
            written.append(position)
            yield position

    return recording


def zipped(members: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return archive.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as opened:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            opened.addfile(header, io.BytesIO(content))
    return archive.getvalue()


def test_all_files_are_fetched_once_and_nothing_else_is_left(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(monkeypatch, [Address(f"{site.url}/train")], [Address(f"{site.url}/test")])
    site.pages.update({"/train": Page(TRAIN), "/test": Page(TEST)})
    paths = fetch_corpus("tiny")
    assert paths == {"train": folder / "train.txt", "test": folder / "test.txt"}
    assert paths["train"].read_bytes() == TRAIN
    assert paths["test"].read_bytes() == TEST
    assert sorted(path.name for path in folder.iterdir()) == ["test.txt", "train.txt"]
    assert fetch_corpus("tiny") == paths
    assert len(site.requests) == 2


def test_only_missing_files_are_fetched(site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(monkeypatch, [Address(f"{site.url}/train")], [Address(f"{site.url}/test")])
    site.pages["/test"] = Page(TEST)
    folder.mkdir(parents=True)
    (folder / "train.txt").write_bytes(TRAIN)
    assert list(fetch_corpus("tiny")) == ["train", "test"]
    assert site.requests == [("/test", None)]


def test_an_interrupted_download_is_resumed(site: Site, one: Page) -> None:
    one.cuts = [CHUNK + 5, 7]
    assert fetch_corpus("tiny")["train"].read_bytes() == TRAIN
    assert [asked for _, asked in site.requests] == [None, f"bytes={CHUNK + 5}-", f"bytes={CHUNK + 12}-"]


def test_an_interrupted_call_is_resumed_by_the_next(site: Site, one: Page, folder: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_corpus("tiny", interrupt)
    assert (folder / "train.txt.part").read_bytes() == TRAIN[:CHUNK]
    assert not (folder / "train.txt").exists()
    assert fetch_corpus("tiny")["train"].read_bytes() == TRAIN
    assert site.requests[1:] == [("/train", f"bytes={CHUNK}-")]


def test_a_server_without_ranges_sends_the_whole_file_again(one: Page, folder: Path) -> None:
    one.ranges = False
    folder.mkdir(parents=True)
    (folder / "train.txt.part").write_bytes(TRAIN[:100])
    assert fetch_corpus("tiny")["train"].read_bytes() == TRAIN


@pytest.mark.parametrize("start", [b"?" * 100, b"?" * len(TRAIN), b"?" * (len(TRAIN) + 1)], ids=["part", "all", "more"])
def test_a_wrong_partial_file_is_downloaded_again(site: Site, one: Page, folder: Path, start: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / "train.txt.part").write_bytes(start)
    assert fetch_corpus("tiny")["train"].read_bytes() == TRAIN
    assert site.requests[-1] == ("/train", None)


def test_a_complete_partial_file_is_used_without_a_request(site: Site, one: Page, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "train.txt.part").write_bytes(TRAIN)
    assert fetch_corpus("tiny")["train"].read_bytes() == TRAIN
    assert site.requests == []


def test_the_next_address_is_used_if_one_fails(
    site: Site, two: tuple[Page, Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    del site.pages["/first"]
    assert fetch_corpus("tiny")["train"].read_bytes() == TRAIN
    assert [path for path, _ in site.requests] == ["/first", "/second"]


@pytest.mark.parametrize("wrong", [TRAIN[::-1], TRAIN + b"!", TRAIN[:-1]], ids=["content", "longer", "shorter"])
def test_wrong_content_is_removed_and_the_next_address_used(two: tuple[Page, Page], folder: Path, wrong: bytes) -> None:
    two[0].content = wrong
    assert fetch_corpus("tiny")["train"].read_bytes() == TRAIN
    assert [path.name for path in folder.iterdir()] == ["train.txt"]


def test_a_file_of_another_length_is_not_downloaded(one: Page, folder: Path) -> None:
    one.content = TRAIN + b"!"
    with pytest.raises(MissingFileError, match=r"serves 196,626 bytes where 196,625 are expected"):
        fetch_corpus("tiny")
    assert list(folder.iterdir()) == []


def test_a_response_without_length_is_accepted(one: Page) -> None:
    one.sends_length = False
    assert fetch_corpus("tiny")["train"].read_bytes() == TRAIN


def test_an_endless_response_is_aborted_once_it_is_too_long(one: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    one.sends_length = False
    one.content = bytes(5_000_000)
    written: list[int] = []
    monkeypatch.setattr("weft.text.http.store", watched(written))
    with pytest.raises(MissingFileError, match="wrong content"):
        fetch_corpus("tiny")
    assert max(written) <= len(TRAIN) + CHUNK


def test_a_stored_file_is_truncated_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"you say goodbye")
    assert list(store(iter([b"I ", b"say"]), tmp_path / "file", 4)) == [6, 9]
    assert (tmp_path / "file").read_bytes() == b"you I say"


def test_a_download_is_resumed_from_another_address(site: Site, two: tuple[Page, Page]) -> None:
    two[0].cuts = [1000, 0]
    assert fetch_corpus("tiny")["train"].read_bytes() == TRAIN
    assert site.requests[-1] == ("/second", "bytes=1000-")


def test_wrong_content_at_all_addresses_is_one_error_and_leaves_no_file(two: tuple[Page, Page], folder: Path) -> None:
    two[0].content = two[1].content = TRAIN[::-1]
    with pytest.raises(MissingFileError, match=r"tiny is not here .*127\.0\.0\.1: wrong content.*by hand") as caught:
        fetch_corpus("tiny")
    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []


def test_offline_the_error_says_where_to_put_each_missing_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        unserved = Address(f"http://127.0.0.1:{server.getsockname()[1]}/file")
    enter(monkeypatch, [unserved], [unserved])
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(MissingFileError) as caught:
        fetch_corpus("tiny")
    assert str(caught.value).endswith(f"by hand: {folder / 'train.txt'}, {folder / 'test.txt'}")
    assert "refused" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_does_not_respond_times_out(
    site: Site, two: tuple[Page, Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weft.text.http._TIMEOUT", 0.1)
    two[0].never_responds = True
    assert fetch_corpus("tiny")["train"].read_bytes() == TRAIN
    assert [path for path, _ in site.requests] == ["/first", "/second"]


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_members_of_an_archive_are_fetched_with_one_request(
    pack: Pack, site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{site.url}/all%2Fpacked"
    enter(monkeypatch, [Address(url, "./in/train")], [Address(url, "./in/test")])
    site.pages["/all%2Fpacked"] = Page(pack({"./in/train": TRAIN, "./in/test": TEST}), cuts=[50])
    paths = fetch_corpus("tiny")
    assert paths["train"].read_bytes() == TRAIN
    assert paths["test"].read_bytes() == TEST
    assert [asked for _, asked in site.requests] == [None, "bytes=50-"]
    assert sorted(path.name for path in folder.iterdir()) == ["test.txt", "train.txt"]


@pytest.mark.parametrize(
    "archive",
    [
        zipped({"train": TRAIN[::-1]}),
        zipped({"another": TRAIN}),
        zipped({"train": TRAIN})[:-30],
        tarred({"another": TRAIN}),
        tarred({"train": TRAIN})[:-CHUNK],
        b"<html>moved</html>",
    ],
    ids=["content", "member", "cut zip", "tar member", "cut tar", "no archive"],
)
def test_an_archive_without_the_right_file_is_removed(
    archive: bytes, site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(monkeypatch, [Address(f"{site.url}/packed", "train"), Address(f"{site.url}/train")])
    site.pages.update({"/packed": Page(archive), "/train": Page(TRAIN)})
    assert fetch_corpus("tiny")["train"].read_bytes() == TRAIN
    assert [path for path, _ in site.requests] == ["/packed", "/train"]
    assert [path.name for path in folder.iterdir()] == ["train.txt"]


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_extraction_of_a_member_that_is_too_long_is_aborted(
    pack: Pack, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    monkeypatch.setattr("weft.text.download.store", watched(written))
    enter(monkeypatch, [Address(f"{site.url}/packed", "train")])
    site.pages["/packed"] = Page(pack({"train": bytes(5_000_000)}))
    with pytest.raises(MissingFileError, match="wrong content"):
        fetch_corpus("tiny")
    assert max(written) <= len(TRAIN) + CHUNK


@pytest.mark.parametrize("left", ["packed", "packed.part"])
def test_a_damaged_archive_of_an_earlier_call_is_downloaded_again(
    left: str, site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(monkeypatch, [Address(f"{site.url}/packed", "train")])
    site.pages["/packed"] = Page(zipped({"train": TRAIN}))
    folder.mkdir(parents=True)
    (folder / left).write_bytes(b"?" * 1000)
    assert fetch_corpus("tiny")["train"].read_bytes() == TRAIN


def test_a_complete_archive_that_was_not_renamed_is_used(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zipped({"train": TRAIN})
    enter(monkeypatch, [Address(f"{site.url}/packed", "train")])
    site.pages["/packed"] = Page(archive)
    folder.mkdir(parents=True)
    (folder / "packed.part").write_bytes(archive)
    assert fetch_corpus("tiny")["train"].read_bytes() == TRAIN


def test_the_cache_is_used_if_the_data_folder_cannot_be_written(
    one: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("WEFT_DATA", str(tmp_path / "file"))
    path = tmp_path / "cache" / "weft" / "tiny" / "train.txt"
    assert fetch_corpus("tiny") == {"train": path}
    assert path.read_bytes() == TRAIN


def test_two_folders_that_cannot_be_written_are_one_error(
    site: Site, one: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("WEFT_DATA", str(tmp_path / "file"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match=re.escape(f"cannot write in {tmp_path / 'file' / 'tiny'} or")):
        fetch_corpus("tiny")
    assert site.requests == []


def test_a_full_disk_is_an_input_error_not_a_failed_address(
    site: Site, two: tuple[Page, Page], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("weft.text.http.os.fsync", full)
    with pytest.raises(InputError, match=r"cannot write .*train\.txt\.part \(No space left on device\); make room"):
        fetch_corpus("tiny")
    assert [path for path, _ in site.requests] == ["/first"]
    assert not (folder / "train.txt").exists()


def test_progress_counts_the_bytes_of_all_missing_files(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(monkeypatch, [Address(f"{site.url}/train")], [Address(f"{site.url}/packed", "test")])
    site.pages.update({"/train": Page(TRAIN), "/packed": Page(zipped({"test": TEST}))})
    reported: list[tuple[int, int]] = []
    fetch_corpus("tiny", lambda done, total: reported.append((done, total)))
    assert {total for _, total in reported} == {len(TRAIN) + len(TEST)}
    assert [done for done, _ in reported] == sorted(done for done, _ in reported)
    assert reported[0][0] == CHUNK
    assert reported[-1][0] == len(TRAIN) + len(TEST)


@pytest.mark.parametrize(("url", "kept"), [("http://b/", False), ("https://b/", True)])
def test_a_redirect_never_leaves_https(url: str, kept: bool) -> None:
    request = urllib.request.Request("https://a/")
    body = io.BytesIO()
    if kept:
        assert NeverLeaveHttps().redirect_request(request, body, 302, "", Message(), url) is not None
        return
    with pytest.raises(urllib.error.URLError, match="without HTTPS"):
        NeverLeaveHttps().redirect_request(request, body, 302, "", Message(), url)


def test_the_command_fetches_and_prints_the_paths(one: Page, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data("tiny")
    captured = capsys.readouterr()
    assert captured.out == f"train\t{folder / 'train.txt'}\n"
    assert captured.err == "fetching tiny (0.2 MB)\n"


def test_the_command_shows_a_bar_on_a_terminal(
    one: Page, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    data("tiny")
    captured = capsys.readouterr()
    assert captured.out == f"train\t{folder / 'train.txt'}\n"
    assert "━" in captured.err
