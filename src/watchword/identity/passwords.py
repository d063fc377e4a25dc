"""What a password may be: length and a blocklist, no rules of composition.

Source: NIST SP 800-63B-4 section 3.1.1.2: 15 characters where the password stands alone, 8 where a second factor is
always asked, at least 64 accepted, each code point counts as one, normalised before hashing.
"""

from __future__ import annotations

import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path

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
    unit = _repeated_unit(password)
    if _is_common(password) or _is_common(unit) or len(set(unit)) < _FEWEST_DIFFERENT or _is_run(password):
        raise PasswordRefusedError(
            "the password is one of those tried first", rule="too_common", hint="a few unrelated words are easy to keep"
        )
    rest = password
    for word in sorted(context, key=len, reverse=True):
        rest = rest.replace(word, "")
    stem = rest.strip("0123456789 .,;:!?_-+*#@$&")
    if rest != password and (len(stem) < _SHORTEST_REST or _is_common(stem)):
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


def _is_common(text: str) -> bool:
    known, digest = _common(), _digest(text)
    at = bisect_left(known, digest)
    return at < len(known) and known[at] == digest


@cache
def _common() -> array[int]:
    """Return the first 64 bits of the hashes of the common passwords, in order.

    A quarter of a megabyte. The package that brings the list would hold it, and five others, in dictionaries of 12 MB;
    so its file is read without the package, and forgotten.
    """
    package = find_spec("zxcvbn")
    assert package is not None
    assert package.origin is not None
    spec = spec_from_file_location("frequency_lists", Path(package.origin).with_name("frequency_lists.py"))
    assert spec is not None
    assert spec.loader is not None
    lists = module_from_spec(spec)
    spec.loader.exec_module(lists)
    words = lists.FREQUENCY_LISTS["passwords"]
    return array("Q", sorted({_digest(unicodedata.normalize("NFKC", word).casefold()) for word in words}))


def _digest(text: str) -> int:
    return int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8])


def preload() -> None:
    """Read the list now rather than at the first new password."""
    _common()
