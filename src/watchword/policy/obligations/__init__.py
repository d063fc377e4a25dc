"""Own the obligations of a policy directory: their definitions, and which of them a policy attaches.

Publishes `ObligationBook` and `read_obligations`. Refuses a name that nobody defined, and rules that make no sense.
"""

from watchword.policy.obligations.book import ANNOTATION, ObligationBook, attached_names
from watchword.policy.obligations.definitions import OBLIGATIONS_FILE, read_obligations

__all__ = ["ANNOTATION", "OBLIGATIONS_FILE", "ObligationBook", "attached_names", "read_obligations"]
