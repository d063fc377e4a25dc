"""Whom the shipped place data is owed to, in the words their licences ask for."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files

_DATA = "trust/data/"


@dataclass(frozen=True, slots=True)
class Attribution:
    """One holder of data that answers are made from.

    Attributes:
        words: the text of the link, as the licence words it.
        licence: its name for people.
        is_adapted: CC BY 4.0 section 3(a)(1)(B): what was changed says so.
    """

    words: str
    url: str
    licence: str
    licence_url: str
    is_adapted: bool


def attributions() -> tuple[Attribution, ...]:
    """Read whom to name wherever a place or a network is shown.

    Names what we ship, not what an operator brings.
    """
    manifest = tomllib.loads(files("watchword").joinpath("vendored.toml").read_text(encoding="utf-8"))
    return tuple(
        Attribution(
            words=credit["words"],
            url=credit["url"],
            licence=credit["licence"],
            licence_url=credit["licence_url"],
            is_adapted=not credit["changes"].startswith("None"),
        )
        for credit in manifest["credit"]
        if any(file.startswith(_DATA) for file in credit["files"])
    )
