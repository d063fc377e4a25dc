"""The login data set for risk-based authentication: 33 million sign-ins at a public service, with the truth.

Its addresses were replaced, so that those of people often lie in 10.0.0.0/8; country, region, city and network are
columns of their own. It knows no second factor.

Source: Wiefling, Joergensen, Thunem and Lo Iacono, Pump Up Password Security!, ACM TOPS 2022; layout from the README
of the data set (DAS Group, 2022).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from watchword.trust.agents import LONGEST as LONGEST_AGENT
from watchword.trust.importers.fields import major, moment, needed, number, text, where, within_time
from watchword.trust.importers.model import ImportRefusedError, Reading, Record, RecordMalformedError, Refusal
from watchword.trust.importers.reading import lines
from watchword.trust.labelled import Labelled
from watchword.trust.model import Place
from watchword.trust.observation import Act, Agent, Observation

COLUMNS: Final = (
    "index",
    "Login Timestamp",
    "User ID",
    "Round-Trip Time [ms]",
    "IP Address",
    "Country",
    "Region",
    "City",
    "ASN",
    "User Agent String",
    "Browser Name and Version",
    "OS Name and Version",
    "Device Type",
    "Login Successful",
    "Is Attack IP",
    "Is Account Takeover",
)
TAKEOVER: Final = "account_takeover"
_UNUSED: Final = frozenset({"Round-Trip Time [ms]", "Region"})
_FLAGS: Final = {"true": True, "false": False, "1": True, "0": False}
_KINDS: Final = frozenset({"desktop", "mobile", "tablet", "bot"})
_LONGEST_NUMBER: Final = 20
_NOTHING: Final = frozenset({"", "-"})
_SOURCES: Final = ("rba",)


class Rba:
    """The layout of that data set, as comma-separated values with a heading."""

    def records(self, file: Any) -> Iterator[Record | Refusal]:
        """Yield each row as a mapping from its column's name.

        Raises:
            ImportRefusedError: the first line is not the heading of this data set.
        """
        heading: Sequence[str] | None = None
        for line in lines(file):
            if isinstance(line, Refusal):
                yield line
                continue
            cells = _cells(line.value)
            if heading is None:
                heading = _heading(cells)
            elif cells is None:
                yield Refusal(line.line, "a quotation mark is not closed on the line")
            elif len(cells) != len(heading):
                yield Refusal(line.line, f"it has {len(cells)} columns in place of {len(heading)}")
            else:
                yield Record(line.line, dict(zip(heading, cells, strict=True)))

    def observe(self, record: Record, reading: Reading) -> Labelled:
        """Understand one row."""
        row: Mapping[str, str] = record.value
        is_success = _flag(row, "Login Successful")
        ip, network, _ = where(needed(row["IP Address"], "IP Address"), reading)
        observation = Observation(
            id=f"rba-{needed(text(row, 'index'), 'index')}",
            at=_at(row["Login Timestamp"].strip()),
            user=needed(text(row, "User ID"), "User ID"),
            act=Act.SIGN_IN,
            is_success=is_success,
            is_verified=is_success and reading.trusts_success,
            ip=ip,
            network=network,
            place=_place(row),
            agent=_agent(row),
        )
        return Labelled(
            observation,
            TAKEOVER if _flag(row, "Is Account Takeover") else None,
            observation.id if _flag(row, "Is Account Takeover") else "",
            _flag(row, "Is Attack IP"),
        )


def _cells(line: str) -> list[str] | None:
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error:
        return None


def _heading(cells: Sequence[str] | None) -> Sequence[str]:
    missing = [name for name in COLUMNS if name not in (cells or ()) and name not in _UNUSED]
    if missing or cells is None:
        raise ImportRefusedError(
            f"line 1: the column `{missing[0] if missing else COLUMNS[0]}` is missing",
            hint="the first line must name the columns of the data set, separated by commas",
        )
    return cells


def _flag(row: Mapping[str, str], name: str) -> bool:
    found = _FLAGS.get(row[name].strip().lower())
    if found is None:
        raise RecordMalformedError(f"`{name}` is neither True nor False")
    return found


def _at(value: str) -> float:
    """Read a time as the file has it, or milliseconds since 1970, as its README says."""
    if value.isascii() and value.isdigit():
        return within_time(int(value[:_LONGEST_NUMBER]) / 1_000, "Login Timestamp")
    return moment(value, "Login Timestamp")


def _place(row: Mapping[str, str]) -> Place:
    return Place(
        country=_known(row["Country"][:2]),
        asn=number(row, "ASN") or None if row["ASN"] not in _NOTHING else None,
        city=_known(text(row, "City", longest=80)),
        sources=_SOURCES,
    )


def _known(value: str) -> str | None:
    return None if value in _NOTHING else value


def _agent(row: Mapping[str, str]) -> Agent:
    kind = row["Device Type"].strip().lower()
    return Agent(
        text(row, "User Agent String", longest=LONGEST_AGENT),
        major(text(row, "Browser Name and Version", longest=80)),
        major(text(row, "OS Name and Version", longest=80)),
        kind if kind in _KINDS else "",
    )
