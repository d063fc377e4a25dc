from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from watchword.audit import ForgedCheckpointError, verifier_key, verify_checkpoint
from watchword.audit.chain import Chain
from watchword.audit.checkpoint import read_checkpoint, sign_checkpoint
from watchword.keys import Signer, VerificationKey

# Source: the documentation of Go's golang.org/x/mod/sumdb/note, whose form C2SP signed-note standardised.
_GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
_GO_TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
_GO_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="


def test_our_reading_of_signed_notes_agrees_with_a_published_one() -> None:
    raw = base64.b64decode(_GO_VERIFIER.split("+", 2)[2])
    key = VerificationKey("PeterNeumann", Ed25519PublicKey.from_public_bytes(raw[1:]))
    assert verifier_key(key) == _GO_VERIFIER
    signature = base64.b64decode(_GO_SIGNATURE)
    assert signature[:4].hex() == _GO_VERIFIER.split("+")[1]
    key.verify(_GO_TEXT, signature[4:])


def test_a_checkpoint_says_what_was_signed(signer: Signer) -> None:
    note = sign_checkpoint(Chain(7, "ab" * 32, 3), "2026-11-21T12:00:00.000+00:00", signer)
    checkpoint = verify_checkpoint(note, {signer.kid: signer.verification_key})
    assert (checkpoint.seq, checkpoint.head, checkpoint.outbox) == (7, "ab" * 32, 3)
    assert checkpoint == read_checkpoint(note)
    assert note.endswith("\n")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(("\n7\n", "\n8\n"), id="size"),
        pytest.param(("outbox 3", "outbox 4"), id="outbox"),
        pytest.param(("at 2026", "at 2027"), id="time"),
        pytest.param(("\n7\n", "\n07\n"), id="leading zero"),
        pytest.param(("checkpoint v1", "checkpoint v2"), id="title"),
        pytest.param(("\N{EM DASH} ", "- "), id="dash"),
        pytest.param(("\n\n", "\n"), id="no empty line"),
        pytest.param(("at 2026", "more\nat 2026"), id="another line"),
    ],
)
def test_a_changed_checkpoint_is_refused(signer: Signer, change: tuple[str, str]) -> None:
    note = sign_checkpoint(Chain(7, "ab" * 32, 3), "2026-11-21T12:00:00.000+00:00", signer)
    assert change[0] in note
    with pytest.raises(ForgedCheckpointError):
        verify_checkpoint(note.replace(*change, 1), {signer.kid: signer.verification_key})


def test_a_checkpoint_by_an_unknown_key_is_refused(signer: Signer) -> None:
    note = sign_checkpoint(Chain(), "2026-11-21T12:00:00.000+00:00", signer)
    with pytest.raises(ForgedCheckpointError, match="not known"):
        verify_checkpoint(note, {})
