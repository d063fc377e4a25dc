"""Run the control plane under the supervisor: `python -m watchword.app`."""

from __future__ import annotations

import sys

from watchword.app.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
