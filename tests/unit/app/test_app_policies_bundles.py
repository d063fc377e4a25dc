"""Signed policies put together as a node does: configuration, events, doctor, console."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bundle_server import BundleServer, serving
from bundle_world import ALICE, FILES, MALLORY, OTHER, bundle
from registry_server import Registry
from registry_server import serving as serving_registry

from watchword.app import open_services
from watchword.app.adapters import PolicyAdapter
from watchword.app.doctor import Finding, examine
from watchword.app.policies import bundle_status, policy_source
from watchword.app.services import Services
from watchword.kernel import ConfigurationError, SystemClock
from watchword.policy import PolicySource
from watchword.policy.bundles import BundleSource, Form, Parcel, write
from watchword.policy.bundles.oci import write_layout
from watchword.policy.bundles.tarball import write_tar
from watchword.settings import Settings, load

TODAY = SystemClock().now()


def configured(tmp_path: Path, lines: str = 'source = "archive"') -> Settings:
    file = tmp_path / "watchword.toml"
    file.write_text(f'[policy]\nkeys = ["{ALICE.public}"]\n{lines}\n')
    return load(file, data=tmp_path / "data", environment={})


def fresh(version: int = 1, **options: Any) -> Parcel:
    return bundle(version, **({"created": TODAY - timedelta(days=1)} | options))


def events(settings: Settings) -> list[tuple[str, dict[str, Any]]]:
    with sqlite3.connect(settings.data / "watchword.db") as database:
        rows = database.execute("SELECT type, data FROM outbox WHERE type LIKE 'policy.%' ORDER BY position")
        return [(name, json.loads(data)) for name, data in rows]


async def _looked(services: Services, *parcels: Parcel) -> BundleSource:
    source = policy_source(services)
    assert isinstance(source, BundleSource)
    for parcel in parcels:
        write(parcel, services.settings.bundle_path, Form.TAR)
        await source.reload()
    return source


def _finding(findings: Sequence[Finding], name: str) -> Finding:
    return next(finding for finding in findings if finding.check == name)


async def test_what_is_taken_and_what_is_refused_reaches_the_outbox(tmp_path: Path) -> None:
    settings = configured(tmp_path)
    async with open_services(settings) as services:
        source = await _looked(services, fresh(2), fresh(1), fresh(3, keys=[MALLORY]))
    told = events(settings)
    assert [name for name, _ in told] == [
        "policy.bundle.accepted",
        "policy.bundle.refused",
        "policy.bundle.refused",
    ]
    assert told[0][1]["keys"] == [ALICE.public.id]
    assert [data["reason"] for _, data in told[1:]] == ["policy.bundle_rollback", "policy.bundle_signature"]
    status = bundle_status(source)
    assert status is not None
    assert status["version"] == 2


async def test_the_console_shows_the_files_in_force_and_the_problem(tmp_path: Path) -> None:
    async with open_services(configured(tmp_path)) as services:
        source = await _looked(services, fresh(2), fresh(1))
    overview = PolicyAdapter(source).overview()
    assert [(file.name, file.text.encode()) for file in overview.files] == list(FILES.items())
    assert "older than version 2" in (overview.problem or "")


async def test_the_doctor_says_that_nobody_signed_a_plain_directory(tmp_path: Path) -> None:
    settings = load(data=tmp_path / "data", environment={})
    settings.policy_directory.mkdir(parents=True, mode=0o700)
    settings.data.chmod(0o700)
    (settings.policy_directory / "a.cedar").write_bytes(FILES["10-members.cedar"])
    finding = _finding(await examine(settings, None), "policies")
    assert finding.is_well
    assert "nobody signed" in finding.detail


async def test_the_doctor_verifies_the_bundle_that_was_last_in_force(tmp_path: Path) -> None:
    settings = configured(tmp_path)
    finding = _finding(await examine(settings, None), "policies")
    assert (finding.is_well, "no bundle" in finding.detail) == (False, True)
    async with open_services(settings) as services:
        source = await _looked(services, fresh(2))
    finding = _finding(await examine(settings, None), "policies")
    assert finding.is_well, finding
    assert "version 2, signed by 1 of 1" in finding.detail
    assert source.directory is not None
    (source.directory / "10-members.cedar").write_bytes(OTHER)
    finding = _finding(await examine(settings, None), "policies")
    assert (finding.is_well, "not the file that was signed" in finding.detail) == (False, True)


async def test_the_doctor_tells_of_an_end_that_is_near_and_of_one_that_passed(tmp_path: Path) -> None:
    settings = configured(tmp_path)
    async with open_services(settings) as services:
        source = await _looked(services, fresh(1, days=1.2))
        finding = _finding(await examine(settings, None), "policies")
        assert (finding.is_well, "publish" in finding.remedy) == (False, True)
        source._clock = _Later()
        await source.reload()
    finding = _finding(await examine(settings, None), "policies")
    assert (finding.is_well, "expired" in finding.detail) == (False, True)


class _Later(SystemClock):
    def now(self) -> Any:
        return super().now() + timedelta(days=2)


async def test_without_a_database_the_doctor_says_so_instead_of_trusting(tmp_path: Path) -> None:
    settings = configured(tmp_path)
    settings = replace(settings, storage=replace(settings.storage, url="sqlite:////nowhere/at/all.db"))
    finding = _finding(await examine(settings, None), "policies")
    assert not finding.is_well


async def test_a_directory_that_must_be_signed_is_followed_only_when_it_is(tmp_path: Path) -> None:
    settings = configured(tmp_path, "")
    async with open_services(settings) as services:
        source = policy_source(services)
        settings.policy_directory.mkdir()
        (settings.policy_directory / "10-members.cedar").write_bytes(FILES["10-members.cedar"])
        await source.reload()
        assert len(source.current) == 0
        assert "nobody signed" in (source.problem or "")
        write(fresh(), settings.policy_directory, Form.DIRECTORY)
        await source.reload()
        assert len(source.current) == 1


async def test_an_unsigned_directory_stays_what_it_was_by_default(tmp_path: Path) -> None:
    async with open_services(load(data=tmp_path / "data", environment={})) as services:
        source = policy_source(services)
    assert isinstance(source, PolicySource)
    assert bundle_status(source) is None


@pytest.mark.parametrize("kind", ["url", "git"])
async def test_the_other_sources_are_put_together_from_the_configuration(tmp_path: Path, kind: str) -> None:
    with BundleServer(serving(write_tar(write_layout(fresh())))) as server:
        location = server.url() if kind == "url" else str(tmp_path / "nothing.git")
        settings = configured(tmp_path, f'source = "{kind}"\nlocation = "{location}"')
        async with open_services(settings) as services:
            source = policy_source(services)
            await source.reload()
    if kind == "url":
        assert len(source.current) == 1
    else:
        assert "git fetch" in (source.problem or "")


async def test_a_registry_is_put_together_with_credentials_from_a_file(tmp_path: Path) -> None:
    registry = Registry(password="ada:sesame")
    registry.put(write_layout(fresh()))
    with serving_registry(registry) as server:
        host = server.url("").removeprefix("http://")
        credentials = tmp_path / "registry.json"
        credentials.write_text(json.dumps({"auths": {host: {"auth": base64.b64encode(b"ada:sesame").decode()}}}))
        lines = f'source = "registry"\nlocation = "http://{host}/team/policies:production"\n'
        settings = configured(tmp_path, lines + f'credentials_file = "{credentials}"')
        async with open_services(settings) as services:
            source = policy_source(services)
            await source.reload()
    assert len(source.current) == 1
    with pytest.raises(ConfigurationError, match=r"an artifact (needs a tag|is named)"):
        configured(tmp_path, 'source = "registry"\nlocation = "registry.example.com/team/policies"')


async def test_the_nodes_own_key_is_trusted_where_the_configuration_says_node(tmp_path: Path) -> None:
    from watchword.app.policies import PURPOSE  # noqa: PLC0415  # only here
    from watchword.policy.bundles import RingKey  # noqa: PLC0415  # only here

    file = tmp_path / "watchword.toml"
    file.write_text('[policy]\nsource = "archive"\nkeys = ["node"]\n')
    async with open_services(load(file, data=tmp_path / "data", environment={})) as services:
        source = await _looked(services, fresh())
        assert "0 different keys" in (source.problem or "")
        await services.keys.ensure(PURPOSE)
        write(fresh(1, keys=[RingKey(services.keys.signer(PURPOSE))]), services.settings.bundle_path, Form.TAR)
        assert await source.reload(), source.problem
