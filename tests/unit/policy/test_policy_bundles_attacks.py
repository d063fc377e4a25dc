"""Attacks on bundles, each test named after one.

Source of the names: The Update Framework, specification section 1.5.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from bundle_world import ALICE, BOB, CAROL, FILES, MALLORY, NOW, OTHER, PERMIT, bundle, manifest_of, resigned, trusted

from watchword.policy.bundles import (
    BundleError,
    BundleExpiredError,
    BundleFilesError,
    BundleKeyError,
    BundleMalformedError,
    BundleRollbackError,
    BundleSignatureError,
    Envelope,
    FileKey,
    Manifest,
    Memory,
    Parcel,
    Signature,
    TrustedKeys,
    VerifiedBundle,
    verify,
)


def verified(parcel: Parcel, keys: TrustedKeys | None = None, memory: Memory | None = None) -> VerifiedBundle:
    return verify(parcel, trusted=keys or trusted(), memory=memory or Memory(), name="policies", now=NOW)


def with_document(parcel: Parcel, change: Callable[[dict[str, object]], None], *keys: FileKey) -> Parcel:
    document = json.loads(parcel.envelope.payload)
    change(document)
    payload = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return resigned(parcel, *(keys or (ALICE,)), payload=payload)


def test_a_right_bundle_is_taken_and_says_who_signed() -> None:
    found = verified(bundle(7))
    assert found.manifest.version == 7
    assert found.signers == (ALICE.public.id,)


# --- signatures -------------------------------------------------------------------------------------------------------


def test_arbitrary_policies_without_a_signature_are_refused() -> None:
    with pytest.raises(BundleSignatureError):
        verified(resigned(bundle()))


def test_a_key_that_nobody_configured_signs_in_vain() -> None:
    with pytest.raises(BundleSignatureError):
        verified(bundle(keys=[MALLORY]))


def test_an_unknown_key_under_the_id_of_a_known_one_signs_in_vain() -> None:
    parcel = bundle()
    forged = Signature(ALICE.public.id, MALLORY.sign(parcel.envelope.signed_bytes))
    with pytest.raises(BundleSignatureError):
        verified(replace(parcel, envelope=replace(parcel.envelope, signatures=(forged,))))


@pytest.mark.parametrize("place", [0, 10, -1])
def test_one_altered_byte_of_the_manifest_breaks_the_signature(place: int) -> None:
    parcel = bundle()
    payload = bytearray(parcel.envelope.payload)
    payload[place] ^= 1
    with pytest.raises(BundleSignatureError):
        verified(replace(parcel, envelope=replace(parcel.envelope, payload=bytes(payload))))


def test_a_signature_of_the_bare_manifest_does_not_count_domain_separation() -> None:
    parcel = bundle()
    bare = Signature(ALICE.public.id, ALICE.sign(parcel.envelope.payload))
    with pytest.raises(BundleSignatureError):
        verified(replace(parcel, envelope=replace(parcel.envelope, signatures=(bare,))))


def test_a_signature_for_another_payload_type_does_not_count_cross_protocol() -> None:
    parcel = bundle()
    other = parcel.envelope.signed_bytes.replace(b"policy.bundle", b"policy.report")
    signature = Signature(ALICE.public.id, ALICE.sign(other))
    with pytest.raises(BundleSignatureError):
        verified(replace(parcel, envelope=replace(parcel.envelope, signatures=(signature,))))


def test_one_key_that_signs_twice_counts_once_threshold_stuffing() -> None:
    keys = trusted(ALICE, BOB, threshold=2)
    parcel = bundle(key_ids=[BOB.public.id])
    twice = parcel.envelope.signatures * 2
    with pytest.raises(BundleSignatureError):
        verified(replace(parcel, envelope=replace(parcel.envelope, signatures=twice)), keys)


def test_one_key_that_is_configured_twice_cannot_reach_a_threshold_of_two() -> None:
    with pytest.raises(BundleKeyError):
        trusted(ALICE, ALICE, threshold=2)


@pytest.mark.parametrize("threshold", [0, -1, 3])
def test_a_threshold_that_nobody_has_to_reach_or_nobody_can_is_refused(threshold: int) -> None:
    with pytest.raises(BundleKeyError):
        trusted(ALICE, BOB, threshold=threshold)


def test_two_of_three_keys_are_enough_and_one_is_not() -> None:
    keys = trusted(ALICE, BOB, CAROL, threshold=2)
    assert len(verified(bundle(keys=[ALICE, CAROL]), keys).signers) == 2
    with pytest.raises(BundleSignatureError):
        verified(bundle(keys=[ALICE], key_ids=[BOB.public.id, CAROL.public.id]), keys)


def test_a_wrong_signature_beside_enough_right_ones_does_no_harm() -> None:
    parcel = bundle(keys=[ALICE])
    noise = (Signature(BOB.public.id, bytes(64)), Signature("x", b""))
    taken = verified(
        replace(parcel, envelope=replace(parcel.envelope, signatures=(*noise, *parcel.envelope.signatures)))
    )
    assert taken.signers == (ALICE.public.id,)


def test_a_known_key_that_the_manifest_does_not_name_signs_in_vain() -> None:
    keys = trusted(ALICE, BOB)
    with pytest.raises(BundleSignatureError):
        verified(resigned(bundle(keys=[ALICE]), BOB), keys)


# --- the manifest -----------------------------------------------------------------------------------------------------


def test_nothing_of_an_unsigned_manifest_is_read() -> None:
    parcel = bundle()
    nonsense = replace(parcel, envelope=replace(parcel.envelope, payload=b"[" * 100_000))
    with pytest.raises(BundleSignatureError):
        verified(nonsense)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"9" * 10_000,
        b"\xff\xfe",
        b'{"_type":"watchword.policy.bundle/v2"}',
        b" " * (1024 * 1024 + 1),
    ],
)
def test_a_signed_manifest_that_is_none_is_refused(payload: bytes) -> None:
    with pytest.raises(BundleMalformedError):
        verified(resigned(bundle(), ALICE, payload=payload))


def test_a_manifest_that_names_a_key_twice_is_refused_parser_differential() -> None:
    parcel = bundle()
    payload = parcel.envelope.payload.replace(b'"version":1', b'"version":2,"version":1')
    with pytest.raises(BundleMalformedError):
        verified(resigned(parcel, ALICE, payload=payload))


@pytest.mark.parametrize(
    ("old", "new"), [(b"{", b"{ "), (b'"version":1', b'"version":1.0'), (b"cedar", b"ced\\u0061r")]
)
def test_a_manifest_in_another_form_of_the_same_meaning_is_refused(old: bytes, new: bytes) -> None:
    parcel = bundle()
    payload = parcel.envelope.payload.replace(old, new, 1)
    assert payload != parcel.envelope.payload
    with pytest.raises(BundleMalformedError):
        verified(resigned(parcel, ALICE, payload=payload))


def test_a_manifest_that_names_a_file_twice_is_refused() -> None:
    def twice(document: dict[str, object]) -> None:
        files = document["files"]
        assert isinstance(files, list)
        document["files"] = files * 2

    with pytest.raises(BundleMalformedError, match="twice"):
        verified(with_document(bundle(), twice))


def test_a_manifest_whose_files_are_out_of_order_is_refused() -> None:
    def turned(document: dict[str, object]) -> None:
        files = document["files"]
        assert isinstance(files, list)
        document["files"] = files[::-1]

    with pytest.raises(BundleMalformedError, match="in order"):
        verified(with_document(bundle(files={**FILES, "20-others.cedar": OTHER}), turned))


def test_a_manifest_that_leaves_a_file_out_is_refused() -> None:
    parcel = bundle()
    with pytest.raises(BundleFilesError, match=r"20-others.cedar"):
        verified(replace(parcel, files={**parcel.files, "20-others.cedar": OTHER}))


def test_a_bundle_that_lacks_a_file_is_refused() -> None:
    parcel = bundle(files={**FILES, "20-others.cedar": OTHER})
    with pytest.raises(BundleFilesError, match=r"20-others.cedar"):
        verified(replace(parcel, files=FILES))


@pytest.mark.parametrize("content", [PERMIT + b" ", PERMIT[:-1], PERMIT.replace(b"members", b"othersx"), b""])
def test_a_file_that_was_exchanged_is_refused(content: bytes) -> None:
    with pytest.raises(BundleFilesError):
        verified(replace(bundle(), files={"10-members.cedar": content}))


@pytest.mark.parametrize(
    "path",
    [
        "../escape.cedar",
        "/etc/cron.d/x.cedar",
        "rego/../../x.rego",
        "rego\\x.rego",
        "C:x.cedar",
        "a/b/../c.cedar",
        ".hidden.cedar",
        "rego/.git/x.rego",
        "rego//x.rego",
        "x.cedar\0.txt",
        "x\n.cedar",
        "e\N{LATIN SMALL LETTER E WITH ACUTE}.cedar",
        "\N{FULLWIDTH FULL STOP}.cedar",
        "run.sh",
        "watchword-bundle.json",
        "x" * 300 + ".cedar",
        "tests/" + "a/" * 20 + "x.yaml",
        "",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused_path_traversal(path: str) -> None:
    def renamed(document: dict[str, object]) -> None:
        files = document["files"]
        assert isinstance(files, list)
        files[0]["path"] = path

    parcel = with_document(bundle(), renamed)
    with pytest.raises(BundleMalformedError):
        verified(replace(parcel, files={path: PERMIT}))


def test_two_unicode_forms_of_one_name_are_both_refused_normal_form_twins() -> None:
    composed, decomposed = "caf\u00e9.cedar", "cafe\u0301.cedar"
    for name in (composed, decomposed):
        with pytest.raises(BundleMalformedError):
            bundle(files={name: PERMIT})


def test_two_names_that_differ_in_capitals_only_are_refused() -> None:
    with pytest.raises(BundleMalformedError, match="twice"):
        bundle(files={"a.cedar": PERMIT, "A.cedar": OTHER})


def test_a_name_that_is_file_and_folder_at_once_is_refused() -> None:
    with pytest.raises(BundleMalformedError, match="both"):
        bundle(files={"rego/a.rego": b"", "rego/a.rego/b.rego": b""})


def test_too_many_files_are_refused() -> None:
    with pytest.raises(BundleMalformedError, match="more than 2000"):
        bundle(files={f"{number}.cedar": b"" for number in range(2001)})


def test_a_version_that_no_later_one_could_top_is_refused_fast_forward() -> None:
    with pytest.raises(BundleMalformedError):
        bundle(2**53)
    for version in ("1", 1.5, True, None, 0, -1):
        with pytest.raises(BundleMalformedError):
            verified(with_document(bundle(), lambda document, said=version: document.update(version=said)))  # type: ignore[misc]


# --- time, version, place ---------------------------------------------------------------------------------------------


def test_an_expired_bundle_is_refused() -> None:
    with pytest.raises(BundleExpiredError):
        verified(bundle(created=NOW - timedelta(days=31), days=30))


def test_a_bundle_expires_at_its_very_moment() -> None:
    parcel = bundle(created=NOW - timedelta(days=1), days=1)
    with pytest.raises(BundleExpiredError):
        verified(parcel)
    verify(parcel, trusted=trusted(), memory=Memory(), name="policies", now=NOW - timedelta(seconds=1))


def test_a_bundle_from_the_future_is_refused_and_one_of_a_slightly_fast_clock_is_not() -> None:
    with pytest.raises(BundleExpiredError, match="future"):
        verified(bundle(created=NOW + timedelta(minutes=6)))
    verified(bundle(created=NOW + timedelta(minutes=4)))


def test_an_older_version_is_refused_rollback() -> None:
    newer = manifest_of(bundle(8))
    with pytest.raises(BundleRollbackError):
        verified(bundle(7), memory=Memory(8, newer.digest))


def test_another_bundle_of_the_same_version_is_refused_equivocation() -> None:
    known = manifest_of(bundle(8))
    other = bundle(8, {"10-members.cedar": OTHER})
    with pytest.raises(BundleRollbackError, match="calls itself"):
        verified(other, memory=Memory(8, known.digest))


def test_the_same_bundle_again_is_taken() -> None:
    verified(bundle(8), memory=Memory(8, manifest_of(bundle(8)).digest))


def test_a_clock_that_is_set_back_does_not_revive_what_had_expired_freeze() -> None:
    digest = manifest_of(bundle(8)).digest
    with pytest.raises(BundleExpiredError):
        verified(bundle(8), memory=Memory(8, digest, is_expired=True))
    verified(bundle(9), memory=Memory(8, digest, is_expired=True))


def test_files_of_one_bundle_under_the_manifest_of_another_are_refused_mix_and_match() -> None:
    old, new = bundle(1), bundle(2, {"10-members.cedar": OTHER})
    with pytest.raises(BundleFilesError):
        verified(Parcel(new.envelope, old.files))


def test_a_bundle_for_another_installation_is_refused() -> None:
    with pytest.raises(BundleMalformedError, match="is for `staging`"):
        verified(bundle(name="staging"))


# --- the envelope -----------------------------------------------------------------------------------------------------


def test_the_signed_bytes_are_those_of_the_published_example() -> None:
    """Source: github.com/secure-systems-lab/dsse, protocol.md, "Test vectors"."""
    from watchword.policy.bundles.envelope import pre_authentication_encoding  # noqa: PLC0415  # a detail

    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pre_authentication_encoding("http://example.com/HelloWorld", b"hello world") == expected


def test_an_envelope_is_read_as_it_was_written() -> None:
    envelope = bundle(keys=[ALICE, BOB]).envelope
    read = Envelope.from_bytes(envelope.to_bytes())
    assert read.payload == envelope.payload
    assert set(read.signatures) == set(envelope.signatures)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"payload":"","payloadType":"x","signatures":[]}',
        b'{"payload":"","payload":"","payloadType":"x","signatures":[]}',
        b'{"payload":7,"payloadType":"application/vnd.watchword.policy.bundle.v1+json","signatures":[]}',
        b'{"payload":"*","payloadType":"application/vnd.watchword.policy.bundle.v1+json","signatures":[]}',
        b'{"payload":"","payloadType":"application/vnd.watchword.policy.bundle.v1+json","signatures":[7]}',
        b'{"payload":"","payloadType":"application/vnd.watchword.policy.bundle.v1+json","signatures":{}}',
        b'{"payload":"","payloadType":"application/vnd.watchword.policy.bundle.v1+json"}',
        b'{"payload":"\xc3\xa9","payloadType":"application/vnd.watchword.policy.bundle.v1+json","signatures":[]}',
    ],
)
def test_an_envelope_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(BundleMalformedError):
        Envelope.from_bytes(data)


def test_an_envelope_that_names_a_key_twice_is_refused() -> None:
    data = bundle().envelope.to_bytes()
    twice = data.replace(b'{"payload":', b'{"payload":"","payload":', 1)
    with pytest.raises(BundleMalformedError, match="twice"):
        Envelope.from_bytes(twice)


def test_a_thousand_signatures_are_refused_before_any_is_verified() -> None:
    parcel = bundle()
    envelope = replace(parcel.envelope, signatures=parcel.envelope.signatures * 1000)
    with pytest.raises(BundleMalformedError, match="more than 64"):
        Envelope.from_bytes(envelope.to_bytes())


def test_every_refusal_is_of_one_family_with_a_code_of_its_own() -> None:
    kinds = (
        BundleExpiredError,
        BundleFilesError,
        BundleKeyError,
        BundleMalformedError,
        BundleRollbackError,
        BundleSignatureError,
    )
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert all(issubclass(kind, BundleError) for kind in kinds)


def test_a_manifest_is_read_as_it_was_written() -> None:
    manifest = manifest_of(bundle(3, {**FILES, "rego/a.rego": b"package a", "tests/a.yaml": b""}, keys=[ALICE, BOB]))
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
