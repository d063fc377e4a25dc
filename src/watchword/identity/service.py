"""The services of this room, put together once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from watchword.identity import passwords
from watchword.identity.accounts import Accounts
from watchword.identity.admission import Admission
from watchword.identity.desk import CeremonyDesk
from watchword.identity.handoff import Handoff
from watchword.identity.hashing import PasswordHashing
from watchword.identity.ports import Sealer
from watchword.identity.reader import DirectoryReader
from watchword.identity.sessions import Sessions
from watchword.identity.settings import IdentitySettings
from watchword.identity.sign_in import SignIn
from watchword.identity.throttles import Throttles
from watchword.identity.welcome import Welcome
from watchword.kernel import Clock, Entropy
from watchword.storage import Database


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything identity does, sharing one hashing pool and one set of throttles.

    There must be one of these in a process.
    """

    sign_in: SignIn
    admission: Admission
    welcome: Welcome
    handoff: Handoff
    accounts: Accounts
    sessions: Sessions
    reader: DirectoryReader
    hashing: PasswordHashing
    throttles: Throttles

    @classmethod
    def open(
        cls, database: Database, clock: Clock, entropy: Entropy, *, sealer: Sealer, settings: IdentitySettings
    ) -> Identity:
        """Put the services together; nothing is read or started yet."""
        hashing = PasswordHashing(settings, entropy)
        throttles = Throttles(database, clock, entropy, key=sealer.derive("identity.throttle"))
        desk = CeremonyDesk(database, clock, key=sealer.derive("identity.ceremony"))
        admission = Admission(database, clock, entropy, settings=settings, throttles=throttles, desk=desk)
        return cls(
            sign_in=SignIn(
                database,
                clock,
                entropy,
                sealer=sealer,
                settings=settings,
                hashing=hashing,
                throttles=throttles,
                desk=desk,
                admission=admission,
            ),
            admission=admission,
            welcome=Welcome(database, clock, entropy, settings=settings, hashing=hashing, desk=desk),
            handoff=Handoff(database, clock, entropy),
            accounts=Accounts(database, clock, entropy, sealer=sealer, settings=settings, hashing=hashing),
            sessions=Sessions(database, clock, entropy),
            reader=DirectoryReader(database, clock),
            hashing=hashing,
            throttles=throttles,
        )

    async def load(self) -> None:
        """Read stored throttles and do the slow first-time work, so that the first sign-in is like the next."""
        await self.throttles.load()
        await self.hashing.prepare()
        await asyncio.to_thread(passwords.preload)
        await self.sessions.prune()

    def close(self) -> None:
        """Let go of the hashing threads."""
        self.hashing.close()
