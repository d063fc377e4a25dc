"""Sets whose members are found out when a policy asks for them, and not before."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping

from watchword.policy.errors import PolicyError


class LazySet(ABC):
    """A set of strings in a context. Compiled policies use it as they would a `frozenset`.

    `contains`, `containsAny` and `containsAll` ask for the members they name. Whatever needs all of them (`isEmpty`,
    `==`, standing inside of another set) finds all of them out. What cannot be found out raises: the policy fails.
    """

    __slots__ = ()

    @abstractmethod
    def holds(self, name: str) -> bool:
        """Tell whether a name is a member.

        Raises:
            PolicyError: nobody can tell.
        """

    @abstractmethod
    def names(self) -> Iterable[str]:
        """Return every name that could be a member."""

    @property
    @abstractmethod
    def asked(self) -> Mapping[str, bool | None]:
        """What was asked so far, with the answers; nothing for a name that had none."""

    @property
    def model(self) -> str:
        """The version of what gives the names their meaning; empty where they need none."""
        return ""

    def __contains__(self, element: object) -> bool:
        return isinstance(element, str) and self.holds(element)

    def __iter__(self) -> Iterator[str]:
        return iter([name for name in self.names() if self.holds(name)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def issuperset(self, other: Iterable[object]) -> bool:
        """Tell whether all of the others are members; one that is not decides, whatever cannot be found out."""
        return self._none(other, wanted=False)

    def isdisjoint(self, other: Iterable[object]) -> bool:
        """Tell whether none of the others is a member; one that is decides, whatever cannot be found out."""
        return self._none(other, wanted=True)

    def _none(self, other: Iterable[object], *, wanted: bool) -> bool:
        """Tell that no element has the wanted answer. In a fixed order, so that two nodes ask and fail alike."""
        failure: PolicyError | None = None
        for element in sorted(other, key=str):
            try:
                if (element in self) is wanted:
                    return False
            except PolicyError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return True

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, LazySet):
            return frozenset(self) == frozenset(other)
        return isinstance(other, frozenset) and frozenset(self) == other

    def __hash__(self) -> int:
        return hash(frozenset(self))


class UnknownMemberError(PolicyError):
    """A policy asks for a member of a recorded set that nobody asked for when it was recorded."""

    code = "policy.unknown_member"


class AskedSet(LazySet):
    """What was found out of a lazy set, without what it was found out from; for replay.

    Attributes:
        missed: asked for now, and not asked for then: nobody can say what the answer would have been.
    """

    __slots__ = ("_asked", "_model", "missed")

    def __init__(self, asked: Mapping[str, bool | None], model: str = "") -> None:
        self._asked = dict(asked)
        self._model = model
        self.missed: set[str] = set()

    @property
    def model(self) -> str:
        """What gave the names their meaning then; empty where nobody wrote it down."""
        return self._model

    @property
    def asked(self) -> Mapping[str, bool | None]:
        """What it was made of."""
        return self._asked

    def names(self) -> Iterable[str]:
        """Nobody knows what else could have been in it."""
        self.missed.add("*")
        raise UnknownMemberError("a recorded set is not known whole")

    def holds(self, name: str) -> bool:
        """Say what was found out then."""
        answer = self._asked.get(name)
        if answer is None:
            if name not in self._asked:
                self.missed.add(name)
            raise UnknownMemberError("a member of a recorded set is not known")
        return answer
