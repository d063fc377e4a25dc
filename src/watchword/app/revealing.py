"""Turn back what obligations made of values and people: tokens into values, marks into those whom they mean.

# INVARIANT: nothing is told before the journal's event about it is committed.
"""

from __future__ import annotations

from typing import Any

from watchword.app.services import Services, obligation_keys
from watchword.enforcement.bodies import MARK_TRACED, TOKEN_REVEALED, ValueKeys
from watchword.enforcement.bodies.documents import write_json
from watchword.kernel import EventType, NotFoundError


async def reveal(services: Services, token: str, context: str, *, actor: str) -> str:
    """Return the value behind a token, as JSON.

    Raises:
        BodyRefusedError: it is no token of this installation and context.
    """
    value = write_json(_keys(services).reveal(token, context)).decode()
    await _say(services, TOKEN_REVEALED, actor, context, context=context)
    return value


async def trace(services: Services, pseudonym: str, application: str, *, actor: str) -> str:
    """Return the name of whom a mark in an answer of an application means.

    Raises:
        NotFoundError: nobody who is known here.
    """
    keys = _keys(services)
    for user in await services.identity.reader.users():
        if pseudonym in keys.pseudonyms(application, str(user.id)):
            await _say(services, MARK_TRACED, actor, str(user.id), application=application)
            return str(user.name)
    raise NotFoundError(
        f"nobody has this mark at `{application[:64]}`", hint="a deleted user is found by the decision in the mark"
    )


def _keys(services: Services) -> ValueKeys:
    return ValueKeys(*obligation_keys(services.settings, services.sealer))


async def _say(services: Services, event: EventType, actor: str, subject: str, **data: Any) -> None:
    said = event.at(services.clock.now(), services.entropy, actor=actor, subject=subject, **data)
    async with services.database.work() as work:
        work.emit(said)
