"""Short words for what people do at sign-in, over the real services."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyotp
from software_authenticator import SoftwareAuthenticator
from sqlalchemy import select, text

from watchword.identity import (
    Argon2Profile,
    Ceremony,
    Client,
    Identity,
    IdentitySettings,
    SessionFacts,
    SignedIn,
    TotpEnrolment,
    UserFacts,
)
from watchword.kernel import DeviceId, FrozenClock, SessionId
from watchword.keys import Sealer
from watchword.storage import Database, metadata

PORTAL = "watchword.localhost"
PASSWORD = "unrelated words stay easy to keep"
CHEAP = Argon2Profile(time_cost=1, memory_kib=8, parallelism=1)
HOME = Client("203.0.113.7", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")
AWAY = Client("198.51.100.9", "Mozilla/5.0 (Windows NT 10.0) Edg/140.0")


@dataclass
class World:
    """Everything a test of identity needs, with short words for what people do."""

    identity: Identity
    database: Database
    clock: FrozenClock
    entropy: Any
    sealer: Sealer

    def again(self) -> Identity:
        """Open identity anew on the same database, as after a restart."""
        return Identity.open(
            self.database, self.clock, self.entropy, sealer=self.sealer, settings=IdentitySettings(argon2=CHEAP)
        )

    async def person(self, name: str = "ada", **about: Any) -> UserFacts:
        """Make a user with a password, who never signed in."""
        user = await self.identity.accounts.create_user(name, actor="test", **about)
        invitation = await self.identity.accounts.invite(user.id, actor="test")
        _, handle = await self.identity.sign_in.start(HOME, invitation=invitation.token.reveal())
        await self.identity.welcome.password(handle.reveal(), PASSWORD, HOME)
        return user

    async def start(self, client: Client = HOME, **about: Any) -> str:
        """Open a ceremony and return its handle."""
        return (await self.identity.sign_in.start(client, **about))[1].reveal()

    async def password(
        self,
        name: str = "ada",
        password: str = PASSWORD,
        *,
        client: Client = HOME,
        device_id: DeviceId | None = None,
        handle: str | None = None,
    ) -> tuple[Ceremony, str]:
        """Show a password in a new ceremony."""
        handle = handle or await self.start(client, device_id=device_id)
        return await self.identity.sign_in.password(handle, name, password, client), handle

    async def signed_in(
        self,
        name: str = "ada",
        *,
        client: Client = HOME,
        device_id: DeviceId | None = None,
        password: str = PASSWORD,
        replaces: SessionId | None = None,
    ) -> SignedIn:
        """Sign in with a password alone."""
        _, handle = await self.password(name, password, client=client, device_id=device_id)
        return await self.identity.sign_in.complete(handle, client, device_id=device_id, host=PORTAL, replaces=replaces)

    async def with_totp(self, session: SessionFacts) -> TotpEnrolment:
        """Enrol and confirm an authenticator application; half a minute passes afterwards."""
        self.step(1)
        enrolment = await self.identity.accounts.enrol_totp(session, HOME)
        await self.identity.accounts.confirm_totp(session, enrolment.id, self.code(enrolment), HOME)
        self.step()
        return enrolment

    async def with_passkey(self, session: SessionFacts, **about: Any) -> SoftwareAuthenticator:
        """Register a passkey."""
        self.step(1)
        authenticator = SoftwareAuthenticator(**about)
        options = await self.identity.accounts.passkey_options(session)
        await self.identity.accounts.register_passkey(session, authenticator.create(options), HOME, label="Key")
        return authenticator

    async def with_passkey_only(self, authenticator: SoftwareAuthenticator, client: Client = HOME) -> SignedIn:
        """Sign in with a discoverable passkey."""
        handle = await self.start(client)
        options = await self.identity.sign_in.passkey_options(handle)
        await self.identity.sign_in.passkey(handle, authenticator.get(options), client)
        return await self.identity.sign_in.complete(handle, client, device_id=None, host=PORTAL)

    async def step_up(self, session: SessionFacts, device_id: DeviceId | None = None) -> str:
        """Open a step-up and return its handle."""
        return await self.start(HOME, step_up=session.id, device_id=device_id)

    async def stepped_up(self, session: SessionFacts, enrolment: TotpEnrolment) -> SessionFacts:
        """Strengthen a session with a code; half a minute passes afterwards."""
        handle = await self.step_up(session)
        await self.identity.sign_in.totp(handle, self.code(enrolment), HOME)
        signed_in = await self.identity.sign_in.complete(handle, HOME, device_id=None, host=PORTAL)
        self.step()
        return signed_in.session

    def code(self, enrolment: TotpEnrolment, offset: int = 0) -> str:
        """Return the code that the application shows."""
        return pyotp.TOTP(enrolment.secret.reveal()).at(int(self.clock.now().timestamp()) + 30 * offset)

    def step(self, seconds: float = 30) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(seconds=seconds))

    async def events(self, kind: str = "") -> list[dict[str, Any]]:
        """Return the events of a type, or all, as they stand in the outbox."""
        outbox = metadata.tables["outbox"]
        query = select(outbox).order_by(outbox.c.position)
        async with self.database.read() as connection:
            rows = [dict(row._mapping) for row in (await connection.execute(query)).all()]
        return [row for row in rows if row["type"].startswith(kind)]

    async def count(self, table: str) -> int:
        """Count the rows of a table."""
        async with self.database.read() as connection:
            return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())  # noqa: S608  # a table of ours
