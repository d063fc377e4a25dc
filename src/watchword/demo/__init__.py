"""Own the demonstration: a scripted person who walks the whole loop against a real node and checks each outcome.

Publishes `run`. Refuses to look inside: it sees what a browser sees.
"""

from watchword.demo.scenario import run

__all__ = ["run"]
