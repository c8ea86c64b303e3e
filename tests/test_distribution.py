"""What is uploaded: the sdist is complete, and the links of the long description are absolute."""

import configparser
import email
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from test_site import missing

ROOT = Path(__file__).parents[1]
URL_FILE = "setup.cfg"  # the one file with the project's address


def read_url():
    config = configparser.ConfigParser()
    config.read(ROOT / URL_FILE, encoding="utf-8")
    return config["metadata"]["url"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with the sdist, and the wheel that is built from it."""
    for project in ("build", "setuptools"):
        try:
            importlib.metadata.version(project)
        except importlib.metadata.PackageNotFoundError:
            missing(f"{project} is not installed: pip install {project}")
    copy = tmp_path_factory.mktemp("distribution") / "npgan"  # a build leaves files behind
    kept = {"npgan", "tests", "tools", "docs", "examples", "benchmarks"}
    for path in ROOT.iterdir():
        if path.is_file():
            (copy / path.name).parent.mkdir(exist_ok=True)
            shutil.copy(path, copy / path.name)
        elif path.name in kept:
            unwanted = shutil.ignore_patterns("__pycache__", "_build")
            shutil.copytree(path, copy / path.name, ignore=unwanted)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", copy / "dist", copy]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return copy / "dist"


def test_the_sdist_is_complete(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    expected = {
        path.relative_to(ROOT).as_posix()
        for folder in ("npgan", "tests", "tools", "docs", "examples", "benchmarks")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not {"__pycache__", "_build"} & set(path.parts)
    }
    expected |= {path.name for path in ROOT.glob("*.md")} | {"LICENSE", "setup.py", "setup.cfg"}
    assert not expected - names


def test_the_wheel_holds_the_package_alone(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {re.match(r"npgan(-[^/]*\.dist-info)?/", name) is not None for name in names} == {True}
    data = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "npgan").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert not data - set(names)


def test_the_wheel_holds_the_examples(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        found = {n: archive.read(n) for n in archive.namelist() if n.startswith("npgan/examples/")}
    examples = (ROOT / "examples").glob("*.py")
    assert found == {f"npgan/examples/{path.name}": path.read_bytes() for path in examples}


def test_the_long_description_links_to_the_forge(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Description-Content-Type"] == "text/markdown"
    text = metadata.get_payload(decode=True).decode("utf-8")
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)
    targets = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", prose)
    targets = [a or b for a, b in targets]
    pictures = re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", prose)
    assert len(pictures) >= 4
    assert all(picture.startswith(f"{read_url()}/raw/HEAD/docs/images/") for picture in pictures)
    assert [target for target in targets if not re.match(r"[a-z]+:|#", target)] == []
    assert f"({read_url()}/blob/HEAD/docs/derivations.md)" in text


def test_the_address_is_written_once():
    """So that one edit moves the project."""
    folders = ("docs", "npgan", "tests", "tools", "examples", "benchmarks", ".github")
    files = [path for path in ROOT.iterdir() if path.is_file()]
    files += [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    texts = {".py", ".md", ".rst", ".yml", ".yaml", ".cfg", ".toml", ".cff", ".in", ".txt"}
    holders = [
        path.relative_to(ROOT).as_posix()
        for path in files
        if path.suffix in texts and read_url() in path.read_text(encoding="utf-8")
    ]
    assert holders == [URL_FILE]
