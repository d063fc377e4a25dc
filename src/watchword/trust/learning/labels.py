"""What somebody said of one act, how much that is worth, and who may say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from watchword.kernel import Acr, Answer, Id

NO_VALUES: Mapping[str, float] = MappingProxyType({})

# More prompts than this within five minutes look like somebody who gives in, not like somebody who signs in.
_MOST_PROMPTS = 3


class LabelId(Id):
    """One label."""

    prefix = "lbl"


class Source(StrEnum):
    """Who said it."""

    OWNER = "owner"  # the user, asked "was this you?"
    ANALYST = "analyst"  # an administrator's verdict
    STEP_UP = "step_up"  # what came of asking for a second factor


class Review(StrEnum):
    """What an analyst made of a label that was held back."""

    NONE = "none"
    RELEASED = "released"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Label:
    """One statement about one act.

    Attributes:
        act: what is labelled: the reference of a decision, or an observation's id.
        user: whose account it was.
        margin: the log-odds with which it was scored at the time.
        values: what each indicator said at the time, before weights.
        weight: above 0; 1 for a verdict that somebody gave.
    """

    id: str
    act: str
    user: str
    source: Source
    is_attack: bool
    given_by: str
    given_at: datetime
    observed_at: datetime
    margin: float = 0.0
    values: Mapping[str, float] = field(default_factory=lambda: NO_VALUES)
    weight: float = 1.0
    review: Review = Review.NONE


@dataclass(frozen=True, slots=True)
class Judged:
    """The act that feedback is about, as it was scored.

    Attributes:
        act: the reference of the decision, or the observation's id.
        margin: log-odds before calibration.
        values: what each indicator said, before weights.
    """

    act: str
    user: str
    at: datetime
    margin: float = 0.0
    values: Mapping[str, float] = field(default_factory=lambda: NO_VALUES)
    session: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """An act that was in doubt, in words that its owner recognises it by.

    Attributes:
        judged: a sign-in that was refused has no session; its own reference stands in the session's place.
        answer: what became of it.
        ip: from where.
        application: the empty text for a sign-in.
        is_owners: what the owner said; nothing until they did.
        is_known_device: whether the act itself showed a device of the account; nothing where that was not noted. The
            device of `judged` may be that of the session, which somebody else may hold.
    """

    judged: Judged
    answer: Answer
    ip: str
    user_agent: str
    application: str = ""
    is_owners: bool | None = None
    is_known_device: bool | None = None


@dataclass(frozen=True, slots=True)
class Doubted:
    """The act about which its owner is asked.

    Attributes:
        device: the device key it showed; the empty text for none.
    """

    act: str
    user: str
    at: datetime
    session: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class Witness:
    """The session from which an owner answers.

    Attributes:
        device_since: when its device's key was enrolled; nothing without a device.
        factor_since: when the factor that it signed in with was enrolled.
        is_fresh: that factor was shown lately, and from where the answer comes.
        is_doubted: somebody or something holds this session itself for an attacker's.
    """

    user: str
    session: str
    acr: Acr
    device: str = ""
    device_since: datetime | None = None
    factor_since: datetime | None = None
    is_fresh: bool = False
    is_doubted: bool = False


def may_vouch(witness: Witness, doubted: Doubted) -> str:
    """Say why an owner may not call a doubted act their own from this session; the empty text if they may.

    To say "that was not me" needs nothing of this: it raises the bar, and is heard from anywhere.
    """
    # Prevents, in this order: speaking for somebody else; the session in doubt lowering its own bar, or another that
    # is doubted as well; a stolen password vouching for the session that it opened; a factor or a device that was added
    # from within the doubted session vouching for it; a second sign-in from the attacker's machine doing so; a session
    # left open, or its cookies in other hands, riding on a factor that was shown long ago or elsewhere.
    refused = (
        (witness.user != doubted.user, "only the owner of the account can say so"),
        (not doubted.session or witness.session == doubted.session, "the session in doubt cannot vouch for itself"),
        (witness.is_doubted, "this session is in doubt as well"),
        (witness.acr.strength < Acr.MULTI_FACTOR.strength, "a second factor is needed first"),
        (not _before(witness.factor_since, doubted.at), "this factor is newer than what it would vouch for"),
        (not witness.device or witness.device == doubted.device, "another device is needed than the one in doubt"),
        (not _before(witness.device_since, doubted.at), "this device is newer than what it would vouch for"),
        (not witness.is_fresh, "a second factor that was shown lately is needed first"),
    )
    return next((why for is_so, why in refused if is_so), "")


def _before(since: datetime | None, at: datetime) -> bool:
    return since is not None and since < at


def step_up_weight(acr: Acr, *, is_passed: bool, prompts: int) -> float:
    """Say what the outcome of asking for a second factor is worth as a label; 0 is nothing at all.

    Args:
        prompts: how many were sent within five minutes.
    """
    if not is_passed:
        # People close windows, too: an answer that never came says little.
        return _ABANDONED
    # Prevents: prompts that somebody was worn down by, and codes that a phisher relays, being taken for the owner.
    if prompts > _MOST_PROMPTS:
        return 0.0
    return _PASSED.get(acr, 0.0)


_ABANDONED = 0.1
_PASSED: Mapping[Acr, float] = MappingProxyType({Acr.MULTI_FACTOR: 0.1, Acr.PHISHING_RESISTANT: 0.3})
