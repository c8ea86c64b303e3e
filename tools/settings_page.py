"""Write docs/settings.md from the table of settings, npgan/training/settings.py.

    python tools/settings_page.py

Run it after a change of the table; a test compares the page with the table.
"""

from __future__ import annotations

from pathlib import Path

from npgan.training.settings import markdown_rows

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
HEAD = """\
# Settings

Every setting of `GAN(...)`, with its option of `npgan train`. The last column is the value that
is assumed for a checkpoint from before the setting.

`tools/settings_page.py` writes this page from the table in `npgan/training/settings.py`. The checks
of `GAN(...)` and the help texts follow from the same table.

"""


def page() -> str:
    """The text of the page."""
    return HEAD + "\n".join(markdown_rows()) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
