"""User and group names: one spelling for each, and no two that look the same.

Source: RFC 8265 (UsernameCaseMapped) in its effect, by NFKC and case folding; Unicode UTS 39 for the idea of a
skeleton, here only across Latin, Cyrillic and Greek.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from zoneinfo import available_timezones

from watchword.identity.errors import NameRefusedError

_NAME_LENGTH = 128
_RAW_LENGTH = 1024
_DISPLAY_LENGTH = 200
_EMAIL_LENGTH = 254
_GROUP = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}@[^\s@\x00-\x1f\x7f]{1,253}")
_ALLOWED = frozenset({"Ll", "Lu", "Lt", "Lo", "Lm", "Mn", "Mc", "Nd"})
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")
# Small letters of other scripts that most typefaces draw as a Latin one.
_LOOK_ALIKES = str.maketrans("авеікмнорстухѕјһԁԛԝӏαβεικνορτυχ", "abeikmhopctyxsjhdqwlabeiknoptux")


@dataclass(frozen=True, slots=True)
class UserName:
    """A name as it is shown, as it is looked up, and as it looks."""

    shown: str
    key: str
    skeleton: str


def user_name(text: str) -> UserName:
    """Bring a user name into its one form.

    Raises:
        NameRefusedError: empty, too long, or with letters that a name cannot have.
    """
    if len(text) > _RAW_LENGTH:
        raise NameRefusedError(f"a user name has at most {_NAME_LENGTH} characters")
    shown = unicodedata.normalize("NFKC", text.strip(" "))
    key = unicodedata.normalize("NFKC", shown.casefold())
    if not 1 <= len(key) <= _NAME_LENGTH or len(shown) > _NAME_LENGTH:
        raise NameRefusedError(f"a user name has 1 to {_NAME_LENGTH} characters")
    # Prevents: names with invisible, bidirectional or control characters that pass for another name.
    if not all("!" <= letter <= "~" or _is_letter(letter) for letter in shown + key):
        raise NameRefusedError("a user name has letters, digits and ASCII punctuation only, without spaces")
    # Prevents: one foreign letter inside a familiar name.
    if len({script for letter in key if (script := _script(letter))}) > 1:
        raise NameRefusedError("a user name does not mix Latin, Cyrillic and Greek letters")
    return UserName(shown, key, key.translate(_LOOK_ALIKES))


def group_name(text: str) -> str:
    """Check a group's name, which policies use as it is.

    Raises:
        NameRefusedError: not a short lower-case word.
    """
    if not _GROUP.fullmatch(text):
        raise NameRefusedError("a group's name has lower-case letters, digits, `.`, `_` and `-`, 64 at most")
    return text


def display_name(text: str) -> str:
    """Clean the name a person is shown by.

    Raises:
        NameRefusedError: too long, or with characters that cannot be shown.
    """
    shown = unicodedata.normalize("NFC", text[: _DISPLAY_LENGTH + 1].strip())
    if len(shown) > _DISPLAY_LENGTH or not shown.isprintable():
        raise NameRefusedError(f"a display name has at most {_DISPLAY_LENGTH} printable characters")
    return shown


def email_address(text: str | None) -> str | None:
    """Check the form of an address; nothing is sent to it.

    Raises:
        NameRefusedError: not of the form `local@domain`.
    """
    if not text:
        return None
    if len(text) > _EMAIL_LENGTH or not text.isprintable() or not _EMAIL.fullmatch(text):
        raise NameRefusedError("an e-mail address has the form `name@domain`")
    return text


def time_zone(text: str) -> str:
    """Check that a time zone is one of the IANA data base.

    Raises:
        NameRefusedError: unknown.
    """
    if text not in available_timezones():
        raise NameRefusedError("a time zone is an IANA name such as `Europe/Berlin`")
    return text


def _is_letter(letter: str) -> bool:
    return ord(letter) > 0x7F and unicodedata.category(letter) in _ALLOWED  # noqa: PLR2004  # the end of ASCII


def _script(letter: str) -> str | None:
    return next((script for script in _SCRIPTS if unicodedata.name(letter, "").startswith(script)), None)
