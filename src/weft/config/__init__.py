"""Settings of a run: their types, bounds, units and help, the checks of single values, and TOML files."""

from __future__ import annotations

from weft.config.checks import CHANGEABLE, choices_of, effective
from weft.config.schema import (
    FIELDS,
    SECTIONS,
    TYPES,
    Config,
    ModelConfig,
    Settings,
    TextConfig,
    TrainingConfig,
    check_settings,
    checked,
)

__all__ = [
    "CHANGEABLE",
    "FIELDS",
    "SECTIONS",
    "TYPES",
    "Config",
    "ModelConfig",
    "Settings",
    "TextConfig",
    "TrainingConfig",
    "check_settings",
    "checked",
    "choices_of",
    "effective",
]
