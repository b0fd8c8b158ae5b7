"""All kinds of cases, by name."""

from __future__ import annotations

from campaign import double_starts, full_disk, kills, mutations, ngram_files, soak, texts

KINDS = {
    module.KIND.name: module.KIND
    for module in (kills, mutations, texts, ngram_files, full_disk, double_starts, soak)
}  # fmt: skip
