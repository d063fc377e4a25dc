"""The filter that lets Envoy answer from a lease: before the authorizer, on ordinary routes of applications only."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any, Final

from watchword.enforcement.envoy.model import EdgeFiles
from watchword.enforcement.leases import LANES, LAYOUT, LEASE_HEADER, LEASED_BY, SLOTS

Json = dict[str, Any]

LEASES: Final = "watchword.leases"
_SCRIPT: Final = resources.files("watchword.enforcement.envoy").joinpath("lease.lua")
_HOLDS: Final = {"filter": LEASES, "path": [{"key": "holds"}], "value": {"string_match": {"exact": "yes"}}}


def lease_script(files: EdgeFiles) -> str:
    """Return the script, for the board of this node."""
    values = {
        **{name: str(value) for name, value in LAYOUT.items()},
        "path": _quoted(str(files.lease_board)),
        "slots": str(SLOTS),
        "lanes": str(LANES),
        "header": LEASE_HEADER,
        "namespace": LEASES,
        "count": str(len(LEASED_BY)),
        "fields": ' .. "\\t" .. '.join(f'(headers:get("{name}") or "")' for name in LEASED_BY),
    }
    return re.sub(r"@([a-z]+)@", lambda found: values[found[1]], _SCRIPT.read_text(encoding="utf-8"))


def unless_leased() -> Json:
    """Render when the authorizer is asked: always, but where the script said that a lease holds.

    # Prevents: access by whatever else becomes of the script; only its last statement says so.
    """
    return _HOLDS | {"invert": True}


def _quoted(path: str) -> str:
    return "".join(c if c.isalnum() or c in "/._-" else "".join(f"\\{byte:03d}" for byte in c.encode()) for c in path)
