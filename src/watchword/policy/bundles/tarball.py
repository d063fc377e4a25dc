"""Read and write the one kind of tar that a bundle comes in: plain ustar, regular files, names in ASCII.

A reader of our own, because the standard library's follows every extension there is (links, sparse files, pax and GNU
headers), and each of them is a way to say one thing and mean another. Source: POSIX.1-2017, pax, "ustar Interchange
Format".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from watchword.policy.bundles.errors import BundleMalformedError
from watchword.policy.bundles.paths import MOST_BUNDLE_BYTES, MOST_FILES, shown

_BLOCK: Final = 512
_MOST_MEMBERS: Final = 2 * MOST_FILES + 16
MOST_ARCHIVE_BYTES: Final = MOST_BUNDLE_BYTES + _MOST_MEMBERS * 2 * _BLOCK
_OCTAL = re.compile(rb"[0-7]+[ \0]*", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*){0,5}", re.ASCII)
_FILE, _FOLDER = (b"0", b"\0"), b"5"
_KINDS: Final[Mapping[bytes, str]] = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a named pipe",
    b"7": "a contiguous file",
    b"x": "an extended header",
    b"g": "an extended header",
    b"L": "a GNU long name",
    b"K": "a GNU long link",
    b"S": "a sparse file",
}


def read_tar(data: bytes) -> dict[str, bytes]:
    """Return the regular files of an archive by name; folders are passed over.

    # Prevents: path traversal, links, devices, sparse files, members that claim more than is there, members that
    # stand twice, archives inside a compression that unfolds.

    Raises:
        BundleMalformedError: anything but a plain ustar archive with each member once.
    """
    if len(data) > MOST_ARCHIVE_BYTES:
        raise BundleMalformedError("the archive is too large", hint=f"at most {MOST_ARCHIVE_BYTES >> 20} MiB")
    files: dict[str, bytes] = {}
    members, at = 0, 0
    while True:
        header = data[at : at + _BLOCK]
        if len(header) < _BLOCK:
            raise BundleMalformedError("the archive is cut short, or no plain tar")
        if not header.strip(b"\0"):
            break
        members += 1
        if members > _MOST_MEMBERS:
            raise BundleMalformedError(f"the archive has more than {_MOST_MEMBERS} members")
        name, size = _member(header)
        at += _BLOCK
        if header[156:157] == _FOLDER:
            continue
        if size > len(data) - at:
            raise BundleMalformedError(f"`{name}` claims to be longer than the archive")
        if name in files:
            raise BundleMalformedError(f"`{name}` stands in the archive twice")
        files[name] = data[at : at + size]
        at += -(-size // _BLOCK) * _BLOCK
    # Prevents: a second archive behind the end of the first, which another reader would see.
    if data[at:].strip(b"\0"):
        raise BundleMalformedError("something follows the end of the archive")
    return files


def write_tar(files: Mapping[str, bytes]) -> bytes:
    """Return an archive that says nothing of who made it when: the same files give the same bytes."""
    parts: list[bytes] = []
    for name, content in sorted(files.items()):
        parts += [_header(name, len(content)), content, bytes(-len(content) % _BLOCK)]
    return b"".join([*parts, bytes(2 * _BLOCK)])


def _member(header: bytes) -> tuple[str, int]:
    unsigned = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if header[257:262] != b"ustar" or _number(header[148:156]) != unsigned:
        raise BundleMalformedError(
            "not a plain tar archive", hint="neither compressed nor zip: `watchword policies publish` writes one"
        )
    prefix, own = (header[start:end].partition(b"\0")[0] for start, end in ((345, 500), (0, 100)))
    kind = header[156:157]
    # GNU's own form keeps times where ustar keeps the prefix; it is not needed for the names of a layout.
    name = (b"%b/%b" % (prefix, own) if prefix else own).decode("ascii", "replace")
    if kind not in _FILE and kind != _FOLDER:
        raise BundleMalformedError(f"`{shown(name)}` in the archive is {_KINDS.get(kind, 'of an unknown kind')}")
    if kind == _FOLDER:
        name = name.rstrip("/")
    if not _NAME.fullmatch(name):
        raise BundleMalformedError(f"`{shown(name)}` is not a name that an archive of policies holds")
    return name, 0 if kind == _FOLDER else _number(header[124:136])


def _number(field: bytes) -> int:
    found = field.strip(b" \0")
    if not _OCTAL.fullmatch(field.lstrip(b" ")):
        raise BundleMalformedError("a number in the archive is not octal")
    return int(found, 8)


def _header(name: str, size: int) -> bytes:
    encoded = name.encode("ascii")
    assert len(encoded) <= 100  # noqa: PLR2004  # the field's length; the names of a layout are shorter
    fields = (
        encoded.ljust(100, b"\0"),
        b"0000644\0" + b"0000000\0" * 2,
        b"%011o\0" % size,
        b"00000000000\0",
        b" " * 8,
        b"0".ljust(101, b"\0"),
        b"ustar\x0000".ljust(80, b"\0"),
        bytes(_BLOCK - 345 + 8),
    )
    block = b"".join(fields)[:_BLOCK].ljust(_BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]
