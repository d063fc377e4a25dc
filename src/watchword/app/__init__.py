"""Own the composition: which room's service fills which other room's port, for the node and for the command line.

Publishes `open_services`, `authority_of`, `control_socket`, `examine` the acts of publishing policies and those of
turning tokens back. Refuses to decide anything itself.
"""

from watchword.app.data import control_socket
from watchword.app.doctor import examine
from watchword.app.feeds import as_row, open_feeds
from watchword.app.policies import in_force_directory
from watchword.app.publishing import (
    Order,
    Published,
    add_signatures,
    contents_of,
    examined,
    history,
    publish,
    roll_back,
)
from watchword.app.relating import relations_now
from watchword.app.revealing import reveal as reveal_token
from watchword.app.revealing import trace as trace_mark
from watchword.app.sealing import PASSPHRASE_VARIABLE, Resealed, replace_sealing_key
from watchword.app.services import Services, authority_of, open_services

__all__ = [
    "PASSPHRASE_VARIABLE",
    "Order",
    "Published",
    "Resealed",
    "Services",
    "add_signatures",
    "as_row",
    "authority_of",
    "contents_of",
    "control_socket",
    "examine",
    "examined",
    "history",
    "in_force_directory",
    "open_feeds",
    "open_services",
    "publish",
    "relations_now",
    "replace_sealing_key",
    "reveal_token",
    "roll_back",
    "trace_mark",
]
