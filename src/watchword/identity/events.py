"""What identity tells, and who may see which part of it."""

from __future__ import annotations

from watchword.kernel import EventType

USER_CREATED = EventType(
    "identity.user.created", "A user was added to the directory.", public="is_privileged groups", personal="name"
)
USER_CHANGED = EventType(
    "identity.user.changed", "A user's attributes or memberships changed.", public="fields group is_member"
)
USER_DISABLED = EventType("identity.user.disabled", "A user may not sign in any more.", public="reason")
USER_ENABLED = EventType("identity.user.enabled", "A user may sign in again.")
USER_DELETED = EventType("identity.user.deleted", "A user was removed from the directory.")
USER_INVITED = EventType("identity.user.invited", "A one-time link was made for a user.", public="is_reset expires_at")
GROUP_CREATED = EventType("identity.group.created", "A group was made.", public="name")
GROUP_DELETED = EventType("identity.group.deleted", "A group was removed.", public="name")

SESSION_STARTED = EventType(
    "identity.session.started",
    "Somebody signed in.",
    public="user session device acr factor host expires_at",
    personal="ip user_agent",
)
SESSION_STEPPED_UP = EventType(
    "identity.session.stepped_up",
    "Somebody proved again who they are, within a session.",
    public="user session device acr factor host",
    personal="ip user_agent",
)
SESSION_HANDLE_ADDED = EventType(
    "identity.session.handle_added", "A session became usable on one more host.", public="user host", personal="ip"
)
SESSION_SHORTENED = EventType(
    "identity.session.shortened", "A session will end earlier.", public="user expires_at reason"
)
SESSION_ENDED = EventType("identity.session.ended", "A session was ended.", public="user reason")

SIGN_IN_FAILED = EventType(
    "identity.sign_in.failed", "A proof of identity was wrong.", public="user reason factor", personal="ip user_agent"
)
SIGN_IN_THROTTLED = EventType(
    "identity.sign_in.throttled",
    "Attempts are refused unseen for a while; `suppressed` counts those refused since the last such event.",
    public="user scope wait_s suppressed",
    personal="ip",
)
PASSKEY_CLONED = EventType(
    "identity.passkey.cloned",
    "A passkey's counter went back: there may be a copy of it.",
    public="user authenticator stored shown",
    personal="ip",
)

AUTHENTICATOR_ADDED = EventType(
    "identity.authenticator.added", "A user has a new authenticator.", public="user kind", personal="ip"
)
AUTHENTICATOR_REMOVED = EventType(
    "identity.authenticator.removed", "A user's authenticator was removed.", public="user kind reason", personal="ip"
)
PASSWORD_CHANGED = EventType("identity.password.changed", "A user chose a new password.", public="user", personal="ip")
RECOVERY_CODE_USED = EventType(
    "identity.recovery_code.used", "A recovery code was used up.", public="user remaining", personal="ip"
)
