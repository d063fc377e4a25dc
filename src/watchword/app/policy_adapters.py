"""Fill the ports of the console's pages about relations and AuthZEN."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

from watchword.app.authzen import AuthzenPart, origin
from watchword.console import (
    AuthzenAnswer,
    AuthzenCaller,
    AuthzenOverview,
    RelatedPerson,
    TuplePage,
)
from watchword.decision import FactBase
from watchword.identity import UserFacts
from watchword.kernel import Answer, DecisionId, UserId
from watchword.kernel.ids import MalformedIdError
from watchword.policy.relations import RelationView
from watchword.policy.relations.keeping import RelationTuples
from watchword.settings import Settings


class RelationAdapter:
    """Relations as they are in force, and tuples as they are stored."""

    def __init__(self, view: Callable[[], RelationView | None], tuples: RelationTuples, facts: FactBase) -> None:
        self._view = view
        self._tuples = tuples
        self._facts = facts

    def view(self) -> RelationView | None:
        """Return the tuples in memory as the model in force sees them."""
        return self._view()

    def person(self, name: str) -> RelatedPerson | None:
        """Return a user, by identifier or sign-in name."""
        user: UserFacts | None = None
        with suppress(MalformedIdError):
            user = self._facts.user(UserId(name))
        user = user or next((each for each in self._facts.users() if each.name == name), None)
        return _person(user) if user is not None else None

    def people(self) -> Iterable[RelatedPerson]:
        """Return every user, in the order of their names."""
        return map(_person, sorted(self._facts.users(), key=lambda user: user.name))

    async def page(self, text: str, *, after: str, most: int) -> TuplePage:
        """Return tuples in which a text stands."""
        found = await self._tuples.searched(text, after=after, most=most + 1)
        more = found[most - 1].key if len(found) > most else ""
        return TuplePage(found[:most], more)


def _person(user: UserFacts) -> RelatedPerson:
    return RelatedPerson(user.id, user.name, user.groups)


class AuthzenAdapter:
    """The AuthZEN API of this node."""

    def __init__(self, settings: Settings, part: Callable[[], AuthzenPart | None]) -> None:
        self._settings = settings
        self._part = part

    def overview(self) -> AuthzenOverview:
        """Return whether it is on, who may ask, and what was answered last."""
        settings, part = self._settings.authzen, self._part()
        if part is None:
            return AuthzenOverview(is_on=False, address="")
        recent = list(part.service.recent)
        counts = part.service.by_caller
        return AuthzenOverview(
            is_on=True,
            address=origin(self._settings),
            callers=tuple(
                AuthzenCaller(
                    caller.name,
                    caller.namespaces,
                    caller.obligations,
                    len(caller.key_sha256),
                    tuple((answer, counts[caller.name, answer]) for answer in Answer if counts[caller.name, answer]),
                )
                for caller in settings.callers
            ),
            answers=tuple(map(_answer, reversed(recent))),
            problem=part.filed.problem,
        )


def _answer(record: dict[str, Any]) -> AuthzenAnswer:
    return AuthzenAnswer(
        DecisionId(record["id"]),
        datetime.fromisoformat(record["at"]),
        record["pep"],
        Answer(record["answer"]),
        record["reasons"][0],
        record["user"] or "",
        record["action"] or "",
        record["resource"] or "",
    )
