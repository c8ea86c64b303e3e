"""Keep the generator of a run for the documentation site, as docs/_data/generator.json.z.

    npgan train --out runs/default
    python tools/site_generator.py runs/default

The site makes a page with sliders of it (docs/_ext/live.py). The weights are in float16, as in the
page that `npgan export --html` writes. A run with the default settings has the same bits on every
machine, so the file can be made again.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path

from npgan import GAN
from npgan.export.html import generator_data

FILE = Path(__file__).resolve().parents[1] / "docs" / "_data" / "generator.json.z"


def main(run: str) -> None:
    """Write the file."""
    gan = GAN.load(run)
    data = generator_data(gan, f"Digits, after {gan.epoch_} epochs with the default settings")
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_bytes(zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 9))
    print(f"{FILE}: {gan.epoch_} epochs, {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
