"""Everything identity refuses, with stable codes. What reaches a client never tells whether a user exists."""

from __future__ import annotations

from typing import ClassVar

from watchword.kernel import WatchwordError


class IdentityError(WatchwordError):
    """Something about users, authenticators or sessions was refused."""

    code: ClassVar[str] = "identity.refused"
    status: ClassVar[int] = 400


class SignInFailedError(IdentityError):
    """The proof was not right; the same words for an unknown user, a wrong secret and a disabled account."""

    code = "identity.sign_in_failed"
    status = 401


class ThrottledError(IdentityError):
    """Too many failed attempts; nothing was checked.

    Attributes:
        retry_after_s: whole seconds until an attempt is looked at again.
    """

    code = "identity.throttled"
    status = 429

    def __init__(self, message: str, *, retry_after_s: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class BusyError(IdentityError):
    """Too many passwords are being checked at once; nothing was counted against anybody."""

    code = "identity.busy"
    status = 503


class CeremonyInvalidError(IdentityError):
    """The sign-in in progress is unknown, has run out, was finished or belongs to another browser."""

    code = "identity.ceremony_invalid"
    status = 400


class WrongStepError(IdentityError):
    """That proof is not what comes next in this ceremony."""

    code = "identity.wrong_step"
    status = 409


class SessionNotLiveError(IdentityError):
    """The session does not exist, has run out or was ended."""

    code = "identity.session_not_live"
    status = 401


class StepUpRequiredError(IdentityError):
    """The act needs an authentication newer than this session has.

    Attributes:
        max_age_s: how old the last authentication may be.
    """

    code = "identity.step_up_required"
    status = 403

    def __init__(self, message: str, *, max_age_s: int) -> None:
        super().__init__(message, hint="confirm that it is you, then try again")
        self.max_age_s = max_age_s


class PasswordRefusedError(IdentityError):
    """The new password breaks a rule; the message names it.

    Attributes:
        rule: `too_short`, `too_long`, `too_common`, `context` or `not_text`.
    """

    code = "identity.password_refused"
    status = 422

    def __init__(self, message: str, *, rule: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.rule = rule


class NameRefusedError(IdentityError):
    """A name, address or zone cannot be used as it stands."""

    code = "identity.name_refused"
    status = 422


class NameTakenError(IdentityError):
    """Somebody has that name, or one that looks the same."""

    code = "identity.name_taken"
    status = 409


class PasskeyRefusedError(IdentityError):
    """The answer of the authenticator does not verify."""

    code = "identity.passkey_refused"
    status = 400


class CodeRefusedError(IdentityError):
    """The one-time code shown at enrolment is not right, or nothing waits for one."""

    code = "identity.code_refused"
    status = 400


class LastFactorError(IdentityError):
    """Without this authenticator the account could not sign in, or not strongly enough."""

    code = "identity.last_factor"
    status = 409


class LastAdministratorError(IdentityError):
    """Nobody would be left to administer."""

    code = "identity.last_administrator"
    status = 409


class TooManyError(IdentityError):
    """A bound of the account is reached."""

    code = "identity.too_many"
    status = 409


class HandoffRefusedError(IdentityError):
    """The crossing code is unknown, used, too old, or made for another host or browser."""

    code = "identity.handoff_refused"
    status = 400


class InvitationRefusedError(IdentityError):
    """The link is unknown, used or too old."""

    code = "identity.invitation_refused"
    status = 400


class UnknownSubjectError(IdentityError):
    """No such user, group, session or authenticator, or it is not the asker's to know."""

    code = "identity.unknown_subject"
    status = 404
