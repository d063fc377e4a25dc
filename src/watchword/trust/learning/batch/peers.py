"""Peer groups from what people use: clusters of resource sets, made at night, and told from then on by arithmetic."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, log, sqrt
from typing import Any, Final

from watchword.trust.learning.batch.fitting import load
from watchword.trust.learning.errors import TooFewLabelsError

FORMAT: Final = 1
_LEAST_PEOPLE: Final = 12
_MOST_GROUPS: Final = 20
_MOST_PEOPLE_COMPARED: Final = 2_000
_LEAST_GROUP: Final = 3
# Below this likeness to every group somebody belongs to none.
_LEAST_LIKENESS: Final = 0.15
# From this likeness on a group is the one of the night before.
_LEAST_CONTINUED: Final = 0.5
_KEPT_PER_GROUP: Final = 200
_MOST_DIGITS: Final = 9
_MOST_RESOURCES: Final = 20_000
_MOST_KEPT_GROUPS: Final = 1_000
_NAME: Final = "peers-{:02}"

Use = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class PeerGroups:
    """Groups, and how somebody is assigned to one.

    Attributes:
        rarity: weight of each resource: the fewer use it, the more it tells.
        centres: of each group, resources with their weights; of length 1.
        members: by user, of those whom the groups were made from.
    """

    rarity: Mapping[str, float]
    centres: Mapping[str, Use]
    members: Mapping[str, str]

    def group_of(self, used: Use) -> str:
        """Return the group whose members use most nearly the same; the empty text if none does."""
        own = _weighted(used, self.rarity)
        likeness = {name: _likeness(own, centre) for name, centre in self.centres.items()}
        best = max(sorted(likeness), key=lambda name: likeness[name], default="")
        return best if best and likeness[best] >= _LEAST_LIKENESS else ""

    def to_json(self) -> str:
        """Write them, canonically."""
        return json.dumps(
            {
                "format": FORMAT,
                "rarity": dict(self.rarity),
                "centres": {name: dict(centre) for name, centre in self.centres.items()},
                "members": dict(self.members),
            },
            sort_keys=True,
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> PeerGroups:
        """Read what `to_json` wrote.

        Raises:
            ValueError: the text is something else.
        """
        try:
            found = json.loads(text)
            if found["format"] != FORMAT:
                raise ValueError("peer groups of another release")
            centres = {str(name): _weights(centre) for name, centre in found["centres"].items()}
            # Prevents: a file of a million groups making everybody's sign-in slow.
            if len(centres) > _MOST_KEPT_GROUPS:
                raise ValueError("not stored peer groups: there are too many")
            members = {str(user): str(name) for user, name in found["members"].items()}
            return cls(_weights(found["rarity"]), centres, members)
        except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError("not stored peer groups") from error


def peer_groups(used: Mapping[str, Use], *, seed: int = 0) -> PeerGroups:
    """Cluster people by what they use; the number of groups is the one that separates them best.

    Args:
        used: by user, how often each resource.

    Raises:
        ExtraMissingError: scikit-learn is not installed.
        TooFewLabelsError: fewer than a dozen people.

    Source: spherical k-means on inverse document frequencies; the number by Rousseeuw's silhouette, J. Comput. Appl.
    Math. 20 (1987).
    """
    people = sorted(user for user, resources in used.items() if resources)
    if len(people) < _LEAST_PEOPLE:
        raise TooFewLabelsError(f"{len(people)} people are too few for peer groups", hint=f"{_LEAST_PEOPLE} are needed")
    rarity = _rarity([used[user] for user in people])
    weighted = {user: row for user in people if (row := _weighted(used[user], rarity))}
    people, rows = list(weighted), list(weighted.values())
    if len(people) < _LEAST_PEOPLE:  # the others share nothing with anybody
        return PeerGroups(rarity, {}, {})
    labels = _cluster(rows, sorted(rarity), seed)
    centres: dict[str, Use] = {}
    members: dict[str, str] = {}
    for label in sorted(set(labels)):
        inside = [place for place, found in enumerate(labels) if found == label]
        if len(inside) < _LEAST_GROUP:
            continue
        name = _NAME.format(len(centres) + 1)
        centres[name] = _centre([rows[place] for place in inside])
        members |= {people[place]: name for place in inside}
    return PeerGroups(rarity, centres, members)


def continued(groups: PeerGroups, before: PeerGroups | None) -> PeerGroups:
    """Call each group as the one of the night before that it is most like, so that what is known of it goes on.

    A group that is like none gets a new name. What watches groups remembers them by name: a name that went
    to other people would compare them with strangers.
    """
    if before is None:
        return groups
    likeness = sorted(
        (-_likeness(centre, old), name, former)
        for name, centre in groups.centres.items()
        for former, old in before.centres.items()
    )
    names: dict[str, str] = {}
    for value, name, former in likeness:
        if -value >= _LEAST_CONTINUED and name not in names and former not in names.values():
            names[name] = former
    # Beyond the highest, so that the name of a group that has gone is not soon another one's.
    free = itertools.count(1 + max([_number(name) for name in before.centres], default=0))
    names |= {name: _NAME.format(next(free)) for name in groups.centres if name not in names}
    return PeerGroups(
        groups.rarity,
        {names[name]: centre for name, centre in groups.centres.items()},
        {user: names[name] for user, name in groups.members.items()},
    )


def _number(name: str) -> int:
    digits = name.rpartition("-")[2]
    return int(digits) if digits.isdecimal() and len(digits) <= _MOST_DIGITS else 0


def _likeness(one: Use, other: Use) -> float:
    return sum(weight * other.get(resource, 0.0) for resource, weight in one.items())


def _weights(found: Mapping[str, Any]) -> dict[str, float]:
    weights = {str(name): float(weight) for name, weight in found.items()}
    # Prevents: likenesses that no comparison orders, by one that is no number.
    if not all(isfinite(weight) and weight >= 0 for weight in weights.values()):
        raise ValueError("not stored peer groups: a weight is none")
    return weights


def _matrix(rows: Sequence[Use], resources: Sequence[str]) -> Any:
    """Return people by resources, sparse: nearly everybody uses nearly nothing of it."""
    column = {name: place for place, name in enumerate(resources)}
    places = [(number, column[name], weight) for number, row in enumerate(rows) for name, weight in row.items()]
    numbers, columns, weights = zip(*places, strict=True)
    return load("scipy.sparse").csr_matrix((weights, (numbers, columns)), shape=(len(rows), len(resources)))


def _cluster(rows: Sequence[Use], resources: Sequence[str], seed: int) -> list[int]:
    cluster, score = load("sklearn.cluster").KMeans, load("sklearn.metrics").silhouette_score
    matrix, compared = _matrix(rows, resources), min(len(rows), _MOST_PEOPLE_COMPARED)
    different = len({tuple(sorted((name, round(weight, 9)) for name, weight in row.items())) for row in rows})
    best: tuple[float, list[int]] = (-1.0, [0] * len(rows))
    for count in range(2, min(_MOST_GROUPS, len(rows) // _LEAST_GROUP, different) + 1):
        labels: Any = cluster(n_clusters=count, n_init=4, random_state=seed).fit_predict(matrix)
        if len(set(labels.tolist())) < 2:  # noqa: PLR2004  # one cluster separates nobody
            continue
        found = float(score(matrix, labels, sample_size=compared, random_state=seed))
        if found > best[0]:
            best = (found, [int(label) for label in labels])
    return best[1]


def _rarity(everybody: Sequence[Use]) -> dict[str, float]:
    users: dict[str, int] = {}
    for used in everybody:
        for resource in used:
            users[resource] = users.get(resource, 0) + 1
    # What one person uses alone makes nobody a peer. Prevents: a million names of files filling the memory.
    shared = sorted((name for name in users if users[name] > 1), key=lambda name: (-users[name], name))
    return {name: log((1.0 + len(everybody)) / (1.0 + users[name])) + 1.0 for name in shared[:_MOST_RESOURCES]}


def _weighted(used: Use, rarity: Mapping[str, float]) -> dict[str, float]:
    """Weigh by rarity, and by whether rather than by how often; of length 1."""
    return _unit(
        {name: rarity[name] * (1.0 + log(count)) for name, count in used.items() if name in rarity and count >= 1}
    )


def _centre(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for row in rows:
        for name, weight in row.items():
            total[name] = total.get(name, 0.0) + weight
    kept = sorted(total, key=lambda name: (-total[name], name))[:_KEPT_PER_GROUP]
    return _unit({name: total[name] for name in kept})


def _unit(vector: dict[str, float]) -> dict[str, float]:
    length = sqrt(sum(weight * weight for weight in vector.values()))
    return {name: weight / length for name, weight in vector.items()} if length else {}
