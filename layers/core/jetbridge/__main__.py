"""`python -m jetbridge`: the command line."""

import sys

from jetbridge.command_line import main

if __name__ == "__main__":
    sys.exit(main())
