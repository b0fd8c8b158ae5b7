"""Corpora: files, folders, patterns, gzip files, standard input and the built-in text."""

from __future__ import annotations

import gzip
import io
import os
import re
import socket
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import InputError, MissingFileError
from weft.text import fit_tokenizer, open_corpus
from weft.text.byte_sources import BLOCK_BYTES
from weft.text.decoding import LONGEST_PIECE, cut_anywhere
from weft.text.rules import LONGEST_WORD


def read(*sources: str | Path) -> list[str]:
    return list(open_corpus(sources).pieces())


def write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)
    return path


def test_every_line_is_a_piece_and_the_last_gets_its_line_end(tmp_path: Path) -> None:
    first = write(tmp_path / "a.txt", "one\n\ntwo")
    second = write(tmp_path / "b.txt", "three\n")
    corpus = open_corpus([first, second])
    assert list(corpus.pieces()) == ["one\n", "\n", "two\n", "three\n"]
    assert list(corpus.pieces()) == ["one\n", "\n", "two\n", "three\n"]
    assert corpus.names == (str(first), str(second))
    assert corpus.size_in_bytes == 14


def test_blank_lines_around_text_are_kept(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.txt", " \nx\n\n")) == [" \n", "x\n", "\n"]


def test_only_line_feeds_end_a_line(tmp_path: Path) -> None:
    text = "a\r\nb\rc\x0bd\x0ce\x85f\u2028g\r\r\nh\r"
    assert read(write(tmp_path / "a.txt", text)) == ["a\n", "b\rc\x0bd\x0ce\x85f\u2028g\n", "h\n"]


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_the_pieces_join_to_the_text_in_any_script(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    text = "x" + text
    path = write(tmp_path_factory.mktemp("text") / "a.txt", text)
    expected = re.sub("^\ufeff+", "", re.sub("\r*(\n|\\Z)", r"\1", text), flags=re.MULTILINE)
    expected = expected if expected.endswith("\n") else f"{expected}\n"
    assert "".join(read(path)) == expected


@pytest.mark.parametrize("shift", range(4))
def test_characters_and_line_ends_across_two_blocks_are_decoded(tmp_path: Path, shift: int) -> None:
    text = "x" * (BLOCK_BYTES - 8 + shift) + "好😀é\r\nend\r\n"
    assert "".join(read(write(tmp_path / "a.txt", text))) == text.replace("\r\n", "\n")
    line_end = "x" * (BLOCK_BYTES - 1) + "\r\ny\n"
    *line, last = read(write(tmp_path / "b.txt", line_end))
    assert ("".join(line), last) == ("x" * (BLOCK_BYTES - 1) + "\n", "y\n")


def test_a_long_line_is_cut_before_white_space(tmp_path: Path) -> None:
    text = " ".join(f"word{n}" for n in range(40_000))
    pieces = read(write(tmp_path / "a.txt", text + "\nshort\n"))
    assert "".join(pieces) == text + "\nshort\n"
    assert min(map(len, pieces[:-2])) > LONGEST_PIECE - len(" word39999")
    assert all(piece[0] == " " for piece in pieces[1:-1])
    assert [piece.endswith("\n") for piece in pieces] == [False] * (len(pieces) - 2) + [True, True]
    assert max(map(len, pieces)) <= LONGEST_PIECE + 1


@pytest.mark.parametrize("length", [LONGEST_PIECE - 1, LONGEST_PIECE, LONGEST_PIECE + 1, 3 * LONGEST_PIECE])
@pytest.mark.parametrize("character", ["x", "好"])
def test_a_line_without_white_space_is_cut_at_the_limit_for_characters(
    tmp_path: Path, length: int, character: str
) -> None:
    pieces = read(write(tmp_path / "a.txt", character * length + "\n"))
    assert pieces == [character * length + "\n"]
    cut = list(cut_anywhere(pieces))
    assert "".join(cut) == pieces[0]
    assert len(cut) == -(-length // LONGEST_PIECE)
    assert max(map(len, cut)) <= LONGEST_PIECE + 1


LENGTHS = [LONGEST_PIECE - 1, LONGEST_PIECE, 5000, 2 * BLOCK_BYTES + 7]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("space", [0, 1, 5, LONGEST_PIECE - 1, LONGEST_PIECE, LONGEST_PIECE + 1])
@pytest.mark.parametrize("letter", ["y", "y\xa0", "\u3000é"])
def test_a_word_is_never_cut(tmp_path: Path, space: int, length: int, letter: str) -> None:
    word = (letter * length)[:length]
    text = "x" * space + " " + word + "\tz \n" + "z " * BLOCK_BYTES + word
    pieces = read(write(tmp_path / "a.txt", text))
    assert "".join(pieces) == text + "\n"
    assert [found for piece in pieces for found in re.split("[ \t\n]", piece) if letter[0] in found] == [word] * 2
    assert max(len(piece) for piece in pieces if word not in piece) <= LONGEST_PIECE + 2


def test_pieces_do_not_end_within_white_space(tmp_path: Path) -> None:
    text = "x   \t" * LONGEST_PIECE + " \u3000 " * LONGEST_PIECE + "\n"
    pieces = read(write(tmp_path / "a.txt", text))
    assert "".join(pieces) == text
    assert not any(piece[-1].isspace() for piece in pieces[:-1])


@pytest.mark.parametrize("before", ["", "x ", " " * 2 * LONGEST_PIECE])
def test_a_word_above_the_limit_is_refused_in_constant_memory(tmp_path: Path, before: str) -> None:
    path = write(tmp_path / "a.txt", before + "y" * (3 * LONGEST_WORD) + " z\n")
    pieces = read(path)
    assert "".join(pieces) == path.read_text("utf-8")
    assert max(map(len, pieces)) <= LONGEST_WORD + 2 * LONGEST_PIECE
    for kind in ("word", "bpe"):
        with pytest.raises(InputError, match="a word of 1,048,576 characters or more, which begins 'yyyyyyyyyy"):
            fit_tokenizer(kind, pieces)
        with pytest.raises(InputError, match="a word of 1,048,576 characters or more"):
            fit_tokenizer(kind, ["you say y\n"]).encode(before + "y" * LONGEST_WORD)
    assert fit_tokenizer("char", pieces).counts[2] == 3 * LONGEST_WORD
    longest = "y" * (LONGEST_WORD - 1)
    assert fit_tokenizer("word", read(write(tmp_path / "a.txt", f"{before}{longest} z"))).id(longest) is not None


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(size: int) -> int:
        path = write(tmp_path / f"{size}.txt", b"word " * (size // 5))
        tracemalloc.start()
        for _ in open_corpus([path]).pieces():
            pass
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return memory

    assert peak(8_000_000) < 1.2 * peak(1_000_000)


def test_a_byte_order_mark_is_removed(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.txt", b"\xef\xbb\xbfone\n")) == ["one\n"]


@pytest.mark.parametrize("before", [0, BLOCK_BYTES - 3, BLOCK_BYTES - 4, BLOCK_BYTES - 1, BLOCK_BYTES])
def test_the_marks_of_joined_files_are_removed_and_others_are_characters(tmp_path: Path, before: int) -> None:
    corpus = open_corpus([write(tmp_path / "a.txt", "x" * before + "\n\ufeffone \ufefftwo\r\n\ufeff\ufeff\n")])
    assert list(corpus.pieces()) == ["x" * before + "\n", "one \ufefftwo\n", "\n"]
    assert "byte-order marks (U+FEFF) within lines" in corpus.notes()[0]


def test_a_text_whose_lines_end_in_carriage_returns_gets_a_note(tmp_path: Path) -> None:
    old = open_corpus([write(tmp_path / "old.txt", "one\rtwo\r" * 50_000)])
    assert sum(map(len, old.pieces())) == 400_000
    assert [note for note in old.notes() if "old.txt has 100,000 carriage returns and no line feed" in note]
    mixed = open_corpus([write(tmp_path / "a.txt", "one\rtwo\r\nthree")])
    assert list(mixed.pieces()) == ["one\rtwo\n", "three\n"]
    assert mixed.notes() == []


def test_lines_that_end_in_a_marker_get_a_note_unless_it_is_the_line_end(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "one <eos>\n <eos> two\r\nthree <eos> \t\r\n<eos>\nx<eos>\nfour <eos>")
    corpus = open_corpus([path])
    assert "".join(corpus.pieces()).count("<eos>") == 6
    assert ["after it: 4;" in note and "--line-end-marker '<eos>'" in note for note in corpus.notes()] == [True]
    marked = open_corpus([path], "<eos>")
    assert list(marked.pieces()) == ["one\n", "\n", "two\n", "three\n", "\n", "x<eos>\n", "four\n"]
    assert marked.notes() == []


@pytest.mark.parametrize("blanks", [0, 1, LONGEST_PIECE, 3 * LONGEST_PIECE])
def test_a_marker_and_the_line_end_after_it_may_be_in_two_pieces(tmp_path: Path, blanks: int) -> None:
    line = "x" * (LONGEST_PIECE - 5) + " </s>" + " " * blanks
    path = write(tmp_path / "a.txt", f"{line}\n{line}\n\n{line}y\n")
    found = "".join(open_corpus([path], "</s>").pieces())
    x = "x" * (LONGEST_PIECE - 5)
    assert found == f"{x}\n{x}\n\n{x}\ny\n" if blanks else f"{x}\n{x}\n\n{x} </s>y\n"


def test_a_folder_is_its_text_files_sorted_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.txt", "a/.hidden.txt", ".git/x.txt", "c"):
        write(tmp_path / name, name)
    picture = write(tmp_path / "picture.png", b"\x89PNG\r\n\x1a\n\0\0")
    empty = write(tmp_path / "empty.txt", b"")
    corpus = open_corpus([tmp_path])
    assert list(corpus.pieces()) == ["a/z.txt\n", "b.txt\n", "c\n"]
    assert set(corpus.skipped) == {str(picture), str(empty)}


def test_patterns_are_expanded_without_a_shell(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "a.md", "in/c.txt"):
        write(tmp_path / name, name)
    assert read(str(tmp_path / "*.txt")) == ["a.txt\n", "b.txt\n"]
    assert read(str(tmp_path / "**" / "*.txt")) == ["a.txt\n", "b.txt\n", "in/c.txt\n"]
    assert sorted(read(str(tmp_path / "**"))) == ["a.md\n", "a.txt\n", "b.txt\n", "in/c.txt\n"]


def test_a_pattern_may_have_several_stars_of_folders_and_finds_linked_ones(tmp_path: Path) -> None:
    for name in ("a/one.txt", "a/b/two.txt", "c/three.txt", "a/.hidden/four.txt", "a[1]/b/five.txt"):
        write(tmp_path / "texts" / name, name)
    (tmp_path / "linked").mkdir()
    write(tmp_path / "linked" / "b" / "six.txt", "linked")
    (tmp_path / "texts" / "link").symlink_to(tmp_path / "linked")
    assert read(str(tmp_path / "texts" / "**" / "b" / "**" / "*.txt")) == [
        "a/b/two.txt\n",
        "a[1]/b/five.txt\n",
        "linked\n",
    ]
    assert read(str(tmp_path / "t*" / "**" / "t*.txt")) == ["a/b/two.txt\n", "c/three.txt\n"]
    with pytest.raises(MissingFileError, match="no file matches the pattern"):
        open_corpus(str(tmp_path / "nowhere" / "**" / "*.txt"))


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    assert read(str(write(tmp_path / "part[1].txt", "one"))) == ["one\n"]


def test_gzip_files_are_decompressed(tmp_path: Path) -> None:
    corpus = open_corpus([write(tmp_path / "a.txt.gz", gzip.compress("好\nend".encode()))])
    assert list(corpus.pieces()) == list(corpus.pieces()) == ["好\n", "end\n"]
    assert corpus.size_in_bytes is None


def stdin_of(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_standard_input_can_be_read_twice_and_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"line {n}\n" for n in range(20_000))
    stdin_of(monkeypatch, text.encode())
    corpus = open_corpus(["-"])
    assert corpus.size_in_bytes is None
    both = list(zip(corpus.pieces(), corpus.pieces(), strict=True))
    assert "".join(one for one, _ in both) == "".join(other for _, other in both) == text
    assert corpus.size_in_bytes == len(text)


def test_standard_input_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        open_corpus(["-", "-"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_read_once_and_spooled(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=["one\ntwo\n"])
    writer.start()
    corpus = open_corpus([pipe])
    assert list(corpus.pieces()) == list(corpus.pieces()) == ["one\n", "two\n"]
    writer.join()


def test_the_built_in_text_is_the_language_reference() -> None:
    corpus = open_corpus(["builtin"])
    text = "".join(corpus.pieces())
    assert 300_000 < len(text) < 1_000_000
    assert "raise AssertionError" in text
    assert text == "".join(corpus.pieces())
    assert corpus.size_in_bytes == len(text.encode())


def test_a_python_without_its_language_reference_raises_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(InputError, match="without its language reference"):
        read("builtin")


def test_the_bytes_read_are_reported_up_to_the_size(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.txt", "words\n" * 30_000) for n in range(2)]
    reported: list[int] = []
    corpus = open_corpus(paths)
    for _ in corpus.pieces(reported.append):
        pass
    assert reported == sorted(reported)
    assert len(reported) > 4
    assert reported[-1] == corpus.size_in_bytes == 360_000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b" \n\t\n", "only white space"),
        (b"abc\xffdef", r"not UTF-8: invalid start byte 0xff at byte 3;"),
        (b"\xef\xbb\xbfabc\xffdef", r"0xff at byte 6;"),
        (b"x" * BLOCK_BYTES + b"\n\xe5\xa5", rf"at byte {BLOCK_BYTES + 1};"),
        (b"x" * (BLOCK_BYTES - 1) + b"\xe5\xa5x", rf"0xe5 at byte {BLOCK_BYTES - 1};"),
        (b"x" * BLOCK_BYTES + b"abc\0", rf"looks binary: .* byte {BLOCK_BYTES + 3}$"),
        ("hello".encode("utf-16"), "looks like UTF-16 .*iconv -f UTF-16 -t UTF-8"),
        ("hello".encode("utf-32"), "looks like UTF-32"),
        (gzip.compress(b"hello", mtime=0), r"gzip.*\.gz"),
    ],
)
def test_a_source_that_is_not_text_is_refused_with_name_and_offset(tmp_path: Path, data: bytes, message: str) -> None:
    path = write(tmp_path / "a.txt", data)
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(b"hello" * 100)[:-12], "cut short"),
        (b"no gzip", "not a gzip file"),
        (gzip.compress(b"hello" * 100)[:-8] + bytes(8), "not a gzip file, or is damaged"),
        (gzip.compress(b""), "is empty"),
        (gzip.compress(b"abc\xff"), "byte 3 of the decompressed text"),
    ],
    ids=["cut short", "no gzip", "wrong checksum", "empty", "not UTF-8"],
)
def test_bad_gzip_files_are_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(write(tmp_path / "a.gz", data))


def test_a_missing_source_is_refused_with_a_hint(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", "x")
    (tmp_path / "bare").mkdir()
    with pytest.raises(MissingFileError, match=r'tain\.txt \(did you mean "train\.txt"\?\)'):
        open_corpus([tmp_path / "tain.txt"])
    with pytest.raises(MissingFileError, match="no file matches the pattern"):
        open_corpus([str(tmp_path / "*.md")])
    with pytest.raises(InputError, match="no text file in"):
        open_corpus([tmp_path / "bare"])
    with pytest.raises(InputError, match="no text is given"):
        open_corpus([])


def test_a_folder_of_binary_files_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.png", b"\x89PNG\0")
    with pytest.raises(InputError, match="no text file in"):
        open_corpus([tmp_path])


def test_utf_16_in_a_folder_is_refused_not_skipped(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "hello")
    write(tmp_path / "b.txt", "hello".encode("utf-16"))
    with pytest.raises(InputError, match=r"b\.txt looks like UTF-16"):
        read(tmp_path)


def test_a_file_that_disappears_or_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.txt", "x")
    corpus = open_corpus([path])
    path.unlink()
    with pytest.raises(MissingFileError, match=r"there is no file .*a\.txt"):
        list(corpus.pieces())

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    write(path, "x")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"cannot read .*a\.txt: Permission denied"):
        list(corpus.pieces())


def test_a_file_that_changes_between_two_readings_or_while_it_is_read_is_refused(tmp_path: Path) -> None:
    for name, pack in (("a.txt", bytes), ("a.txt.gz", gzip.compress)):
        path = write(tmp_path / name, pack(b"one two\n" * 10_000))
        corpus = open_corpus([path])
        first = list(corpus.pieces())
        assert list(corpus.pieces()) == first
        path.write_bytes(pack(b"one\n" * 10_000))
        with pytest.raises(InputError, match=rf"{name} changed while it was read"):
            list(corpus.pieces())
        replacement = write(tmp_path / "other", pack(b"one two\n" * 10_000))
        os.utime(replacement, ns=(1, 1))
        replacement.replace(path)
        with pytest.raises(InputError, match="changed while it was read"):
            list(corpus.pieces())
        pieces = open_corpus([path]).pieces()
        next(pieces)
        with path.open("ab") as file:
            file.write(pack(b"three\n"))
        with pytest.raises(InputError, match="changed while it was read"):
            list(pieces)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_pipes_sockets_and_links_among_the_matches_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("texts/a.txt"), "one\n")
    os.mkfifo("texts/pipe.txt")
    Path("texts/circle.txt").symlink_to("circle.txt")
    Path("texts/nowhere.txt").symlink_to("nothing")
    Path("texts/again.txt").symlink_to("a.txt")
    for name in ("up", "here", "there"):
        Path("texts", name).symlink_to(".." if name == "up" else ".")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("texts/socket.txt")
        passed_over = {f"texts/{name}.txt" for name in ("pipe", "circle", "nowhere", "socket")}
        for source in ("texts", "texts/*.txt", "texts/**"):
            corpus = open_corpus(source)
            assert list(corpus.pieces()) == ["one\n"]
            assert {*passed_over, "texts/again.txt"} <= {*corpus.others, *corpus.names}
            assert corpus.skip_notes()[0].startswith("not read, because they are pipes, devices, broken links, or")
        with pytest.raises(InputError, match=r"texts/socket\.txt is a socket, not a text"):
            open_corpus("texts/socket.txt")
    with pytest.raises(MissingFileError, match=r"circle\.txt is a symbolic link that leads in a circle"):
        open_corpus("texts/circle.txt")
    with pytest.raises(MissingFileError, match=r"nowhere\.txt is a symbolic link to nothing, where there is nothing"):
        open_corpus("texts/nowhere.txt")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="the system has no such device")
def test_an_endless_device_is_refused_and_the_null_device_is_empty() -> None:
    with pytest.raises(InputError, match="/dev/zero is a device, not a text"):
        open_corpus("/dev/zero")
    with pytest.raises(InputError, match="/dev/null is empty"):
        read("/dev/null")
