"""TOML files: settings that a person writes, and the complete configuration in a run folder."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from weft.config.checks import CHANGEABLE
from weft.config.schema import FIELDS, SECTIONS, Config, check_settings
from weft.errors import CheckpointError, InputError, MissingFileError, nearest
from weft.files import write_text_atomically
from weft.files.digests import digest_of
from weft.text.size import SIZE_UNITS, TextSize
from weft.version import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT = 1
"""Version of the run folder. A version of weft that knows only lower ones refuses it."""


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a TOML file with the tables [text], [model] and [training], all of them optional.

    A table [recipe], with the expected result of the settings, is ignored here; see `weft.runs.recipes`.

    Raises MissingFileError if there is no file, and InputError for invalid TOML, an unknown table or key, and a value
    of the wrong type or out of its bounds.
    """
    return _settings_of(path, read_toml(path))


def _settings_of(path: Path, tables: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for section, values in tables.items():
        if section in ("format", "weft", "digest", "tokens", *SIZE_UNITS, "recipe"):
            continue
        if section not in SECTIONS:
            known = ", ".join(SECTIONS)
            raise InputError(f"{path}: unknown table [{section}]{nearest(section, SECTIONS)}; known: {known}")
        if not isinstance(values, dict):
            raise InputError(f"{path}: {section} must be a table, [{section}], of settings")
        keys = [item.name for item in fields(SECTIONS[section])]
        for key, value in values.items():
            if key not in keys:
                raise InputError(f"{path}: unknown key {key!r} in [{section}]{_place_of(key) or nearest(key, keys)}")
            settings[key] = value
    try:
        return check_settings(settings)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _place_of(key: str) -> str:
    place = next((section for section, kind in SECTIONS.items() if key in kind.__dataclass_fields__), None)
    return f"; it belongs in [{place}]" if place else ""


def write_config(
    path: Path,
    config: Config,
    token_counts: Mapping[str, int] | None = None,
    sizes: Mapping[str, TextSize] | None = None,
    origin: str | None = None,
) -> None:
    """Write every setting of `config` to a TOML file, replacing it atomically.

    token_counts  the number of tokens of each text of the run
    sizes         the size of each text
    origin        a sentence on what the run was made from, for a comment
    """
    about = f"The resolved configuration of this run. {origin or ''}".rstrip()
    lines = [f"# {about}", f"format = {FORMAT}", f"weft = {_toml(__version__)}"]
    counts: dict[str, Mapping[str, int] | None] = {"tokens": token_counts}
    if sizes:
        counts |= {unit: {split: getattr(size, unit) for split, size in sizes.items()} for unit in SIZE_UNITS}
    written = {section: vars(getattr(config, section)) for section in SECTIONS} | counts
    lines.append(f'digest = "{_settings_digest(written)}"  # of the settings that a resumed run cannot change')
    for section in SECTIONS:
        lines += ["", f"[{section}]"]
        values = getattr(config, section)
        for item in fields(values):
            value = getattr(values, item.name)
            if value is None:
                lines.append(f"# {item.name}: {item.metadata['help']}")
            else:
                lines.append(f"{item.name} = {_toml(value)}")
    for unit, table in counts.items():
        if table is not None:
            lines += ["", f"[{unit}]", *(f"{split} = {count}" for split, count in table.items())]
    write_text_atomically(path, "\n".join(lines) + "\n")


def rewrite_config(path: Path, config: Config) -> None:
    """Replace the settings in a file of `write_config`; what it contains about the texts of the run stays."""
    if path.exists():
        write_config(path, config, read_token_counts(path), read_text_sizes(path))
    else:
        write_config(path, config)


def read_config(path: Path) -> Config:
    """The configuration in a file of `write_config`.

    Raises MissingFileError if there is no file, CheckpointError if it is damaged or from a newer version of weft.
    """
    try:
        tables = read_toml(path)
        _check_format(path, tables)
        return config_of(_settings_of(path, tables), str(path))
    except InputError as error:
        raise CheckpointError(str(error)) from None


def read_token_counts(path: Path) -> dict[str, int] | None:
    """The number of tokens of each text of the run; None in a file of an earlier version.

    Raises CheckpointError if the numbers are damaged, and otherwise as `read_config` does.
    """
    return _counts(path, read_toml(path), "tokens")


def read_text_sizes(path: Path) -> dict[str, TextSize]:
    """The size of each text of the run; none in a file of an earlier version. Raises as `read_token_counts` does."""
    tables = read_toml(path)
    counts = [_counts(path, tables, unit) or {} for unit in SIZE_UNITS]
    if any(table.keys() != counts[0].keys() for table in counts):
        raise CheckpointError(f"{path} is damaged: the tables {', '.join(SIZE_UNITS)} should have the same texts")
    return {split: TextSize(*(table[split] for table in counts)) for split in counts[0]}


def _counts(path: Path, tables: Mapping[str, Any], unit: str) -> dict[str, int] | None:
    counts = tables.get(unit)
    if counts is None:
        return None
    if not isinstance(counts, dict) or not all(type(count) is int and count >= 0 for count in counts.values()):
        raise CheckpointError(f"{path} is damaged: [{unit}] should have a number of {unit} for each text")
    return dict(counts)


def _settings_digest(tables: Mapping[str, Any]) -> str:
    """The digest of the settings that are in a file and that a resumed run cannot change."""
    fixed = {
        f"{section}.{name}": value
        for section in SECTIONS
        for name, value in tables.get(section, {}).items()
        if name not in CHANGEABLE and value is not None
    }
    sizes = [tables[unit] for unit in SIZE_UNITS if unit in tables]
    return digest_of(json.dumps([fixed, tables.get("tokens"), *sizes], sort_keys=True))


def check_unchanged(path: Path) -> None:
    """Raise CheckpointError if the configuration `path` has other settings than those that weft wrote there.

    Settings that a resumed run may change do not count, nor do comments and order. A file without a digest, written by
    an earlier version or by a person, passes.
    """
    tables = read_toml(path)
    stated = tables.get("digest")
    if stated is not None and stated != _settings_digest(tables):
        raise CheckpointError(
            f"{path} has other settings than those of the run: it was damaged or edited. Restore it from a copy; if "
            "the change is yours and the model fits it, remove the line that begins with digest"
        )


def _check_format(path: Path, tables: dict[str, Any]) -> None:
    version = tables.get("format")
    if type(version) is not int:
        raise CheckpointError(f"{path} is not the configuration of a run: it has no format number")
    if version > FORMAT:
        raise CheckpointError(
            f"{path} has format {version}, made by a newer weft ({tables.get('weft')}); this one knows up to {FORMAT}: "
            "upgrade weft"
        )


def config_of(settings: dict[str, Any], origin: str = "the settings") -> Config:
    """The configuration with the values of `settings`. Raises CheckpointError if a required setting is missing.

    origin  what the settings are from, for the message
    """
    missing = [name for name, item in FIELDS.items() if name not in settings and item.default is MISSING]
    if missing:
        raise CheckpointError(f"{origin}: {', '.join(missing)} missing")
    parts: dict[str, Any] = {
        section: kind(**{item.name: settings[item.name] for item in fields(kind) if item.name in settings})
        for section, kind in SECTIONS.items()
    }
    return Config(**parts)


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises MissingFileError, and InputError if it cannot be read or is not TOML."""
    try:
        # Some editors begin a file with a byte-order mark, which TOML does not allow.
        return tomllib.loads(path.read_bytes().decode("utf-8").removeprefix("\ufeff"))
    except FileNotFoundError:
        raise MissingFileError(f"no configuration file at {path}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid TOML: {error}{_about_backslashes(error)}") from None


def _about_backslashes(error: Exception) -> str:
    """What to do if `error` is about an escape sequence, as in "C:\\Users"; otherwise ""."""
    if not re.search(r"hex value|Unescaped '\\'|Unicode scalar", str(error)):
        return ""
    return "; a backslash in double quotes begins an escape sequence: write paths in single quotes, as in 'C:\\Users'"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(element) for element in value) + "]"
    return repr(value)
