"""docs/design.md's picture of the folders, its reading order and its list of layers are those of the files."""

import ast
import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "npgan"
DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")


def picture():
    """The paths in the picture of npgan/, from their indentation."""
    block = re.search(r"```text\nnpgan/\n(.*?)```", DESIGN, re.S)[1]
    folder, found = "", []
    for line in block.splitlines():
        indent, name = re.match(r"( +)(\S+)", line).groups()
        assert len(indent) in (2, 4), line
        path = name if len(indent) == 2 else folder + name
        folder = name if name.endswith("/") and len(indent) == 2 else folder
        found.append(path)
    return found


def entries(folder):
    """What a reader finds in a folder of the package: names of files, and of folders with a slash."""
    return {
        path.name + "/" * path.is_dir()
        for path in folder.iterdir()
        if path.name not in ("__init__.py", "__main__.py", "__pycache__", "py.typed")
    }


def test_the_picture_shows_every_file_and_folder():
    shown = picture()
    assert len(shown) == len(set(shown))
    assert {path for path in shown if path.count("/") == path.endswith("/")} == entries(PACKAGE)
    assert {path for path in shown if path.startswith("kernels/")} - {"kernels/"} == {
        f"kernels/{name}" for name in entries(PACKAGE / "kernels")
    }


def reading_order():
    table = re.search(r"\*\*Reading order\.\*\*.*?\n\n(\|.*?)\n\n", DESIGN, re.S)[1]
    return re.findall(r"^\| `npgan/(.+?)\.py` \|", table, re.M)


def imports_of(module):
    """The modules of npgan that a module imports while it is itself imported, as paths without .py."""
    parts = module.split("/")
    found = set()
    for node in ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = parts[: len(parts) - node.level] + (
                node.module.split(".") if node.module else []
            )
            for name in node.names:
                path = "/".join([*base, name.name])
                is_module = (PACKAGE / f"{path}.py").exists() or (PACKAGE / path).is_dir()
                found.add(path if is_module else "/".join(base))
    return found


def test_each_file_imports_only_those_above_it_in_the_reading_order():
    order = reading_order()
    assert order[0] == "kernels/reference"
    assert set(order[1:]) == {path.stem for path in PACKAGE.glob("[a-z]*.py")}
    for i, module in enumerate(order):
        core = {name for name in imports_of(module) if not name.startswith("kernels")}
        assert core <= set(order[:i]), f"{module} imports {core - set(order[:i])}"


def test_the_layers_are_those_of_the_contract():
    listed = re.search(r"\*\*Imports point down\*\*.*?```text\n(.*?)```", DESIGN, re.S)[1]
    listed = [set(line.split(", ")) for line in listed.splitlines()]
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    contract = [
        {name.strip().removeprefix("npgan.") for name in line.split("|")}
        for line in config["importlinter:contract:layers"]["layers"].split("\n")
        if line
    ]
    assert listed == contract
    names = {name.removesuffix(".py").removesuffix("/") for name in entries(PACKAGE)}
    assert set().union(*contract) == names


def test_the_core_is_read_in_one_evening():
    lines = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert sum(lines[f"{name}.py"] for name in reading_order()[1:]) < 1620
    assert not {name: n for name, n in lines.items() if n > 475}
