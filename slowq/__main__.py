"""`python -m slowq` is `slowq`."""

import sys

from slowq.cli import main

if __name__ == "__main__":
    sys.exit(main())
