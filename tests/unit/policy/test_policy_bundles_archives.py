"""Archives and folders that somebody else made: what is read of them, and every way in which they may lie."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from bundle_world import FILES, OTHER, PERMIT, bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from watchword.policy.bundles import (
    ENVELOPE_FILE,
    BundleError,
    BundleKeptError,
    BundleMalformedError,
    BundleUnreachableError,
    Envelope,
    Form,
    Manifest,
    Parcel,
    read_parcel,
    read_policy_files,
    write,
)
from watchword.policy.bundles.folder import footprint
from watchword.policy.bundles.oci import read_layout, write_layout
from watchword.policy.bundles.tarball import MOST_ARCHIVE_BYTES, read_tar, write_tar

LAYOUT = write_layout(bundle(files={**FILES, "rego/a.rego": b"package a\n"}))


def tar_of(*members: tuple[tarfile.TarInfo, bytes], kind: int = tarfile.USTAR_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for info, content in members:
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def member(name: str, *, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


# --- tar --------------------------------------------------------------------------------------------------------------


def test_an_archive_of_another_program_is_read_as_ours_is() -> None:
    for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT):
        data = tar_of(
            (member("blobs", kind=tarfile.DIRTYPE), b""),
            *((member(name), content) for name, content in LAYOUT.items()),
            kind=kind,
        )
        assert read_tar(data) == LAYOUT
    with tarfile.open(fileobj=io.BytesIO(write_tar(LAYOUT))) as archive:
        assert sorted(archive.getnames()) == sorted(LAYOUT)


def test_the_same_bundle_gives_the_same_archive_byte_for_byte() -> None:
    assert write_tar(LAYOUT) == write_tar(dict(reversed(LAYOUT.items())))


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../evil", "./a", "a//b", "a\\b", "..", "", "a/.x"])
def test_a_member_that_leads_out_of_the_archive_is_refused_path_traversal(name: str) -> None:
    with pytest.raises(BundleMalformedError):
        read_tar(tar_of((member(name), b"x")))


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "pipe"),
        (tarfile.CONTTYPE, "contiguous"),
        (b"S", "sparse"),
        (b"V", "unknown kind"),
    ],
)
def test_a_member_that_is_no_regular_file_is_refused_links_and_devices(kind: bytes, word: str) -> None:
    with pytest.raises(BundleMalformedError, match=word):
        read_tar(tar_of((member("index.json", kind=kind, target="/etc/passwd"), b"")))


def test_headers_that_rename_what_follows_are_refused() -> None:
    long = tar_of((member("a" * 200), b"x"), kind=tarfile.GNU_FORMAT)
    pax = tar_of((member("a" * 200), b"x"), kind=tarfile.PAX_FORMAT)
    for data in (long, pax):
        with pytest.raises(BundleMalformedError):
            read_tar(data)


def test_a_member_that_stands_twice_is_refused_duplicate_member() -> None:
    with pytest.raises(BundleMalformedError, match="twice"):
        read_tar(tar_of((member("index.json"), b"{}"), (member("index.json"), b"[]")))


def test_a_member_that_claims_more_than_there_is_is_refused_tar_bomb() -> None:
    data = bytearray(tar_of((member("index.json"), b"x")))
    data[124:136] = b"77777777777\0"
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    with pytest.raises(BundleMalformedError, match="longer than the archive"):
        read_tar(bytes(data))


def test_a_header_whose_checksum_is_wrong_is_refused() -> None:
    data = bytearray(tar_of((member("index.json"), b"x")))
    data[0:1] = b"j"
    with pytest.raises(BundleMalformedError, match="not a plain tar"):
        read_tar(bytes(data))


def test_a_size_in_another_notation_is_refused() -> None:
    for field in (b"\x80\0\0\0\0\0\0\0\0\0\0\x01", b"-0000000001\0", b"0x000000001\0", b"           \0"):
        data = bytearray(tar_of((member("index.json"), b"x")))
        data[124:136] = field
        data[148:156] = b" " * 8
        data[148:156] = b"%06o\0 " % sum(data[:512])
        with pytest.raises(BundleMalformedError):
            read_tar(bytes(data))


def test_a_compressed_archive_is_refused_without_being_unfolded_zip_bomb() -> None:
    unfolded = gzip.compress(bytes(50_000_000))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("index.json", bytes(1_000_000))
    for data in (unfolded, zipped.getvalue(), b"", b"\0" * 511, b"hello" * 200):
        with pytest.raises(BundleMalformedError):
            read_tar(data)


def test_an_archive_with_too_many_members_is_refused() -> None:
    block = tar_of((member("a"), b""))[:512]
    with pytest.raises(BundleMalformedError, match="more than"):
        read_tar(tar_of(*((member(f"d{number}", kind=tarfile.DIRTYPE), b"") for number in range(4100))))
    with pytest.raises(BundleMalformedError, match="too large"):
        read_tar(block * (MOST_ARCHIVE_BYTES // 512 + 1))


def test_something_behind_the_end_of_an_archive_is_refused_appended_archive() -> None:
    with pytest.raises(BundleMalformedError, match="follows the end"):
        read_tar(write_tar(LAYOUT) + write_tar(LAYOUT))


def test_an_archive_that_is_cut_short_anywhere_is_refused() -> None:
    data = write_tar({"index.json": b"x" * 700, "oci-layout": b"y"})
    for length in range(0, len(data) - 1024, 97):
        with pytest.raises(BundleMalformedError):
            read_tar(data[:length])


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_damaged_archive_is_refused_or_read_as_what_its_digests_say(data: Any) -> None:
    raw = bytearray(write_tar(LAYOUT))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        parcel = read_layout(read_tar(bytes(raw)))
    except BundleMalformedError:
        return
    assert parcel == read_layout(LAYOUT)


@given(st.dictionaries(st.from_regex(r"[a-z0-9_][a-z0-9._-]{0,20}", fullmatch=True), st.binary(max_size=1200)))
@settings(max_examples=30, deadline=None)
def test_what_is_written_is_read_again(files: dict[str, bytes]) -> None:
    assert read_tar(write_tar(files)) == files


# --- OCI layout -------------------------------------------------------------------------------------------------------


def relaid(change: Any) -> dict[str, bytes]:
    """Let somebody rebuild the layout around another OCI manifest, with all digests right."""
    layout = dict(LAYOUT)
    index = json.loads(layout["index.json"])
    name = "blobs/sha256/" + index["manifests"][0]["digest"].partition(":")[2]
    image = json.loads(layout.pop(name))
    change(image, layout)
    content = json.dumps(image).encode()
    digest = hashlib.sha256(content).hexdigest()
    layout[f"blobs/sha256/{digest}"] = content
    index["manifests"][0] |= {"digest": f"sha256:{digest}", "size": len(content)}
    layout["index.json"] = json.dumps(index).encode()
    return layout


def test_a_layout_is_read_as_it_was_written() -> None:
    parcel = bundle(files={**FILES, "rego/a.rego": b""})
    assert read_layout(write_layout(parcel)) == parcel
    assert read_layout(relaid(lambda _image, _layout: None)) == read_layout(LAYOUT)


def test_a_blob_that_is_not_what_its_digest_says_is_refused() -> None:
    for name, right in LAYOUT.items():
        for content in (right + b" ", right[:-1], b""):
            if name in {"oci-layout", "index.json"} and content.strip() == right.strip():
                continue  # these two have no digest; a space more is the same document
            with pytest.raises(BundleMalformedError):
                read_layout({**LAYOUT, name: content})
        with pytest.raises(BundleMalformedError):
            read_layout({other: content for other, content in LAYOUT.items() if other != name})


def test_a_blob_that_nothing_names_is_refused() -> None:
    with pytest.raises(BundleMalformedError, match="nothing names"):
        read_layout({**LAYOUT, "blobs/sha256/" + "0" * 64: b"x"})


@pytest.mark.parametrize(
    "digest", ["sha512:" + "0" * 128, "sha256:../../../etc/passwd", "md5:0", "", "sha256:" + "A" * 64, 7, None]
)
def test_a_digest_of_another_kind_or_form_is_refused(digest: object) -> None:
    def change(image: dict[str, Any], _layout: dict[str, bytes]) -> None:
        image["layers"][0]["digest"] = digest

    with pytest.raises(BundleMalformedError):
        read_layout(relaid(change))


@pytest.mark.parametrize("title", ["../../x.cedar", "/x.cedar", "x.sh", None, 7, ["x.cedar"]])
def test_a_title_that_is_no_policy_file_is_refused(title: object) -> None:
    def change(image: dict[str, Any], _layout: dict[str, bytes]) -> None:
        image["layers"][1]["annotations"]["org.opencontainers.image.title"] = title

    with pytest.raises(BundleMalformedError):
        read_layout(relaid(change))


def test_two_layers_of_one_title_are_refused() -> None:
    with pytest.raises(BundleMalformedError, match="twice"):
        read_layout(relaid(lambda image, _layout: image["layers"].append(image["layers"][1])))


@pytest.mark.parametrize(
    "change",
    [
        lambda image, _: image.update(artifactType="application/vnd.oci.image.config.v1+json"),
        lambda image, _: image.update(layers=[]),
        lambda image, _: image.update(layers=None),
        lambda image, _: image.update(schemaVersion=1),
        lambda image, _: image.pop("config"),
        lambda image, _: image["layers"].reverse(),
        lambda image, _: image["layers"][1].update(mediaType="application/vnd.oci.image.layer.v1.tar+gzip"),
        lambda image, _: image["layers"][1].pop("annotations"),
        lambda image, _: image["layers"][1].update(size=0),
        lambda image, _: image.update(layers=image["layers"] * 2001),
    ],
)
def test_an_oci_artifact_of_another_making_is_refused(change: Any) -> None:
    with pytest.raises(BundleMalformedError):
        read_layout(relaid(change))


@pytest.mark.parametrize("index", [b"{}", b"[]", b"[" * 90_000, b'{"schemaVersion":2,"manifests":[]}', b"\xff"])
def test_an_index_that_is_none_is_refused(index: bytes) -> None:
    with pytest.raises(BundleMalformedError):
        read_layout({**LAYOUT, "index.json": index})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["", "a.cedar"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["path", "size", "keyid", "sig"]), inner)
    ),
    max_leaves=6,
)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_documents_of_any_shape_are_refused_in_one_way_fuzzing(data: Any) -> None:
    """Let any value of the three documents be anything; reading gives what was there, or the one kind of error."""
    parcel = bundle()
    for document, read in (
        (json.loads(parcel.envelope.payload), Manifest.from_bytes),
        (json.loads(parcel.envelope.to_bytes()), Envelope.from_bytes),
    ):
        name = data.draw(st.sampled_from(sorted(document)))
        document[name] = data.draw(_JSON)
        with suppress(BundleMalformedError):
            read(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())

    def change(image: dict[str, Any], _layout: dict[str, bytes]) -> None:
        place = data.draw(st.sampled_from([image, image["config"], image["layers"][0], image["layers"][1]]))
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(_JSON)

    with suppress(BundleMalformedError):
        assert read_layout(relaid(change)) == read_layout(LAYOUT)


@given(st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_bytes_of_any_kind_are_refused_in_one_way_fuzzing(data: bytes) -> None:
    for read in (Manifest.from_bytes, Envelope.from_bytes, read_tar, lambda raw: read_layout({"index.json": raw})):
        with pytest.raises(BundleMalformedError):
            read(data)


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    path = tmp_path / "signed"
    write(bundle(files={**FILES, "rego/a.rego": b"package a\n", "tests/a.yaml": b""}), path, Form.DIRECTORY)
    return path


def test_what_is_published_can_be_read_by_others_as_their_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        for form in Form:
            write(bundle(), tmp_path / form, form)
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {0o644, 0o755}


def test_every_form_gives_back_what_was_written(tmp_path: Path) -> None:
    parcel = bundle(files={**FILES, "rego/deep/a.rego": b"package a\n"})
    for form in Form:
        write(parcel, tmp_path / form, form)
        assert read_parcel(tmp_path / form) == parcel
        write(parcel, tmp_path / form, form)
        assert read_parcel(tmp_path / form) == parcel


@pytest.mark.parametrize("name", ["20-others.cedar", "rego/b.rego", ENVELOPE_FILE, "rego"])
def test_a_symbolic_link_in_a_folder_is_refused_and_not_followed(signed: Path, tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret.cedar"
    secret.write_bytes(OTHER)
    path = signed / name
    if path.is_dir():
        path.rename(tmp_path / "elsewhere")
        secret = tmp_path / "elsewhere"
    path.unlink(missing_ok=True)
    path.symlink_to(secret)
    with pytest.raises(BundleError):
        read_parcel(signed)


def test_a_pipe_in_a_folder_is_refused_and_not_waited_for(signed: Path) -> None:
    os.mkfifo(signed / "20-pipe.cedar")
    with pytest.raises(BundleMalformedError, match="not a regular file"):
        read_parcel(signed)


def test_a_pipe_in_the_place_of_an_archive_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "policies.tar")
    with pytest.raises(BundleMalformedError, match="not a regular file"):
        read_parcel(tmp_path / "policies.tar")


def test_a_file_that_is_too_large_is_refused_without_being_read_whole(signed: Path) -> None:
    with (signed / "20-large.cedar").open("wb") as file:
        file.truncate(1 << 40)  # sparse: a terabyte that takes no space
    with pytest.raises(BundleMalformedError, match="too large"):
        read_parcel(signed)


def test_a_folder_that_is_nested_too_deeply_is_refused(signed: Path) -> None:
    deep = signed / Path(*["tests", *"abcdefghijkl"])
    deep.mkdir(parents=True)
    with pytest.raises(BundleMalformedError, match="nested"):
        read_parcel(signed)


def test_hidden_files_and_files_of_no_interest_are_passed_over(signed: Path) -> None:
    (signed / "README.md").write_text("hello")
    (signed / ".git").mkdir()
    (signed / ".git" / "x.cedar").write_bytes(OTHER)
    (signed / ".#10-members.cedar").symlink_to("editor@host")
    assert sorted(read_parcel(signed).files) == ["10-members.cedar", "rego/a.rego", "tests/a.yaml"]
    assert read_policy_files(signed)[1] == ("README.md",)


def test_hidden_folders_are_not_even_watched(signed: Path) -> None:
    before = footprint(signed)
    (signed / ".git").mkdir()
    (signed / ".git" / "index").write_bytes(b"x")
    assert [entry for entry in footprint(signed) if entry not in before] == []
    (signed / "20-others.cedar").write_bytes(OTHER)
    assert len(footprint(signed)) == len(before) + 1


def test_a_policy_file_whose_name_no_bundle_may_hold_is_told_instead_of_left_out(signed: Path) -> None:
    (signed / "caf\u00e9.cedar").write_bytes(PERMIT)
    with pytest.raises(BundleMalformedError, match="cannot be the name"):
        read_policy_files(signed)


def test_a_folder_that_nobody_signed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "10-members.cedar").write_bytes(PERMIT)
    with pytest.raises(BundleMalformedError, match="nobody signed"):
        read_parcel(tmp_path)


def test_what_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(BundleUnreachableError):
        read_parcel(tmp_path / "nothing")


def test_signing_a_folder_in_place_leaves_its_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / "10-members.cedar").write_bytes(PERMIT)
    (tmp_path / "README.md").write_text("mine")
    write(bundle(), tmp_path, Form.DIRECTORY)
    assert read_parcel(tmp_path) == bundle()
    assert (tmp_path / "README.md").read_text() == "mine"


def test_a_folder_with_other_work_in_it_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BundleMalformedError, match="not replaced"):
        write(bundle(), tmp_path, Form.DIRECTORY)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleKeptError):
        write(bundle(), tmp_path / "file" / "policies.tar", Form.TAR)


def test_writing_an_archive_leaves_no_half_file_when_the_disk_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "policies.tar"
    write(bundle(1), path, Form.TAR)

    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BundleKeptError, match="No space left"):
        write(bundle(2), path, Form.TAR)
    monkeypatch.undo()
    assert read_parcel(path) == bundle(1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["policies.tar"]


def test_a_parcel_is_a_value() -> None:
    assert bundle() == bundle() != Parcel(bundle().envelope, {})
