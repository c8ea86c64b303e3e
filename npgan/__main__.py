"""`python -m npgan` is the command `npgan`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
