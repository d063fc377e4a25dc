"""Own the second asking: what a recorded request must hold, and what other policies would have answered.

Publishes `Recorder`, `record_of`, `request_of`. Refuses to guess: what was not recorded is unknown, never unchanged.
"""

from watchword.policy.replay.errors import MalformedRecordError
from watchword.policy.replay.record import Recorder, record_of, request_of

__all__ = ["MalformedRecordError", "Recorder", "record_of", "request_of"]
