"""The short form of the campaign, and that its results are those of the page."""

from __future__ import annotations

import subprocess
import sys

import pytest

from campaign.kinds import KINDS
from campaign.report import page, read_rows
from helpers.paths import ROOT
from scripts.campaign import PAGE, RESULTS

pytestmark = pytest.mark.campaign


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes in /proc")
@pytest.mark.parametrize("kind", KINDS)
def test_no_case_of_the_short_form_fails(kind: str) -> None:
    command = [sys.executable, "-m", "scripts", "campaign", "--short", "--jobs", "1", "--kind", kind]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_page_has_the_recorded_results_and_every_kind() -> None:
    assert PAGE.read_text("utf-8") == page(read_rows(RESULTS))
