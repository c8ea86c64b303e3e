"""`{program-output} examples/ring.py` runs a program of the repository and shows what it prints."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parents[2]


class ProgramOutput(SphinxDirective):
    required_arguments = 1

    def run(self):
        program = ROOT / self.arguments[0]
        self.env.note_dependency(str(program))
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1"}
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, program],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                encoding="utf-8",
                check=False,
            )
        if done.returncode:
            raise self.error(f"{program.name} failed:\n{done.stderr}")
        return [nodes.literal_block(done.stdout, done.stdout.rstrip(), language="text")]


def setup(app):
    app.add_directive("program-output", ProgramOutput)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
