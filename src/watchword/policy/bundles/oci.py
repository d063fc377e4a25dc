"""A bundle as an OCI image layout: the signed manifest and each file as a layer, every blob named by its digest.

A layer is a file as it is, not an archive of files, so nothing is unpacked. Registries and their tools carry it as they
carry images; `skopeo` was seen to.
Source: OCI Image Format 1.1, image-layout.md, manifest.md ("Guidelines for Artifact Usage") and annotations.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from watchword.policy.bundles.envelope import MOST_ENVELOPE_BYTES, Envelope, strict_json
from watchword.policy.bundles.errors import BundleMalformedError
from watchword.policy.bundles.parcel import Parcel
from watchword.policy.bundles.paths import MOST_FILE_BYTES, MOST_FILES, check_paths, shown

LAYOUT_FILE: Final = "oci-layout"
_INDEX_FILE: Final = "index.json"
_TITLE: Final = "org.opencontainers.image.title"
_INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
_EMPTY_TYPE: Final = "application/vnd.oci.empty.v1+json"
_BUNDLE_TYPE: Final = "application/vnd.watchword.policy.bundle.v1"
_FILE_TYPE: Final = "application/vnd.watchword.policy.file.v1"
_ENVELOPE_TYPE: Final = "application/vnd.dsse.envelope.v1+json"
_MOST_JSON: Final = 2 * 1024 * 1024
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)

Descriptor = dict[str, Any]


def write_layout(parcel: Parcel) -> dict[str, bytes]:
    """Return every file of the layout by its path."""
    layout: dict[str, bytes] = {}

    def blob(content: bytes, media_type: str, **more: Any) -> Descriptor:
        digest = hashlib.sha256(content).hexdigest()
        layout[f"blobs/sha256/{digest}"] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content), **more}

    layers = [blob(parcel.envelope.to_bytes(), _ENVELOPE_TYPE)]
    layers += [blob(content, _FILE_TYPE, annotations={_TITLE: path}) for path, content in sorted(parcel.files.items())]
    image = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": _BUNDLE_TYPE,
        "config": blob(b"{}", _EMPTY_TYPE),
        "layers": layers,
    }
    return layout | layout_around(_json(image))


def layout_around(manifest: bytes) -> dict[str, bytes]:
    """Return the layout that holds a manifest and, as yet, none of the blobs that it names."""
    digest = hashlib.sha256(manifest).hexdigest()
    top = {
        "mediaType": MANIFEST_TYPE,
        "digest": f"sha256:{digest}",
        "size": len(manifest),
        "artifactType": _BUNDLE_TYPE,
    }
    return {
        f"blobs/sha256/{digest}": manifest,
        _INDEX_FILE: _json({"schemaVersion": 2, "mediaType": _INDEX_TYPE, "manifests": [top]}),
        LAYOUT_FILE: _json({"imageLayoutVersion": "1.0.0"}),
    }


def read_layout(layout: Mapping[str, bytes]) -> Parcel:
    """Follow the digests from the index down; what nothing names is refused.

    Raises:
        BundleMalformedError: a blob is missing or is not what its digest says, or the layout holds no bundle.
    """
    try:
        return _read(layout)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise BundleMalformedError("the OCI layout does not hold a policy bundle") from error


def _read(layout: Mapping[str, bytes]) -> Parcel:
    if _document(layout, LAYOUT_FILE)["imageLayoutVersion"] != "1.0.0":
        raise BundleMalformedError("the OCI layout is of an unknown version")
    index = _document(layout, _INDEX_FILE)
    if index["schemaVersion"] != 2 or len(index["manifests"]) != 1:  # noqa: PLR2004  # as the standard numbers it
        raise BundleMalformedError("the OCI layout does not hold exactly one bundle")
    used = {LAYOUT_FILE, _INDEX_FILE}
    image = strict_json(
        _blob(layout, index["manifests"][0], MANIFEST_TYPE, used, most=_MOST_JSON), what="the OCI manifest"
    )
    if image["schemaVersion"] != 2 or image["artifactType"] != _BUNDLE_TYPE:  # noqa: PLR2004  # as above
        raise BundleMalformedError("the OCI artifact is not a policy bundle")
    _blob(layout, image["config"], _EMPTY_TYPE, used, most=_MOST_JSON)
    head, *rest = image["layers"]
    if len(rest) > MOST_FILES:
        raise BundleMalformedError(f"the bundle has more than {MOST_FILES} files")
    envelope = Envelope.from_bytes(_blob(layout, head, _ENVELOPE_TYPE, used, most=MOST_ENVELOPE_BYTES))
    titles = [str(layer["annotations"][_TITLE]) for layer in rest]
    check_paths(titles)
    files = {
        title: _blob(layout, layer, _FILE_TYPE, used, most=MOST_FILE_BYTES)
        for title, layer in zip(titles, rest, strict=True)
    }
    if extra := sorted(layout.keys() - used):
        raise BundleMalformedError(f"nothing names `{shown(extra[0])}` in the OCI layout")
    return Parcel(envelope, files)


def _document(layout: Mapping[str, bytes], name: str) -> dict[str, Any]:
    if len(layout[name]) > _MOST_JSON:
        raise BundleMalformedError(f"`{name}` is too large")
    return strict_json(layout[name], what=f"`{name}`")


def _blob(layout: Mapping[str, bytes], descriptor: Descriptor, media_type: str, used: set[str], *, most: int) -> bytes:
    """Return a blob that is what its descriptor says in type, length and digest."""
    if descriptor["mediaType"] != media_type:
        raise BundleMalformedError(
            f"the OCI layout has `{shown(str(descriptor['mediaType']))}` where {media_type} stands"
        )
    found = _DIGEST.fullmatch(str(descriptor["digest"]))
    if found is None:
        raise BundleMalformedError("a digest in the OCI layout is not SHA-256")
    path = f"blobs/sha256/{found[1]}"
    content = layout[path]
    if len(content) > most or len(content) != descriptor["size"]:
        raise BundleMalformedError(f"the blob `{found[1][:12]}` does not have the size it should")
    # Prevents: a store or a mirror handing out another blob under a known name.
    if hashlib.sha256(content).hexdigest() != found[1]:
        raise BundleMalformedError(f"the blob `{found[1][:12]}` is not what its digest says")
    used.add(path)
    return content


def _json(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
