"""Own users, groups, authenticators, the sign-in ceremony and sessions.

Publishes `Identity` with its services, the facts decisions are made of, and `safe_return_to`. Refuses a session without
the proofs its user must show, and any change of authenticators without a fresh one.
"""

from watchword.identity.accounts import Accounts
from watchword.identity.admission import Admission
from watchword.identity.ceremony import Ceremony, Purpose
from watchword.identity.errors import (
    BusyError,
    CeremonyInvalidError,
    CodeRefusedError,
    HandoffRefusedError,
    IdentityError,
    InvitationRefusedError,
    LastAdministratorError,
    LastFactorError,
    NameRefusedError,
    NameTakenError,
    PasskeyRefusedError,
    PasswordRefusedError,
    SessionNotLiveError,
    SignInFailedError,
    StepUpRequiredError,
    ThrottledError,
    TooManyError,
    UnknownSubjectError,
    WrongStepError,
)
from watchword.identity.handoff import Handoff
from watchword.identity.model import (
    ADMINISTRATORS,
    AuthenticatorFacts,
    AuthenticatorKind,
    Client,
    GroupFacts,
    Invitation,
    SessionFacts,
    SignedIn,
    TotpEnrolment,
    UserFacts,
    network_of,
)
from watchword.identity.ports import Sealer
from watchword.identity.reader import DirectoryReader
from watchword.identity.resealing import LASTING_KEYS, reseal
from watchword.identity.return_to import safe_return_to
from watchword.identity.service import Identity
from watchword.identity.sessions import Sessions
from watchword.identity.settings import Argon2Profile, IdentitySettings
from watchword.identity.sign_in import SignIn
from watchword.identity.welcome import Welcome

__all__ = [
    "ADMINISTRATORS",
    "LASTING_KEYS",
    "Accounts",
    "Admission",
    "Argon2Profile",
    "AuthenticatorFacts",
    "AuthenticatorKind",
    "BusyError",
    "Ceremony",
    "CeremonyInvalidError",
    "Client",
    "CodeRefusedError",
    "DirectoryReader",
    "GroupFacts",
    "Handoff",
    "HandoffRefusedError",
    "Identity",
    "IdentityError",
    "IdentitySettings",
    "Invitation",
    "InvitationRefusedError",
    "LastAdministratorError",
    "LastFactorError",
    "NameRefusedError",
    "NameTakenError",
    "PasskeyRefusedError",
    "PasswordRefusedError",
    "Purpose",
    "Sealer",
    "SessionFacts",
    "SessionNotLiveError",
    "Sessions",
    "SignIn",
    "SignInFailedError",
    "SignedIn",
    "StepUpRequiredError",
    "ThrottledError",
    "TooManyError",
    "TotpEnrolment",
    "UnknownSubjectError",
    "UserFacts",
    "Welcome",
    "WrongStepError",
    "network_of",
    "reseal",
    "safe_return_to",
]
