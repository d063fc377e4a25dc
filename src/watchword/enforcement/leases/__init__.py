"""Own decision leases: an allow that the edge on this machine repeats by itself, until a fact of it changes.

Publishes `LeaseBoard`, the memory that both processes see, and `LeaseDesk`, which grants and ends.
Refuses to lease what is not the very same request, and to let a lease outlive what it was read from.
"""

from watchword.enforcement.leases.board import LANES, LAYOUT, SLOTS, LeaseBoard, Unaccounted
from watchword.enforcement.leases.desk import LEASE_HEADER, LEASED_BY, LONGEST_S, LeaseDesk
from watchword.enforcement.leases.errors import LeaseBoardError

__all__ = [
    "LANES",
    "LAYOUT",
    "LEASED_BY",
    "LEASE_HEADER",
    "LONGEST_S",
    "SLOTS",
    "LeaseBoard",
    "LeaseBoardError",
    "LeaseDesk",
    "Unaccounted",
]
