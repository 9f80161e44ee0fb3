"""`python -m floe_operator` is `floe-operator`."""

import sys

from floe_operator import main

if __name__ == "__main__":
    sys.exit(main())
