"""Draw the pictures of the documentation into docs/pictures, as SVG and PNG, for light and dark pages."""

from __future__ import annotations

from scripts.documentation import DOCS
from scripts.pictures import data_flow, network, register_blocking
from scripts.pictures.look import SCHEMES, save

PICTURES = {"network": network.draw, "register-blocking": register_blocking.draw, "data-flow": data_flow.draw}


def main() -> None:
    folder = DOCS / "pictures"
    folder.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        for scheme in SCHEMES:
            save(draw(scheme), folder, name + scheme.suffix)


if __name__ == "__main__":
    main()
