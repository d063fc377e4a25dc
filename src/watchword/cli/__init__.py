"""Own the command line: parse words, call services, print.

Publishes `main`. Refuses to know anything that the console does not know.
"""

from watchword.cli.main import main

__all__ = ["main"]
