"""Counts the faults that the tests of reliability injected, by suite (F1 to F11)."""

import json
from collections import Counter
from collections.abc import Callable

import pytest

SUITES = {
    "F1": "hostile data files",
    "F2": "hostile checkpoints",
    "F3": "failing system calls of a save",
    "F4": "SIGKILL at random times",
    "F5": "resume after SIGINT and SIGTERM",
    "F6": "signals, pipes, terminals, closed streams",
    "F7": "two programs in one directory",
    "F8": "numbers that are not finite",
    "F9": "Numba absent or broken, cache damaged, fork",
    "F10": "command-line fuzz",
    "F11": "generated datasets",
    "guards": "guards removed in turn",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--faults FILE` writes the counts as JSON."""
    parser.addoption("--faults", metavar="FILE", help="write how many faults were injected")


@pytest.fixture
def injected(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """`injected("F1")` counts one fault; `injected("F1", 20)` counts twenty."""

    def count(suite: str, faults: int = 1) -> None:
        assert suite in SUITES
        record_property("faults", (suite, faults))

    return count


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print for each suite how many faults were injected and how many tests failed."""
    counts: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in getattr(report, "user_properties", []):
                if name == "faults" and report.when == "call":
                    counts[value[0]] += value[1]
                    failed[value[0]] += outcome == "failed"
    if not counts:
        return
    terminalreporter.section("faults injected")
    for suite, meaning in SUITES.items():
        if suite in counts:
            line = f"{suite:>6}  {counts[suite]:5d}  {meaning}"
            terminalreporter.write_line(line + f", {failed[suite]} failed" * bool(failed[suite]))
    if config.getoption("--faults", default=None):
        rows = {s: {"faults": counts[s], "failed": failed[s]} for s in SUITES if s in counts}
        with open(config.getoption("--faults"), "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
