"""Who visits the console: the holder of a live session, in the browser that it belongs to, or nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from watchword.console.desk import Services
from watchword.identity import SessionFacts, UserFacts


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody whose session was found live and right; made here and nowhere else."""

    user: UserFacts
    session: SessionFacts


def find_visitor(
    services: Services, *, session_handle: str | None, device_handle: str | None, host: str, now: datetime
) -> Visitor | None:
    """Find who holds a session handle.

    1. the handle opens a session;  2. on this very host;  3. that is live;  4. in the browser that it was made in;
    5. of a user who exists and is enabled. Anything else is nobody.
    """
    found = services.visitors.session_by_handle(session_handle) if session_handle else None
    if found is None:
        return None
    session, handle_host = found
    # Prevents: a handle taken from an application's host opening the portal.
    if handle_host != host or not session.is_live(now):
        return None
    # Prevents: a session cookie that was stolen alone.
    if session.device_id is not None:
        shown = services.devices.verify(device_handle, host) if device_handle else None
        if shown != session.device_id:
            return None
    user = services.visitors.user(session.user_id)
    return None if user is None or user.is_disabled else Visitor(user, session)
