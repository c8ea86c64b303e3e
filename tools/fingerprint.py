"""Write the fingerprint of the files that define a training step into npgan/kernels/definitions.py.

    python tools/fingerprint.py

Run it after an edit of such a file, if the jobs in npgan/kernels/update_jobs.py still compute the
same numbers: tests/test_updates.py compares them. Without it a step is computed by the edited
files, which takes a little longer, and a test says so.
"""

from __future__ import annotations

import re
from pathlib import Path

from npgan.kernels import definitions

FILE = Path(definitions.__file__)


def main() -> None:
    """Write the fingerprint."""
    text = FILE.read_text(encoding="utf-8")
    line = f'FINGERPRINT = "{definitions.fingerprint()}"'
    FILE.write_text(re.sub(r'^FINGERPRINT = ".*"$', line, text, flags=re.M), encoding="utf-8")
    print(line)


if __name__ == "__main__":
    main()
