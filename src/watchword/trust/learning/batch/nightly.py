"""One night's work on recorded traffic: a forest, peer groups, what is most unusual, and what has drifted."""

from __future__ import annotations

import os
import tempfile
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from heapq import nlargest
from pathlib import Path
from typing import Final

from watchword.trust.behaviour import Model
from watchword.trust.labelled import Labelled
from watchword.trust.learning.batch.drift import Drift
from watchword.trust.learning.batch.fitting import fit_forest
from watchword.trust.learning.batch.forest import Forest
from watchword.trust.learning.batch.loginrows import Head, LogIns
from watchword.trust.learning.batch.peers import PeerGroups, continued, peer_groups
from watchword.trust.learning.batch.tables import resources_used
from watchword.trust.learning.errors import ModelKeptError
from watchword.trust.learning.features import FEATURES
from watchword.trust.learning.observations import read_observations
from watchword.trust.learning.replaying import Replay

_FOREST, _PEERS = "forest.json", "peers.json"
_PRIVATE: Final = 0o600
_MOST_BYTES: Final = 64 * 1024 * 1024
# The four of a log-in anomaly, and what tells where from, with what and how fast.
FOREST_FEATURES: Final[tuple[str, ...]] = tuple(
    name for name in FEATURES if not name.startswith(("rarity_", "hour_", "history"))
)
_PLACES: Final = tuple(FEATURES.index(name) for name in FOREST_FEATURES)


@dataclass(frozen=True, slots=True)
class Unusual:
    """A log-in that lies far from all others, taken together; somebody should say what it was.

    Attributes:
        score: of the forest, to nearly 1.
        margin: log-odds of the score in force; where the two disagree a verdict teaches most.
        words: how few were as unusual when the forest was fitted; empty where that was not asked.
    """

    id: str
    user: str
    at: float
    score: float
    margin: float
    words: str = ""


@dataclass(frozen=True, slots=True)
class Night:
    """What came of it.

    Attributes:
        peers: nothing where people and their resources are too few.
        unusual: the most unusual first.
        drifts: of the newer half of log-ins against the older; what moved most comes first.
    """

    forest: Forest
    peers: PeerGroups | None
    unusual: tuple[Unusual, ...]
    drifts: tuple[Drift, ...]
    log_ins: int


def night(
    path: Path,
    model: Model,
    *,
    seed: int = 0,
    most: int = 20,
    before: PeerGroups | None = None,
    tell: Callable[[int], None] = lambda _count: None,
) -> Night:
    """Work through a file of observations in order of time.

    Args:
        before: the peer groups of the night before, whose names go on.

    Raises:
        ExtraMissingError: the extra `batch` is not installed.
        ObservationsError: the file cannot be read.
        TooFewLabelsError: it holds too few log-ins.
    """
    used = resources_used(path)
    log_ins = LogIns(_PLACES, seed=seed)
    for each in Replay(model, features=True).each(_unlabelled(path), tell):
        if each.features:
            log_ins.add(each)
    forest = fit_forest(log_ins, FOREST_FEATURES, seed=seed)
    isolated = nlargest(most, enumerate(map(forest.score, log_ins)), key=lambda each: (each[1], -each[0]))
    return Night(
        forest,
        continued(peer_groups(used, seed=seed), before) if _are_enough(used) else None,
        tuple(_unusual(score, log_ins.head(number)) for number, score in isolated),
        tuple(log_ins.drifts()),
        len(log_ins),
    )


def unusual_since(
    path: Path,
    model: Model,
    forest: Forest,
    *,
    last_s: float,
    most: int = 20,
    tell: Callable[[int], None] = lambda _count: None,
) -> tuple[Unusual, ...]:
    """Judge the newest log-ins of a file by a forest that was kept, without the libraries that it was fitted with.

    Args:
        path: observations in order of time; those before teach what is usual for each account.
        last_s: how far back from the newest log-in, in seconds.

    Raises:
        ModelKeptError: the forest goes by something that this release does not know.
        ObservationsError: the file cannot be read.
    """
    try:
        places = [FEATURES.index(name) for name in forest.names]
    except ValueError as error:
        raise ModelKeptError(
            "the forest was fitted by another release", hint="make it again: `watchword risk batch`"
        ) from error
    newest: deque[tuple[Head, array[float]]] = deque()
    for each in Replay(model, features=True).each(_unlabelled(path), tell):
        if each.features:
            row = array("f", [each.features[place] for place in places])
            newest.append(((each.id, each.user, each.at, each.margin), row))
            while each.at - newest[0][0][2] > last_s:
                newest.popleft()
    found = nlargest(most, ((forest.score(row), head[2], head, row) for head, row in newest), key=lambda each: each[:2])
    return tuple([replace(_unusual(score, head), words=forest.finding(row).detail) for score, _, head, row in found])


def keep(folder: Path, found: Night) -> None:
    """Write the forest and the peer groups where the node's data lie, whole or not at all.

    Raises:
        ModelKeptError: the disk refused.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / _FOREST, found.forest.to_json())
        if found.peers is not None:
            _write(folder / _PEERS, found.peers.to_json())
    except OSError as error:
        raise ModelKeptError(f"`{folder}` cannot be written ({error.strerror})") from error


def kept_forest(folder: Path) -> Forest | None:
    """Return the forest that was kept; nothing if there is none.

    Raises:
        ModelKeptError: there is one, and it cannot be read.
    """
    text = _read(folder / _FOREST)
    try:
        return None if text is None else Forest.from_json(text)
    except ValueError as error:
        raise ModelKeptError(
            f"`{folder / _FOREST}` is no forest", hint="make it again: `watchword risk batch`"
        ) from error


def kept_peers(folder: Path) -> PeerGroups | None:
    """Return the peer groups that were kept; nothing if there are none.

    Raises:
        ModelKeptError: there are, and they cannot be read.
    """
    text = _read(folder / _PEERS)
    try:
        return None if text is None else PeerGroups.from_json(text)
    except ValueError as error:
        raise ModelKeptError(
            f"`{folder / _PEERS}` holds no peer groups", hint="make them again: `watchword risk batch`"
        ) from error


def peers_file(folder: Path) -> Path:
    """Say where peer groups are kept."""
    return folder / _PEERS


def _unlabelled(path: Path) -> Iterator[Labelled]:
    """Forget who made what: at night nobody knows, and every log-in is judged."""
    for each in read_observations(path):
        yield Labelled(each.observation)


def _are_enough(used: dict[str, dict[str, float]]) -> bool:
    return len([user for user, resources in used.items() if resources]) >= _LEAST_PEOPLE


_LEAST_PEOPLE: Final = 12


def _unusual(score: float, head: Head) -> Unusual:
    name, user, at, margin = head
    return Unusual(name, user, at, score, margin)


def _write(path: Path, text: str) -> None:
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), _PRIVATE)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).rename(path)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            found = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelKeptError(f"`{path}` cannot be read ({error.strerror})") from error
    # Prevents: a file without end filling the memory of whoever reads it.
    if len(found) > _MOST_BYTES:
        raise ModelKeptError(f"`{path}` is too large to be ours")
    return found.decode(errors="replace")
