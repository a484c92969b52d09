"""`python -m batchtwin`: the same as the command `batchtwin`."""

import sys

from batchtwin.cli import main

if __name__ == "__main__":
    sys.exit(main())
