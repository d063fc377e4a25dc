"""Own the composition: which room's service fills which other room's port, for the node and for the command line.

Publishes `open_services`, `authority_of`, `control_socket` and `examine`. Refuses to decide anything itself.
"""

from watchword.app.data import control_socket
from watchword.app.doctor import examine
from watchword.app.services import PASSPHRASE_VARIABLE, Services, authority_of, open_services

__all__ = ["PASSPHRASE_VARIABLE", "Services", "authority_of", "control_socket", "examine", "open_services"]
