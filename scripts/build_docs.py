"""Build the site: `python -m scripts.build_docs [FOLDER]` (default: docs/_build/html).

Any warning of Sphinx ends the build with an error: a dead link, a missing heading or picture, a page without a place.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from scripts import ROOT
from scripts.documentation import DOCS
from scripts.site import write_generated


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "_build" / "html"
    write_generated()
    options = ["-b", "html", "--fail-on-warning", "--keep-going", "--fresh-env", "--quiet"]
    command = [sys.executable, "-m", "sphinx", *options, str(DOCS), str(target)]
    ended = subprocess.run(command, cwd=ROOT)
    if ended.returncode:
        sys.exit(ended.returncode)
    print(f"{target / 'index.html'}")


if __name__ == "__main__":
    main()
