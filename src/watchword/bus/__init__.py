"""Own the delivery of committed events to the observers of this process.

Publishes `Bus`. Refuses to carry anything that was not committed.
"""

from watchword.bus.service import Bus, Observer

__all__ = ["Bus", "Observer"]
