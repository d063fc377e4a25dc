"""Bundles from a registry: what is asked for, who gets to see the password, and what a wicked registry cannot do."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from bundle_server import BundleServer, authority, redirecting
from bundle_world import FILES, OTHER, Node, bundle
from registry_server import MANIFEST_TYPE, Registry, basic, serving

from watchword.policy.bundles import (
    AUTH_VARIABLE,
    ArtifactReference,
    BundleKeyError,
    BundleMalformedError,
    BundleUnreachableError,
    Credentials,
    RegistryCarrier,
)
from watchword.policy.bundles.oci import write_layout

PASSWORD = "ada:open sesame"  # of a server of our own
LAYOUT = write_layout(bundle())


def held(**options: Any) -> Registry:
    registry = Registry(**options)
    registry.put(LAYOUT)
    return registry


def carrier(server: BundleServer, wanted: str = ":production", **options: Any) -> RegistryCarrier:
    options.setdefault("credentials", Credentials(environment={}))
    return RegistryCarrier(ArtifactReference.parse(f"{server.url('')}/team/policies{wanted}"), **options)


def known() -> Credentials:
    return Credentials(environment={AUTH_VARIABLE: PASSWORD})


def authorizations(server: BundleServer, path: str = "") -> set[str | None]:
    return {headers.get("Authorization") for asked, headers in server.asked if asked.startswith(path)}


# --- what is pulled ---------------------------------------------------------------------------------------------------


def test_a_bundle_is_pulled_once_and_again_when_its_tag_moves() -> None:
    registry = held()
    with serving(registry) as server:
        pulled = carrier(server)
        assert pulled.fetch() == bundle()
        asked = len(server.asked)
        assert pulled.fetch() is None
        assert len(server.asked) == asked + 1  # the manifest alone
        registry.put(write_layout(bundle(2, {**FILES, "b.cedar": OTHER})))
        assert pulled.fetch() == bundle(2, {**FILES, "b.cedar": OTHER})
        assert pulled.fetch() is None
    assert authorizations(server) == {None}


def test_a_registry_that_ignores_entity_tags_is_not_asked_for_blobs_it_served() -> None:
    registry = held()
    with serving(registry) as server:
        pulled = carrier(server)
        pulled.fetch()
        real = server.answer

        def forgetful(request: BaseHTTPRequestHandler) -> None:
            del request.headers["If-None-Match"]
            real(request)

        server.answer, asked = forgetful, len(server.asked)
        assert pulled.fetch() is None
        assert len(server.asked) == asked + 1


def test_a_pinned_digest_is_taken_whatever_the_tag_says_and_asked_for_once() -> None:
    registry = Registry()
    digest = registry.put(LAYOUT)
    registry.put(write_layout(bundle(2)))
    with serving(registry) as server:
        pulled = carrier(server, f":production@{digest}")
        assert pulled.fetch() == bundle()
        asked = len(server.asked)
        assert pulled.fetch() is None
        assert len(server.asked) == asked


# --- who asks ---------------------------------------------------------------------------------------------------------


def test_a_password_is_shown_when_it_is_asked_for_and_not_before() -> None:
    registry = held(password=PASSWORD)
    with serving(registry) as server:
        assert carrier(server, credentials=known()).fetch() == bundle()
        assert server.asked[0][1].get("Authorization") is None
        with pytest.raises(BundleUnreachableError, match=r"does not let this node read the artifact \(401\)"):
            carrier(server).fetch()


def test_a_token_is_asked_for_this_repository_alone_and_kept_for_the_next_look() -> None:
    registry = held(password=PASSWORD, tokens=True)
    with serving(registry) as server:
        pulled = carrier(server, credentials=known())
        assert pulled.fetch() == bundle()
        assert pulled.fetch() is None
        # The challenge named another scope; what is asked for is ours to say.
        assert registry.token_queries == [{"service": ["own"], "scope": ["repository:team/policies:pull"]}]
        assert authorizations(server, "/v2/") == {None, f"Bearer {registry.given}"}
        registry.given = "another-token"
        registry.put(write_layout(bundle(2)))
        assert pulled.fetch() == bundle(2)
        assert len(registry.token_queries) == 2


def test_a_registry_cannot_collect_the_password_at_an_address_of_its_choosing() -> None:
    registry, thief = held(password=PASSWORD, tokens=True), Registry(password=PASSWORD, tokens=True)
    with serving(registry) as server, serving(thief) as elsewhere:
        registry.realm = elsewhere.url("/token")
        pulled = carrier(server, credentials=known())
        with pytest.raises(BundleUnreachableError) as refused:
            pulled.fetch()
        assert authorizations(elsewhere) == {None}
        assert "policy.auth_host" in str(refused.value.hint)
        named = elsewhere.url("").removeprefix("http://")
        assert carrier(server, credentials=known(), auth_host=named).fetch() == bundle()
        assert authorizations(elsewhere) == {None, basic(PASSWORD)}


@pytest.mark.parametrize(
    "realm",
    ["ftp://127.0.0.1/token", "http://192.0.2.1/token", "https://u:p@example.org/", "//x", "/token", "https://"],
)
def test_a_token_is_not_asked_for_where_no_bundle_may_come_from(realm: str) -> None:
    registry = held(password=PASSWORD, tokens=True)
    registry.realm = realm
    with serving(registry) as server, pytest.raises(BundleUnreachableError, match=r"not allowed|cannot be asked"):
        carrier(server, credentials=known()).fetch()


@pytest.mark.parametrize("given", ["a\r\nX: y", "a b", "", "é", "x" * 20_000])
def test_a_token_that_would_bring_headers_of_its_own_is_no_token(given: str) -> None:
    registry = held(password=PASSWORD, tokens=True)
    registry.given = given
    with serving(registry) as server, pytest.raises(BundleUnreachableError, match="gives no token"):
        carrier(server, credentials=known()).fetch()


def test_a_store_that_blobs_are_redirected_to_sees_no_credentials() -> None:
    registry = held(password=PASSWORD, tokens=True)
    with serving(registry) as server, serving(registry) as store:
        registry.blobs_at = store.url("")
        assert carrier(server, credentials=known()).fetch() == bundle()
        assert {path.split("/")[1] for path, _ in store.asked} == {"store"}
        assert authorizations(store) == {None}


def test_credentials_come_from_a_file_as_the_usual_tools_write_it_and_are_never_shown(tmp_path: Path) -> None:
    registry = held(password=PASSWORD)
    with serving(registry) as server:
        host = server.url("").removeprefix("http://")
        path = tmp_path / "auth.json"
        secret = base64.b64encode(PASSWORD.encode()).decode()
        path.write_text(json.dumps({"auths": {host: {"auth": secret}, "other.example": {"auth": "eDp5"}}}))
        credentials = Credentials(path, {})
        pulled = carrier(server, credentials=credentials)
        assert pulled.fetch() == bundle()
        assert "sesame" not in repr(pulled) + repr(credentials) + repr(known())
        assert credentials.basic("elsewhere.example") is None
        wrongs = ("{", "[]", '{"auths": 1}', json.dumps({"auths": {host: {"auth": "!" + secret}}}), "{}")
        for wrong in (*wrongs, json.dumps({"auths": {host: {}}, "credsStore": "pass"})):
            path.write_text(wrong)
            with pytest.raises(BundleKeyError) as refused:
                carrier(server, credentials=credentials).fetch()
            assert secret not in str(refused.value)
            assert refused.value.__cause__ is None
        with pytest.raises(BundleKeyError):
            Credentials(tmp_path / "none", {}).basic(host)
        with pytest.raises(BundleKeyError, match="is not `user:password`"):
            Credentials(environment={AUTH_VARIABLE: "sesame"}).basic(host)


# --- a wicked registry ------------------------------------------------------------------------------------------------


def tampered(registry: Registry, change: Any) -> None:
    manifest = json.loads(registry.manifests["team/policies", "production"])
    change(manifest)
    registry.manifests["team/policies", "production"] = json.dumps(manifest).encode()


def swap_a_blob(registry: Registry) -> None:
    digest = json.loads(registry.manifests["team/policies", "production"])["layers"][1]["digest"]
    registry.blobs[digest] = bytes(reversed(registry.blobs[digest]))


def lengthen_a_blob(registry: Registry) -> None:
    digest = json.loads(registry.manifests["team/policies", "production"])["layers"][1]["digest"]
    registry.blobs[digest] += b" "


def announce(size: Any) -> Any:
    return lambda registry: tampered(registry, lambda manifest: manifest["layers"][1].update(size=size))


WICKED = {
    "another blob under the digest": swap_a_blob,
    "a blob that goes on": lengthen_a_blob,
    "a size that no bundle has": announce(1 << 40),
    "a size below nothing": announce(-1),
    "a size that is no number": announce("12"),
    "a digest that climbs": lambda registry: tampered(
        registry, lambda manifest: manifest["layers"][1].update(digest="sha256:../../x")
    ),
    "more layers than any bundle": lambda registry: tampered(
        registry, lambda manifest: manifest["layers"].extend(manifest["layers"] * 2000)
    ),
    "an image": lambda registry: tampered(registry, lambda manifest: manifest.update(artifactType="image")),
    "no layers": lambda registry: tampered(registry, lambda manifest: manifest.pop("layers")),
    "a list of manifests": lambda registry: setattr(
        registry, "manifest_type", "application/vnd.oci.image.index.v1+json"
    ),
    "no JSON": lambda registry: registry.manifests.update({("team/policies", "production"): b"<html>"}),
    "a manifest without end": lambda registry: registry.manifests.update(
        {("team/policies", "production"): b" " * (3 << 20)}
    ),
}


@pytest.mark.parametrize("trick", WICKED)
def test_a_wicked_registry_is_refused(trick: str) -> None:
    registry = held()
    WICKED[trick](registry)
    with serving(registry) as server, pytest.raises(BundleMalformedError):
        carrier(server).fetch()


def test_another_manifest_under_a_pinned_digest_is_refused() -> None:
    registry = Registry()
    digest = registry.put(LAYOUT)
    other = registry.put(write_layout(bundle(9)))
    registry.manifests["team/policies", digest] = registry.manifests["team/policies", other]
    with serving(registry) as server:
        with pytest.raises(BundleMalformedError, match="not what its digest says"):
            carrier(server, f"@{digest}").fetch()
        assert len(server.asked) == 1


def test_a_manifest_whose_own_digest_is_denied_by_its_header_is_refused() -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        for name, value in (("Content-Type", MANIFEST_TYPE), ("Docker-Content-Digest", f"sha256:{'0' * 64}")):
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(b"{}")

    with BundleServer(answer) as server, pytest.raises(BundleMalformedError, match="not what its digest says"):
        carrier(server).fetch()


@pytest.mark.parametrize("location", ["https://example.org/x", "file:///etc/passwd", "", "http://192.0.2.1/x"])
def test_a_redirect_to_an_address_that_no_bundle_may_come_from_is_not_followed(location: str) -> None:
    with BundleServer(redirecting(location)) as server, pytest.raises(BundleUnreachableError, match="not allowed"):
        carrier(server).fetch()


def test_redirects_without_end_and_a_registry_that_dawdles_are_left() -> None:
    with BundleServer(redirecting("/v2/again")) as server, pytest.raises(BundleUnreachableError, match="more than 3"):
        carrier(server).fetch()
    hold = threading.Event()

    def dawdle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.flush()
        hold.wait(30)

    with BundleServer(dawdle) as server:
        try:
            with pytest.raises(BundleUnreachableError, match="took too long"):
                carrier(server, whole_s=0.2).fetch()
        finally:
            hold.set()


def test_a_registry_that_is_missing_the_artifact_or_answers_nonsense_is_told_as_such(tmp_path: Path) -> None:
    with serving(Registry()) as server, pytest.raises(BundleUnreachableError, match="no such artifact"):
        carrier(server).fetch()

    def broken(request: BaseHTTPRequestHandler) -> None:
        request.send_response(503)
        request.end_headers()

    with BundleServer(broken) as server:
        with pytest.raises(BundleUnreachableError, match="the registry answers 503"):
            carrier(server).fetch()
        gone = carrier(server)
    with pytest.raises(BundleUnreachableError, match="cannot be asked"):
        gone.fetch()
    with BundleServer(broken, context=authority(tmp_path)) as server:
        with pytest.raises(BundleUnreachableError, match="certificate"):
            carrier(server).fetch()
        with pytest.raises(BundleUnreachableError, match="answers 503"):
            carrier(server, ca_file=tmp_path / "ca.pem").fetch()


async def test_a_node_follows_a_registry_and_never_takes_an_older_bundle_from_it(tmp_path: Path) -> None:
    registry = Registry()
    registry.put(write_layout(bundle(2)))
    with serving(registry) as server:
        node = Node(tmp_path, carrier(server))
        await node.source.reload()
        assert node.version == 2
        registry.put(LAYOUT)
        await node.source.reload()
        assert node.version == 2
        assert node.alarm.reasons() == ["policy.bundle_rollback"]


# --- names ------------------------------------------------------------------------------------------------------------


def test_an_artifact_is_named_as_people_do() -> None:
    found = ArtifactReference.parse("registry.example.com:5000/a/b_c/d-e:v1.2")
    assert found == ArtifactReference("https://registry.example.com:5000", "a/b_c/d-e", "v1.2")
    digest = hashlib.sha256(b"x").hexdigest()
    pinned = ArtifactReference.parse(f"[2001:db8::1]/a@sha256:{digest}")
    assert pinned.manifest_url == f"https://[2001:db8::1]/v2/a/manifests/sha256:{digest}"
    assert ArtifactReference.parse("http://127.0.0.1:5000/a:b").origin == "http://127.0.0.1:5000"


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "example.com/a", "example.com/A:b", "example.com/a//b:c", "example.com/../a:b", "example.com/a:b c",
        "http://example.com/a:b", "u:p@example.com/a:b", "example.com/a:b@sha256:00", "example.com/a:b?x=y",
        "example.com/a:b#c", "ftp://example.com/a:b", "example.com:99999/a:b", "example.com/" + "a" * 300 + ":b",
    ],
)  # fmt: skip
def test_what_names_no_artifact_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ArtifactReference.parse(text)
