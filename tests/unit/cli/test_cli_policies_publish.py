"""`watchword policies keygen`, `publish`, `sign`, `rollback`, `history`, `diff`, and `check` of a bundle."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from bundle_world import FILES, OTHER, PERMIT, trusted

from watchword.policy.bundles import FileKey, Form, Manifest, read_parcel


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    path = tmp_path / "policies"
    path.mkdir()
    (path / "10-members.cedar").write_bytes(PERMIT)
    return path


class Desk:
    """A command line whose data directory follows bundles signed by keys of its own."""

    def __init__(self, cli: Any, tmp_path: Path) -> None:
        self.cli, self.tmp_path = cli, tmp_path
        self.bundle = cli.data / "policies.tar"

    def key(self, name: str) -> str:
        made = self.cli.json("policies", "keygen", str(self.tmp_path / name))
        return str(made["public"])

    def follow(self, *keys: str, threshold: int = 1, more: str = "") -> None:
        (self.cli.data / "watchword.toml").write_text(
            f'[policy]\nsource = "archive"\nkeys = {json.dumps(keys)}\nthreshold = {threshold}\n{more}'
        )

    def file(self, name: str) -> str:
        return str(self.tmp_path / name)

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        with sqlite3.connect(self.cli.data / "watchword.db") as database:
            rows = database.execute("SELECT type, data FROM outbox WHERE type LIKE 'policy.%' ORDER BY position")
            return [(name, json.loads(data)) for name, data in rows]


@pytest.fixture
def desk(cli: Any, tmp_path: Path) -> Desk:
    return Desk(cli, tmp_path)


def manifest(path: Path) -> Manifest:
    return Manifest.from_bytes(read_parcel(path).envelope.payload)


def test_a_key_is_made_once_and_only_its_public_half_is_shown(desk: Desk) -> None:
    said = desk.cli("policies", "keygen", desk.file("k"))
    secret = Path(desk.file("k")).read_text().strip()
    assert said.code == 0
    assert str(FileKey.read(Path(desk.file("k"))).public) in said.out
    assert secret not in said.out
    again = desk.cli("policies", "keygen", desk.file("k"))
    assert (again.code, "never replaced" in again.err) == (1, True)


def test_policies_are_published_as_the_next_version_and_put_where_the_node_looks(desk: Desk, policies: Path) -> None:
    desk.follow(desk.key("k"))
    (policies / "README.md").write_text("hello")
    made = desk.cli.json("policies", "publish", str(policies), "--key", desk.file("k"))
    assert (made["version"], made["signed"], made["needed"]) == (1, 1, 1)
    assert made["left_out"] == ["README.md"]
    assert desk.bundle.stat().st_mode & 0o777 == 0o644
    assert desk.cli.json("policies", "publish", str(policies), "--key", desk.file("k"))["version"] == 2
    assert manifest(desk.bundle).version == 2
    names = [(name, data["version"], data["rolled_back_to"]) for name, data in desk.events()]
    assert names == [("policy.bundle.published", 1, None), ("policy.bundle.published", 2, None)]
    history = desk.cli.json("policies", "history")
    assert [(row["version"], row["is_the_last_in_force"]) for row in history] == [(2, False), (1, False)]


def test_wrong_policies_are_not_published(desk: Desk, policies: Path) -> None:
    desk.follow(desk.key("k"))
    (policies / "b.cedar").write_text("permit (principal, actoin, resource);")
    said = desk.cli("policies", "publish", str(policies), "--key", desk.file("k"))
    assert (said.code, "b.cedar:1:20" in said.out) == (4, True)
    said = desk.cli("--output", "json", "policies", "publish", str(policies), "--key", desk.file("k"))
    assert (said.code, said.json[0]["place"]) == (4, "b.cedar:1:20")
    assert not desk.bundle.exists()
    assert desk.events() == []


def test_a_failing_policy_test_stops_a_publication(desk: Desk, policies: Path) -> None:
    desk.follow(desk.key("k"))
    (policies / "tests").mkdir()
    (policies / "tests" / "a.yaml").write_text("tests: nonsense\n")
    said = desk.cli("policies", "publish", str(policies), "--key", desk.file("k"))
    assert (said.code, "a.yaml" in said.out) == (4, True)
    assert not desk.bundle.exists()


def test_a_bundle_that_needs_two_signatures_replaces_none_until_it_has_them(desk: Desk, policies: Path) -> None:
    desk.follow(desk.key("a"), desk.key("b"), threshold=2)
    both = ("--key", desk.file("a"), "--key", desk.file("b"))
    desk.cli.json("policies", "publish", str(policies), *both)
    made = desk.cli.json("policies", "publish", str(policies), "--key", desk.file("a"))
    assert (made["signed"], made["needed"]) == (1, 2)
    assert "sign" in made["message"]
    assert manifest(desk.bundle).version == 1
    said = desk.cli.json("policies", "sign", made["file"], "--key", desk.file("b"), "--to", str(desk.bundle))
    assert said["signed"] == 2
    assert manifest(desk.bundle).version == 2


def test_somebody_whom_the_bundle_does_not_name_cannot_sign_it(desk: Desk, policies: Path) -> None:
    desk.follow(desk.key("a"))
    desk.key("mallory")
    desk.cli.json("policies", "publish", str(policies), "--key", desk.file("a"))
    said = desk.cli("policies", "sign", str(desk.bundle), "--key", desk.file("mallory"))
    assert (said.code, "does not name" in said.err) == (1, True)


def test_a_key_that_this_node_does_not_trust_is_told_before_anything_is_signed(desk: Desk, policies: Path) -> None:
    desk.follow(desk.key("a"))
    stranger = desk.key("b")
    said = desk.cli("policies", "publish", str(policies), "--key", desk.file("b"))
    assert (said.code, stranger in said.err) == (1, True)
    assert not desk.bundle.exists()


def test_going_back_makes_a_new_version_with_the_contents_of_an_older_one(desk: Desk, policies: Path) -> None:
    desk.follow(desk.key("k"))
    key = ("--key", desk.file("k"))
    desk.cli.json("policies", "publish", str(policies), *key)
    (policies / "20-others.cedar").write_bytes(OTHER)
    desk.cli.json("policies", "publish", str(policies), *key)
    made = desk.cli.json("policies", "rollback", *key)
    assert (made["version"], made["contents_of"]) == (3, 1)
    assert dict(read_parcel(desk.bundle).files) == dict(FILES)
    assert desk.events()[-1][1]["rolled_back_to"] == 1
    assert desk.cli.json("policies", "rollback", "2", *key)["contents_of"] == 2
    assert manifest(desk.bundle).version == 4
    said = desk.cli("policies", "rollback", "9", *key)
    assert (said.code, "1, 2, 3, 4" in said.err) == (1, True)


def test_an_old_version_that_was_altered_on_disk_is_not_signed_anew(desk: Desk, policies: Path) -> None:
    desk.follow(desk.key("k"))
    for _ in range(2):
        desk.cli.json("policies", "publish", str(policies), "--key", desk.file("k"))
    kept = next((desk.cli.data / "bundles" / "policies" / "versions").glob("*1-*"))
    (kept / "10-members.cedar").write_text("permit (principal, action, resource);")
    said = desk.cli("policies", "rollback", "1", "--key", desk.file("k"))
    assert (said.code, "not the file that was signed" in said.err) == (1, True)
    assert manifest(desk.bundle).version == 2


def test_the_nodes_own_key_signs_what_the_node_takes(desk: Desk, policies: Path) -> None:
    desk.follow("node")
    made = desk.cli.json("policies", "publish", str(policies), "--key", "node")
    assert (made["signed"], made["needed"]) == (1, 1)
    assert desk.cli.json("policies", "check", str(desk.bundle))["signed"] == 1


def test_a_sealed_key_signs_on_its_own_machine(desk: Desk, policies: Path) -> None:
    public = desk.cli.json("policies", "keygen", desk.file("k"), "--sealed")["public"]
    assert Path(desk.file("k")).read_text().startswith("wwbundlesealed1_")
    desk.follow(public)
    assert desk.cli.json("policies", "publish", str(policies), "--key", desk.file("k"))["signed"] == 1


def test_a_version_that_is_not_newer_is_refused_before_anything_is_signed(desk: Desk, policies: Path) -> None:
    desk.follow(desk.key("k"))
    key = ("--key", desk.file("k"))
    assert desk.cli.json("policies", "publish", str(policies), *key, "--version", "7")["version"] == 7
    said = desk.cli("policies", "publish", str(policies), *key, "--version", "7")
    assert (said.code, "not newer" in said.err) == (1, True)


def test_without_a_place_to_put_it_the_command_says_what_to_do(desk: Desk, policies: Path) -> None:
    desk.key("k")
    said = desk.cli("policies", "publish", str(policies), "--key", desk.file("k"))
    assert (said.code, "--to" in said.err, "[policy]" in said.err) == (2, True, True)
    for form in Form:
        to = desk.file(f"out-{form}")
        made = desk.cli.json(
            "policies", "publish", str(policies), "--key", desk.file("k"), "--to", to, "--form", form.value
        )
        assert read_parcel(Path(to)).files == FILES
        assert "bring it" in made["message"]


def test_a_directory_is_signed_in_place_for_git(desk: Desk, policies: Path) -> None:
    public = desk.key("k")
    (policies / "README.md").write_text("hello")
    words = (
        "policies",
        "publish",
        str(policies),
        "--key",
        desk.file("k"),
        "--to",
        str(policies),
        "--form",
        "directory",
    )
    desk.cli.json(*words)
    assert (policies / "README.md").exists()
    desk.follow(public)
    assert desk.cli.json("policies", "check", str(policies), "--signed")["version"] == 1
    (policies / "10-members.cedar").write_bytes(OTHER)
    said = desk.cli("policies", "check", str(policies), "--signed")
    assert (said.code, "not the file that was signed" in said.err) == (1, True)
    assert desk.cli.json("policies", "check", str(policies))["policies"] == 1
    assert desk.cli.json(*words)["version"] == 2


def test_a_bundle_is_checked_as_the_node_would(desk: Desk, policies: Path) -> None:
    desk.follow(desk.key("k"))
    desk.cli.json("policies", "publish", str(policies), "--key", desk.file("k"))
    assert desk.cli.json("policies", "check", str(desk.bundle))["signed"] == 1
    desk.follow(desk.key("other"))
    said = desk.cli("policies", "check", str(desk.bundle))
    assert (said.code, "0 of 1" in said.err) == (1, True)
    desk.bundle.write_bytes(b"nonsense")
    assert "tar" in desk.cli("policies", "check", str(desk.bundle)).err


def test_differences_are_shown_with_the_changes_of_effect_first(desk: Desk, policies: Path) -> None:
    desk.follow(desk.key("k"))
    desk.cli.json("policies", "publish", str(policies), "--key", desk.file("k"))
    (policies / "10-members.cedar").write_bytes(PERMIT.replace(b"permit", b"forbid"))
    (policies / "05-others.cedar").write_bytes(OTHER)
    rows = desk.cli.json("policies", "diff", "1", str(policies))
    assert [(row["policy"], row["change"]) for row in rows] == [("members", "effect changed"), ("others", "added")]
    text = desk.cli("policies", "diff", str(desk.bundle), str(policies)).out
    assert text.index("members: effect changed (permit -> forbid") < text.index("others: added")
    assert "may permit more" in text
    assert desk.cli("policies", "diff", "1", str(desk.bundle)).out == "nothing changes\n"
    (policies / "05-others.cedar").write_text("permit (")
    assert desk.cli("policies", "diff", "1", str(policies)).code == 4


def test_a_policy_cannot_write_to_the_terminal_of_whoever_compares(desk: Desk, tmp_path: Path) -> None:
    for name, text in (("a", "one"), ("b", "\x1b[2Jtwo")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.cedar").write_text(f'@id("p") @note("{text}") permit (principal, action, resource);')
    said = desk.cli("policies", "diff", desk.file("a"), desk.file("b"))
    assert "two" in said.out
    assert "\x1b" not in said.out


def test_listing_shows_the_bundle_that_was_last_in_force(desk: Desk, policies: Path) -> None:
    desk.follow(desk.key("k"))
    desk.cli.json("policies", "publish", str(policies), "--key", desk.file("k"))
    assert desk.cli.json("policies", "list") == []


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('source = "archive"', "needs `policy.keys`"),
        ('source = "url"\nkeys = ["KEY"]', "https://"),
        ('source = "url"\nkeys = ["KEY"]\nlocation = "http://example.org/x"', "https://"),
        ('source = "git"\nkeys = ["KEY"]\nlocation = "ext::sh -c id"', "repository"),
        ('source = "git"\nkeys = ["KEY"]\nlocation = "https://example.org/x"\nref = "--x"', "branch"),
        ('source = "git"\nkeys = ["KEY"]\nlocation = "https://example.org/x"\npath = "../x"', "folder"),
        ('source = "nowhere"', "directory"),
        ('keys = ["ed25519:nonsense"]', "public key"),
        ('keys = ["KEY"]\nthreshold = 2', "threshold"),
        ('keys = ["KEY", "KEY"]\nthreshold = 2', "threshold"),
        ('keys = ["KEY"]\nthreshold = 0', "threshold"),
        ('name = "../x"', "small letters"),
        ("poll_s = 0.001", "0.05"),
        ('when_expired = "hope"', "deny"),
    ],
)
def test_a_source_that_could_never_be_followed_is_refused_in_the_configuration(
    desk: Desk, lines: str, words: str
) -> None:
    (desk.cli.data / "watchword.toml").write_text("[policy]\n" + lines.replace("KEY", desk_key()) + "\n")
    said = desk.cli("config", "check")
    assert said.code == 2
    assert words in said.err


def desk_key() -> str:
    return str(next(iter(trusted().keys.values())))


def test_a_broken_invariant_stops_a_publication_with_its_counter_example(desk: Desk, policies: Path) -> None:
    pytest.importorskip("z3", reason="the solver is an optional extra")
    desk.follow(desk.key("k"))
    (policies / "invariants.yaml").write_text("invariants:\n  - id: nobody\n    never: context.risk.level == 2\n")
    said = desk.cli("policies", "publish", str(policies), "--key", desk.file("k"))
    assert said.code == 4
    assert "invariants.yaml:2" in said.out
    assert "`nobody` is broken" in said.out
    assert "context.risk.level = 2" in said.out
    assert not desk.bundle.exists()


def test_what_was_proved_and_what_was_not_is_told_with_a_publication(
    desk: Desk, policies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("z3", reason="the solver is an optional extra")
    desk.follow(desk.key("k"))
    (policies / "invariants.yaml").write_text("invariants:\n  - id: kept\n    never: context.risk.level > 5 && false\n")
    made = desk.cli.json("policies", "publish", str(policies), "--key", desk.file("k"))
    assert "`kept` says nothing" in made["notes"][0]
    strict = desk.cli("policies", "publish", str(policies), "--key", desk.file("k"), "--prove")
    assert (strict.code, "`kept` says nothing" in strict.out) == (4, True)
    monkeypatch.setenv("WATCHWORD_POLICY__NEEDS_PROOF", "true")
    assert desk.cli("policies", "publish", str(policies), "--key", desk.file("k")).code == 4
