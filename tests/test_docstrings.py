"""Every public name has a docstring that describes each of its parameters, in numpydoc form."""

import inspect
import re

import pytest

import npgan
from npgan import convolution, datasets, metrics, plot, testing
from npgan.autograd import Primitive

PUBLIC = {
    **{name: getattr(npgan, name) for name in npgan.HOME},
    **{
        f"{module.__name__.removeprefix('npgan.')}.{name}": getattr(module, name)
        for module in (convolution, datasets, metrics, testing)
        for name in module.__all__
    },
    **{
        f"plot.{name}": value
        for name, value in vars(plot).items()
        if not name.startswith("_") and inspect.isfunction(value)
    },
}
DOCUMENTED = {name: value for name, value in PUBLIC.items() if callable(value)}
METHODS = {
    f"{name}.{member}": function
    for name, kind in DOCUMENTED.items()
    if inspect.isclass(kind)
    for member, function in vars(kind).items()
    if not member.startswith("_")
    and (inspect.isfunction(function) or isinstance(function, classmethod))
}


def described(documentation):
    """The names in the numpydoc sections Parameters and Other Parameters."""
    found = []
    for section in re.findall(
        r"^(?:Other )?Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", documentation, re.M | re.S
    ):
        for line in section.splitlines():
            if line and not line[0].isspace():
                found += [n.strip().lstrip("*") for n in line.split(" : ")[0].split(",")]
    return found


def parameters(value):
    if isinstance(value, Primitive):
        value = value.function
    try:
        signature = inspect.signature(value)
    except ValueError:
        return []
    return [name for name in signature.parameters if name not in ("self", "cls") and name[0] != "_"]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_parameter_of_a_public_name_is_described(name):
    value = DOCUMENTED[name]
    documentation = inspect.getdoc(value) or ""
    assert documentation.strip(), f"{name} has no docstring"
    if inspect.isclass(value) and (issubclass(value, tuple) or issubclass(value, Exception)):
        return  # its fields are described where they are declared
    wanted = parameters(value)
    missing = [parameter for parameter in wanted if parameter not in described(documentation)]
    assert not missing, f"{name} does not describe {', '.join(missing)}"
    unknown = [parameter for parameter in described(documentation) if parameter not in wanted]
    assert not unknown, f"{name} describes {', '.join(unknown)}, which it does not have"


@pytest.mark.parametrize("name", METHODS)
def test_every_public_method_has_a_docstring(name):
    assert (inspect.getdoc(METHODS[name]) or "").strip()


def test_a_missing_parameter_would_be_seen():
    assert described("One line.\n\nParameters\n----------\na, b : int\n    Two.\n*c : str\n") == [
        "a",
        "b",
        "c",
    ]
    assert described("One line, with a : colon.") == []
