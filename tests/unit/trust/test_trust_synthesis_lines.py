"""The line that keeps a labelled observation."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from watchword.trust.observation import Act, Observation
from watchword.trust.synthesis import (
    Labelled,
    LineMalformedError,
    OrganisationSpec,
    Profile,
    decode,
    encode,
    generate,
)

PLAIN = Labelled(Observation("1", 5.0, "usr_1", Act.SIGN_IN))
LINE = orjson.loads(encode(PLAIN))


@pytest.mark.parametrize("profile", list(Profile))
def test_whatever_is_made_comes_back_from_its_line_unchanged(profile: Profile) -> None:
    made = list(generate(OrganisationSpec(users=12, days=20, profile=profile), seed=1003))

    assert [decode(encode(one)) for one in made] == made


def test_an_unlabelled_and_a_listed_one_come_back_unchanged() -> None:
    one = replace(PLAIN, is_labelled=False, is_listed=True, attacker="naive", incident="i")

    assert decode(encode(one)) == one


def test_what_has_its_default_value_takes_no_room() -> None:
    assert LINE == {"id": "1", "at": 5.0, "user": "usr_1", "act": "sign_in"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "no JSON"),
        (b"[]", "no JSON object"),
        (b"\xff", "no JSON"),
        (b'{"id": "\\ud800"}', "no JSON"),
        (b"[" * 60_000, "no JSON"),
        (b" " * 65_537, "longer than"),
        (orjson.dumps({**LINE, "act": "dance"}), "`act`"),
        (orjson.dumps({**LINE, "at": -1}), "`at`"),
        (orjson.dumps({**LINE, "at": True}), "`at`"),
        (orjson.dumps({**LINE, "at": 1e300}), "`at`"),
        (orjson.dumps({**LINE, "user": None}), "`user`"),
        (orjson.dumps({**LINE, "user": "u" * 5_000}), "`user`"),
        (orjson.dumps({**LINE, "is_success": 1}), "`is_success`"),
        (orjson.dumps({**LINE, "size_bytes": -1}), "`size_bytes`"),
        (orjson.dumps({**LINE, "is_sucess": True}), "`is_sucess` is no field"),
        (orjson.dumps({**LINE, "observation": {}}), "`observation` is no field"),
        (orjson.dumps({**LINE, "place": []}), "`place`"),
        (orjson.dumps({**LINE, "place": {"latitude": 91}}), "`latitude`"),
        (orjson.dumps({**LINE, "place": {"sources": ["s"] * 17}}), "`sources`"),
        (orjson.dumps({**LINE, "traits": {"is_evil": True}}), "`is_evil`"),
        (orjson.dumps({**LINE, "attacker": 5}), "`attacker`"),
        (orjson.dumps({"id": "1", "at": 5.0, "act": "sign_in"}), "`user` is missing"),
    ],
)
def test_a_line_that_says_something_else_is_refused_with_the_reason(line: bytes, reason: str) -> None:
    with pytest.raises(LineMalformedError, match=reason):
        decode(line)
