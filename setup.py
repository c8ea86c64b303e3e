"""The metadata is in setup.cfg. README.md becomes the long description; the wheel gets examples/.

Links and pictures that are relative in README.md become absolute, based on the `url` in setup.cfg,
because the long description is shown where the other files are not.
"""

import configparser
import re
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
LINK = re.compile(r"(!?)\[((?:!\[[^\]]*\]\([^)]*\)|[^\]])*)\]\(([^)\s]+)\)")


def absolute(text, url):
    """Markdown in which every relative link leads to the forge at this address."""

    def link(match):
        picture, label, target = match.groups()
        label = LINK.sub(link, label)  # a picture may be a link
        if not re.match(r"[a-z]+:|#", target):
            kind = "raw" if picture else "tree" if (ROOT / target).is_dir() else "blob"
            target = f"{url}/{kind}/HEAD/{target}"
        return f"{picture}[{label}]({target})"

    return LINK.sub(link, text)


class BuildWithExamples(build_py):
    """Copies examples/ into the package, where `npgan examples` finds them."""

    def run(self):
        super().run()
        if not self.editable_mode:
            folder = Path(self.build_lib) / "npgan" / "examples"
            self.mkpath(str(folder))
            for example in sorted((ROOT / "examples").glob("*.py")):
                self.copy_file(str(example), str(folder / example.name))


config = configparser.ConfigParser()
config.read(ROOT / "setup.cfg", encoding="utf-8")
url = config["metadata"]["url"]

setup(
    cmdclass={"build_py": BuildWithExamples},
    long_description=absolute((ROOT / "README.md").read_text(encoding="utf-8"), url),
    project_urls={
        "Source": url,
        "Issues": f"{url}/issues",
        "Changelog": f"{url}/blob/HEAD/CHANGELOG.md",
    },
)
