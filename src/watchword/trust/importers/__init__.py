"""Own files of other systems' sign-ins and requests, and of public data sets.

Publishes `read`, the layouts it knows, and the tally of what it refused. Refuses to load a file whole, to guess what
a damaged record meant, and to hide that there was one.
"""

from watchword.trust.importers.model import (
    MOST_REFUSED,
    ImportRefusedError,
    Reading,
    RecordMalformedError,
    Refusal,
    Tally,
)
from watchword.trust.importers.ordering import in_order
from watchword.trust.importers.service import Layout, read

__all__ = [
    "MOST_REFUSED",
    "ImportRefusedError",
    "Layout",
    "Reading",
    "RecordMalformedError",
    "Refusal",
    "Tally",
    "in_order",
    "read",
]
