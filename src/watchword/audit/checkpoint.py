"""Checkpoints: signed statements of how long the journal was and what its last record hashed to.

The envelope is the C2SP signed note, so that independent tools can verify the signature. The text inside is our own,
because the chain's head is no Merkle root:

    watchword journal checkpoint v1
    <number of records>
    <SHA-256 of the last line, base 64>
    outbox <last outbox position>
    at <RFC 3339 time>

An anchor says the same under a title of its own: the records up to there were archived, and a journal may begin behind.

Source: c2sp.org/signed-note v1.0.0, sections "Format" and "Ed25519 signatures".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from watchword.audit.chain import Chain
from watchword.audit.errors import ForgedCheckpointError
from watchword.audit.files import ANCHOR, ANCHOR_TITLE, NOTE_TITLE
from watchword.keys import Algorithm, SignatureInvalidError, Signer, VerificationKey

_TEXT = re.compile(
    r"([a-z0-9 ]{1,60})\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n"
    r"outbox (0|[1-9][0-9]{0,18})\nat ([0-9T:.Z+-]{20,40})\n"
)
_SIGNATURE = re.compile("\N{EM DASH} ([^ +\n]+) ([A-Za-z0-9+/]+={0,2})")
_ED25519 = b"\x01"
_KEY_HASH = 4
_LONGEST_NOTE = 4096


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was signed.

    Attributes:
        seq: number of records that existed.
        head: digest of the last of them, in hexadecimal.
        outbox: highest outbox position among them.
        at: when, by the clock of the node; RFC 3339.
        key: name of the key.
    """

    seq: int
    head: str
    outbox: int
    at: str
    key: str


def sign_checkpoint(chain: Chain, at: str, signer: Signer, *, title: str = NOTE_TITLE) -> str:
    """Return the signed note, final line feed included."""
    head = base64.b64encode(bytes.fromhex(chain.head)).decode()
    text = f"{title}\n{chain.seq}\n{head}\noutbox {chain.outbox}\nat {at}\n"
    signature = _key_hash(signer.verification_key) + signer.sign_ed25519(text.encode())
    return f"{text}\n\N{EM DASH} {signer.kid} {base64.b64encode(signature).decode()}\n"


def read_checkpoint(note: str, *, title: str = NOTE_TITLE) -> Checkpoint:
    """Parse a note without believing it.

    Raises:
        ForgedCheckpointError: not of our form.
    """
    text, signature = _split(note)
    found = _TEXT.fullmatch(text)
    # Prevents: a checkpoint passed off as an anchor, so that everything before it may go.
    if found is None or found[1] != title:
        raise ForgedCheckpointError("a checkpoint is malformed")
    head = base64.b64decode(found[3])
    # Prevents: one digest written in several ways.
    if base64.b64encode(head).decode() != found[3]:
        raise ForgedCheckpointError("a checkpoint is malformed")
    return Checkpoint(int(found[2]), head.hex(), int(found[4]), found[5], signature[1])


def verify_checkpoint(note: str, keys: Mapping[str, VerificationKey], *, title: str = NOTE_TITLE) -> Checkpoint:
    """Parse a note and check its signature.

    Args:
        note: one signed note.
        title: what kind of note it must be.
        keys: the journal keys of this installation by `kid`, past ones included.

    Raises:
        ForgedCheckpointError: malformed, by an unknown key, or not signed by the key it names.
    """
    checkpoint = read_checkpoint(note, title=title)
    text, signature = _split(note)
    key = keys.get(checkpoint.key)
    if key is None or key.algorithm is not Algorithm.ED25519:
        raise ForgedCheckpointError(f"checkpoint {checkpoint.seq} is signed by a key that is not known")
    try:
        raw = base64.b64decode(signature[2], validate=True)
        if raw[:_KEY_HASH] != _key_hash(key) or base64.b64encode(raw).decode() != signature[2]:
            raise ForgedCheckpointError(f"checkpoint {checkpoint.seq} does not name its key rightly")
        key.verify(text.encode(), raw[_KEY_HASH:])
    except (binascii.Error, SignatureInvalidError) as error:
        raise ForgedCheckpointError(f"the signature of checkpoint {checkpoint.seq} does not verify") from error
    return checkpoint


def anchor_of(directory: Path, keys: Mapping[str, VerificationKey]) -> Checkpoint | None:
    """Return up to which record a directory's journal is archived, or nothing if it begins with the first.

    Raises:
        ForgedCheckpointError: what stands there is no anchor by one of the keys.
    """
    try:
        with (directory / ANCHOR).open("rb") as file:
            note = file.read(_LONGEST_NOTE).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    return verify_checkpoint(note, keys, title=ANCHOR_TITLE)


def verifier_key(key: VerificationKey) -> str:
    """Return the key in the form that signed-note tools take: `name+hash+base64`."""
    return f"{key.kid}+{_key_hash(key).hex()}+{base64.b64encode(_ED25519 + key.raw()).decode()}"


def _key_hash(key: VerificationKey) -> bytes:
    return hashlib.sha256(key.kid.encode() + b"\n" + _ED25519 + key.raw()).digest()[:_KEY_HASH]


def _split(note: str) -> tuple[str, re.Match[str]]:
    text, blank, signatures = note.partition("\n\n")
    found = _SIGNATURE.fullmatch(signatures.removesuffix("\n"))
    if not blank or found is None or not signatures.endswith("\n"):
        raise ForgedCheckpointError("a checkpoint is malformed")
    return text + "\n", found
