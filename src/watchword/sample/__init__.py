"""Own `notes`, a small application without any authentication of its own, to stand behind Watchword.

Publishes `application`. Refuses everybody who does not bring Watchword's signed assertion.
"""

from watchword.sample.application import application

__all__ = ["application"]
