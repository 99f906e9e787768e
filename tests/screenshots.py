"""The pictures of the documents: ``python -m tests.screenshots`` makes them anew.

The page of ``graph`` for the sample app, as it was found (in light and in dark) and repaired.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from tests.browsers import chromium
from tests.readme import ROOT, Sample, Step

IMAGES = ROOT / "docs/pages/images"
_SCHEMES: dict[str, tuple[Literal["light", "dark"], ...]] = {
    "broken": ("light", "dark"),
    "repaired": ("light",),
}
_SIZE = {"width": 1360, "height": 640}


def main() -> None:
    """Write the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        sample = Sample(Path(scratch))
        for name, schemes in _SCHEMES.items():
            command = f"flask db fixchain graph --format html --output {name}.html"
            sample.run(Step(command, None))
            for scheme in schemes:
                page = browser.new_page(color_scheme=scheme, device_scale_factor=1)
                page.set_viewport_size({"width": _SIZE["width"], "height": _SIZE["height"]})
                page.goto(Path(scratch, f"{name}.html").as_uri())
                if name == "broken":
                    page.click(".pane >> nth=1 >> .row.changed >> text=ptero_eggs_001")
                page.screenshot(path=IMAGES / f"graph-{name}-{scheme}.png")
                page.close()
            sample.run(Step("flask db fixchain repair --yes --no-database", None))


if __name__ == "__main__":
    main()
