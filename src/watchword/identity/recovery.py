"""Recovery codes: ten look-up secrets, each good for one sign-in.

Each has 120 bits, so that a fast keyed hash is enough to store it.
Source: NIST SP 800-63B-4 section 3.1.2.2 (112 bits and an approved one-way function).
"""

from __future__ import annotations

import unicodedata

from watchword.identity.handles import keyed
from watchword.kernel import Entropy, Secret, UserId

HOW_MANY = 10
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LETTERS = 24
_GROUP = 4
_LONGEST_INPUT = 80
_MISREAD = str.maketrans("ilo", "110")


def new_codes(entropy: Entropy) -> tuple[Secret[str], ...]:
    """Make a set of codes of the form `abcd-efgh-...`, six groups of four."""
    return tuple(_new_code(entropy) for _ in range(HOW_MANY))


def digest_for(key: bytes, user_id: UserId, code: str) -> bytes:
    """Return what is stored for a code; dashes, spaces, case and letters that are easily misread do not matter.

    Never raises, whatever was typed.
    """
    folded = unicodedata.normalize("NFKC", code[:_LONGEST_INPUT]).lower().translate(_MISREAD)
    return keyed(key, user_id, "".join(letter for letter in folded if letter.isalnum()))


def _new_code(entropy: Entropy) -> Secret[str]:
    # 256 is a multiple of 32, so the remainder is not biased.
    letters = "".join(_ALPHABET[byte % 32] for byte in entropy.token_bytes(_LETTERS))
    return Secret("-".join(letters[at : at + _GROUP] for at in range(0, _LETTERS, _GROUP)))
