"""Strict reading: every type, every mistake named, no value ever repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from watchword.kernel import ConfigurationError, Sensitivity, WatchwordError
from watchword.kernel.settings import check_environment, convert, read_slice, setting
from watchword.settings import SLICES, load

SECRET = "hunter2-hunter2"


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Part:
    name: str = setting("Name.")
    weight: float = setting("Weight.", default=1.0)


@dataclass(frozen=True, slots=True)
class Everything:
    text: str = setting("Text.", default="")
    whole: int = setting("Whole.", default=0)
    real: float = setting("Real.", default=0.0)
    flag: bool = setting("Flag.", default=False)
    perhaps: int | None = setting("Perhaps.", default=None)
    colour: Colour = setting("Colour.", default=Colour.RED)
    many: tuple[int, ...] = setting("Many.", default=())
    words: tuple[str, ...] = setting("Words.", default=())
    table: Mapping[str, int] = setting("Table.", factory=dict)
    parts: tuple[Part, ...] = setting("Parts.", default=())


@dataclass(frozen=True, slots=True)
class Strict:
    must: str = setting("It must be said.")

    def __post_init__(self) -> None:
        if self.must == "wrong":
            raise ValueError("`must` must not be wrong")


def read(document: Any = None, **environment: str) -> Everything:
    return read_slice(Everything, document, section="all", environment=environment)


@pytest.mark.parametrize(
    ("name", "value", "variable"),
    [
        ("text", "a", "a"),
        ("text", "true", "true"),
        ("whole", -3, "-3"),
        ("real", 1.5, "1.5"),
        ("real", 2.0, "2"),
        ("flag", True, "true"),
        ("perhaps", 7, "7"),
        ("colour", Colour.BLUE, "blue"),
        ("many", (1, 2), "[1, 2]"),
        ("words", ("a", "b"), "a, b"),
        ("words", ("a,b",), '["a,b"]'),
        ("words", (), ""),
        ("table", {"a": 1}, '{"a": 1}'),
        ("parts", (Part("x", 2.0),), '[{"name": "x", "weight": 2}]'),
    ],
)
def test_every_type_is_read_from_the_file_and_from_the_environment(name: str, value: Any, variable: str) -> None:
    plain = {"parts": [{"name": "x", "weight": 2}]}.get(name, list(value) if isinstance(value, tuple) else value)
    assert getattr(read({name: plain}), name) == value
    assert getattr(read(**{f"WATCHWORD_ALL__{name.upper()}": variable}), name) == value


def test_the_environment_wins_over_the_file() -> None:
    assert read({"whole": 1}, WATCHWORD_ALL__WHOLE="2").whole == 2


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"text": 1}, "`all.text` must be a text, not a int"),
        ({"whole": "1"}, "`all.whole` must be a whole number, not a str"),
        ({"whole": 1.0}, "`all.whole` must be a whole number, not a float"),
        ({"whole": True}, "`all.whole` must be a whole number, not a bool"),
        ({"real": True}, "`all.real` must be a number, not a bool"),
        ({"real": float("nan")}, "`all.real` must be a finite number"),
        ({"real": float("inf")}, "`all.real` must be a finite number"),
        ({"flag": 1}, "`all.flag` must be true or false, not a int"),
        ({"colour": "green"}, "`all.colour` must be `red` or `blue`, not a str"),
        ({"colour": ["red"]}, "`all.colour` must be `red` or `blue`, not a list"),
        ({"many": 1}, "`all.many` must be a list, not a int"),
        ({"many": [1, "2"]}, "`all.many[1]` must be a whole number, not a str"),
        ({"table": []}, "`all.table` must be a table, not a list"),
        ({"table": {"a": "1"}}, "`all.table.a` must be a whole number, not a str"),
        ({"parts": [{"name": 1}]}, "`all.parts[0].name` must be a text, not a int"),
        ({"parts": [{}]}, "`all.parts[0].name` is required"),
        ({"parts": [{"name": "a", "wieght": 1}]}, "unknown setting `all.parts[0].wieght`"),
        ({"parts": ["a"]}, "`all.parts[0]` must be a table"),
        ({"txet": "a"}, "unknown setting `all.txet`"),
        ("text", "`all` must be a table"),
    ],
)
def test_a_mistake_in_the_file_is_named(document: Any, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(document)
    assert caught.value.message == says


@pytest.mark.parametrize(
    ("variable", "value"),
    [("WHOLE", SECRET), ("FLAG", "yes"), ("FLAG", "True"), ("REAL", "NaN"), ("COLOUR", SECRET), ("TABLE", SECRET)],
)
def test_a_mistake_in_the_environment_is_named_by_its_variable(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(**{f"WATCHWORD_ALL__{variable}": value})
    assert f"`WATCHWORD_ALL__{variable}`" in caught.value.message


def test_an_unknown_key_suggests_the_nearest_known_one() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read({"colur": "red"})
    assert caught.value.hint == "did you mean `colour`?"
    with pytest.raises(ConfigurationError) as caught:
        read({"zzz": 1})
    assert "`colour`" in (caught.value.hint or "")


@pytest.mark.parametrize("hint", [str, int, float, bool, Colour, tuple[int, ...], Mapping[str, int], Part, int | None])
@pytest.mark.parametrize("value", [SECRET, [SECRET], {SECRET: SECRET}, {"name": {SECRET: 1}}, (SECRET,)])
def test_a_value_is_never_repeated(hint: Any, value: Any) -> None:
    try:
        convert(value, hint, where="here", environment={})
    except ConfigurationError as error:
        said = f"{error.message} {error.hint}"
        assert SECRET not in said.replace(f"`here.{SECRET}`", "")


def test_what_is_required_is_asked_for_with_its_meaning() -> None:
    with pytest.raises(ConfigurationError, match="is required") as caught:
        read_slice(Strict, {}, section="strict", environment={})
    assert caught.value.hint == "It must be said."
    with pytest.raises(ConfigurationError, match="cannot be used: `must` must not be wrong"):
        read_slice(Strict, {"must": "wrong"}, section="strict", environment={})


# --- the environment as a whole -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("WATCHWORD_EDGE__LISTN", "did you mean `WATCHWORD_EDGE__LISTEN`?"),
        ("WATCHWORD_EDGE_LISTEN", "did you mean `WATCHWORD_EDGE__LISTEN`?"),
        ("WATCHWORD_DECISION_SESSION_MAX_MIN", "did you mean `WATCHWORD_DECISION__SESSION_MAX_MIN`?"),
    ],
)
def test_a_variable_that_sets_nothing_is_refused(name: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match=f"unknown setting in the environment: `{name}`") as caught:
        check_environment({name: SECRET}, SLICES)
    assert caught.value.hint == hint


def test_other_variables_are_nobodys_business() -> None:
    names = (
        "WATCHWORD_DATA WATCHWORD_CONFIG WATCHWORD_MASTER_KEY WATCHWORD_PASSPHRASE WATCHWORD_REPORT_FD WATCHWORD_AGAIN"
    )
    check_environment(dict.fromkeys([*names.split(), "PATH", "EDGE__LISTEN", "WATCHWORD_VENV"], "x"), SLICES)


# --- the whole file -------------------------------------------------------------------------------------------------


def loaded(tmp_path: Path, text: str = "", **environment: str) -> Any:
    (tmp_path / "watchword.toml").write_text(text)
    return load(data=tmp_path, environment=environment)


APPLICATION = """
[[applications]]
name = "wiki"
hosts = ["wiki.example.com"]
upstream = "http://127.0.0.1:8000"
"""


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    settings = load(data=tmp_path / "new", environment={})
    assert settings.applications == ()
    assert settings.database_url == f"sqlite:///{tmp_path / 'new' / 'watchword.db'}"
    assert settings.master_key_file == tmp_path / "new" / "keys" / "master.key"
    assert settings.policy_directory == tmp_path / "new" / "policies"
    assert settings.forward_auth.listen == ""
    assert dict(settings.slices()).keys() == SLICES.keys()


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    for named in (
        {"config": tmp_path / "none.toml"},
        {"environment": {"WATCHWORD_CONFIG": str(tmp_path / "none.toml")}},
    ):
        with pytest.raises(ConfigurationError, match="does not exist"):
            load(**({"data": tmp_path, "environment": {}} | named))


@pytest.mark.parametrize("text", ["a = ", "\x00", "[edge", "a = 1\na = 2"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not valid TOML"):
        loaded(tmp_path, text)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "watchword.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(data=tmp_path, environment={})


def test_an_unknown_section_suggests_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unknown setting `egde`") as caught:
        loaded(tmp_path, "[egde]\nlisten = 'x'")
    assert caught.value.hint == "did you mean `edge`?"


def test_an_application_is_read_whole(tmp_path: Path) -> None:
    text = (
        APPLICATION
        + """
title = "Wiki"
sensitivity = "confidential"
open_paths = ["/healthz/"]
streaming = ["/feed"]
high_risk = "approval"
profile = "trust-score"
min_trust = 40
permissions = ["edit"]
identity_headers = { Remote-User = "name" }
[[applications.resources]]
name = "a"
path = "/a"
[[applications.resources]]
name = "deep"
path = "/a/b/"
sensitivity = "restricted"
min_trust = 90
"""
    )
    (wiki,) = loaded(tmp_path, text).applications
    assert [(rule.name, rule.path, rule.sensitivity, rule.min_trust) for rule in wiki.resources] == [
        ("deep", "/a/b", Sensitivity.RESTRICTED, 90),
        ("a", "/a", Sensitivity.CONFIDENTIAL, 0),
        ("default", "/", Sensitivity.CONFIDENTIAL, 40),
    ]
    assert [rule.path for rule in wiki.open_paths] == ["/healthz"]
    assert (wiki.title, wiki.profile, wiki.high_risk, wiki.permissions) == (
        "Wiki",
        "trust-score",
        "approval",
        ("edit",),
    )
    assert dict(wiki.identity_headers) == {"Remote-User": "name"}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"wiki"', '"Wiki"', "is no application name"),
        ('"wiki"', '"1wiki"', "is no application name"),
        ('["wiki.example.com"]', "[]", "hosts` is empty"),
        ("wiki.example.com", "Wiki.example.com", "is no host name"),
        ("wiki.example.com", "wiki.example.com.", "is no host name"),
        ("wiki.example.com", "wiki.example.com:443", "is no host name"),
        ("wiki.example.com", "https://wiki.example.com", "is no host name"),
        ("wiki.example.com", "*.example.com", "is no host name"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", "is no upstream"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/path", "is no upstream"),
        ("http://127.0.0.1:8000", "http://a@127.0.0.1", "is no upstream"),
        ("upstream", "profile = 'x'\nupstream", "profile` is unknown"),
        ("upstream", "high_risk = 'allow'\nupstream", "must be deny or approval"),
        ("upstream", "high_risk = 'maybe'\nupstream", "high_risk` must be"),
        ("upstream", "min_trust = 101\nupstream", "between 0 and 100"),
        ("upstream", "min_trust = -1\nupstream", "between 0 and 100"),
        ("upstream", "open_paths = ['healthz']\nupstream", "is no path prefix"),
        ("upstream", "open_paths = ['/a*']\nupstream", "is no path prefix"),
        ("upstream", "open_paths = ['/a%20b']\nupstream", "is no path prefix"),
        ("upstream", "open_paths = ['/a/../b']\nupstream", "is no path prefix"),
        ("upstream", "open_paths = ['//a']\nupstream", "is no path prefix"),
        ("upstream", "open_paths = ['']\nupstream", "is no path prefix"),
        ("upstream", "identity_headers = { 'X User' = 'name' }\nupstream", "is no header name"),
        ("upstream", "identity_headers = { X-User = 'password' }\nupstream", "unknown claim"),
        ("upstream", "resources = [{ name = 'A', path = '/a' }]\nupstream", "is no resource name"),
        ("upstream", "resources = [{ name = 'default', path = '/a' }]\nupstream", "the name of everything else"),
        (
            "upstream",
            "resources = [{ name = 'a', path = '/a' }, { name = 'a', path = '/b' }]\nupstream",
            "two have the name `a`",
        ),
        (
            "upstream",
            "resources = [{ name = 'a', path = '/a' }, { name = 'b', path = '/a/' }]\nupstream",
            "two have the path `/a`",
        ),
        ("upstream", "colour = 'red'\nupstream", "unknown setting `applications[0].colour`"),
    ],
)
def test_an_application_that_cannot_be_meant_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in APPLICATION
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, APPLICATION.replace(old, new, 1))
    assert says in caught.value.message


def test_two_applications_share_neither_name_nor_host(tmp_path: Path) -> None:
    for other, says in (
        (APPLICATION.replace("wiki.example.com", "b.example.com"), "the name `wiki`"),
        (APPLICATION.replace('"wiki"', '"b"'), "the host `wiki.example.com`"),
    ):
        with pytest.raises(ConfigurationError, match=says):
            loaded(tmp_path, APPLICATION + other)


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("decision", "session_max_min = 61"),
        ("decision", "session_min_min = 14"),
        ("decision", "session_max_min = 20\nsession_min_min = 30"),
        ("decision", "step_up_max_age_min = 0"),
        ("decision", "step_up_max_age_min = 61"),
        ("decision", "snapshot_max_age_s = 0"),
        ("decision", "snapshot_max_age_s = inf"),
        ("decision", "snapshot_max_age_s = nan"),
        ("decision", "snapshot_max_age_s = 61"),
        ("keys", "rotate_days = 0"),
        ("keys", "rotate_days = 100000000000"),
        ("keys", "source = 'hat'"),
        ("forward_auth", "listen = '9092'"),
        ("forward_auth", "listen = 'wiki.localhost:9092'"),
        ("forward_auth", "trusted_proxies = ['proxy']"),
        ("edge", "listen = 'x'"),
    ],
)
def test_a_bound_is_held_when_the_file_is_read(tmp_path: Path, section: str, line: str) -> None:
    with pytest.raises(WatchwordError) as caught:
        loaded(tmp_path, f"[{section}]\n{line}\n")
    assert f"{section}" in str(caught.value) or "address" in str(caught.value)
