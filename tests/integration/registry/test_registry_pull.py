"""Pull from a real registry: the reference implementation of the specification, as Debian packages it."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from bundle_server import BundleServer, authority
from bundle_world import FILES, OTHER, Node, bundle
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from joserfc import jwt
from joserfc.jwk import ECKey
from registry_server import basic, push

from watchword.policy.bundles import (
    ArtifactReference,
    BundleUnreachableError,
    Credentials,
    Form,
    RegistryCarrier,
    write,
)
from watchword.policy.bundles.oci import write_layout

PROGRAM = shutil.which("docker-registry")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs docker-registry (Debian package docker-registry)")
USER = "ada:open sesame"


# bcrypt of the password, at the least cost there is.
HASHED = "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"


STORES: dict[str, Path] = {}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a registry that wants a password."""
    place = tmp_path_factory.mktemp("registry")
    (place / "users").write_text(f"ada:{HASHED}\n")
    with running(place, {"htpasswd": {"realm": "tests", "path": str(place / "users")}}) as found:
        yield found


@contextmanager
def running(place: Path, auth: dict[str, Any]) -> Iterator[str]:
    """Run the real registry on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(place / "store")}},
        "http": {"addr": address},
        "auth": auth,
    }
    (place / "config.yml").write_text(json.dumps(config))
    assert PROGRAM is not None
    with (place / "log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, "serve", str(place / "config.yml")], stdout=log, stderr=log)
    try:
        _wait(f"http://{address}/v2/", process, place / "log")
        STORES[f"http://{address}"] = place / "store"
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(10)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = monotonic() + 20
    while monotonic() < until and process.poll() is None:
        try:
            urlopen(url, timeout=1).close()  # noqa: S310  # our own
        except HTTPError as error:
            error.close()
            return
        except URLError:
            sleep(0.02)
    raise AssertionError(log.read_text())


def carrier(origin: str, wanted: str, user: str = USER) -> RegistryCarrier:
    return RegistryCarrier(
        ArtifactReference.parse(f"{origin}/team/{wanted}"),
        credentials=Credentials(environment={"WATCHWORD_REGISTRY_AUTH": user} if user else {}),
    )


async def test_a_node_follows_a_tag_in_a_real_registry(origin: str, tmp_path: Path) -> None:
    push(origin, write_layout(bundle()), "team/followed", "production", password=USER)
    node = Node(tmp_path, carrier(origin, "followed:production"))
    assert await node.source.reload()
    assert node.version == 1
    assert not await node.source.reload()
    push(origin, write_layout(bundle(2, {**FILES, "b.cedar": OTHER})), "team/followed", "production", password=USER)
    assert await node.source.reload()
    assert node.version == 2
    assert node.source.problem is None


def test_a_pinned_digest_and_the_etag_of_a_real_registry(origin: str) -> None:
    push(origin, write_layout(bundle()), "team/pinned", "v1", password=USER)
    digest = json.loads(write_layout(bundle())["index.json"])["manifests"][0]["digest"]
    assert carrier(origin, f"pinned@{digest}").fetch() == bundle()
    tagged = carrier(origin, "pinned:v1")
    assert tagged.fetch() == bundle()
    assert tagged.fetch() is None
    with pytest.raises(BundleUnreachableError, match="no such artifact"):
        carrier(origin, "pinned:v2").fetch()


@pytest.mark.parametrize("user", ["", "ada:wrong", "eve:open sesame"])
def test_a_real_registry_turns_strangers_away_and_that_is_told(origin: str, user: str) -> None:
    with pytest.raises(BundleUnreachableError, match="does not let this node read"):
        carrier(origin, "pinned:v1", user).fetch()


def test_what_the_usual_tool_pushes_is_taken(origin: str, tmp_path: Path) -> None:
    tool = shutil.which("skopeo")
    if tool is None:
        pytest.skip("skopeo is not here; the same is tested without it")
    write(bundle(), tmp_path / "policies.tar", Form.TAR)
    host = origin.removeprefix("http://")
    auth = {"auths": {host: {"auth": base64.b64encode(USER.encode()).decode()}}}
    (tmp_path / "auth.json").write_text(json.dumps(auth))
    command = [tool, "--insecure-policy", "copy", "--authfile", str(tmp_path / "auth.json"), "--dest-tls-verify=false"]
    places = [f"oci-archive:{tmp_path / 'policies.tar'}", f"docker://{host}/team/copied:v1"]
    subprocess.run([*command, *places], check=True, capture_output=True, timeout=60)
    credentials = Credentials(tmp_path / "auth.json", {})
    reference = ArtifactReference.parse(f"{origin}/team/copied:v1")
    assert RegistryCarrier(reference, credentials=credentials).fetch() == bundle()


class TokenServer:
    """Hands out tokens as the reference's own token servers do, to whoever shows the password."""

    def __init__(self, place: Path) -> None:
        authority(place)
        certificate = load_pem_x509_certificate((place / "ca.pem").read_bytes())
        self._key = ECKey.import_key((place / "key.pem").read_bytes())
        self._header = {"alg": "ES256", "x5c": [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]}
        self.asked: list[str] = []

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        query = parse_qs(urlsplit(request.path).query)
        self.asked += query["scope"]
        kind, name, actions = query["scope"][0].split(":")
        is_known = request.headers.get("Authorization") == basic(USER)
        access = [{"type": kind, "name": name, "actions": actions.split(",")}] if is_known else []
        now = int(time())
        claims = {"iss": "tokens", "sub": "ada", "aud": query["service"][0], "access": access, "jti": "1"}
        claims |= {"iat": now - 1, "nbf": now - 1, "exp": now + 300}
        body = json.dumps({"token": jwt.encode(self._header, claims, self._key)}).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


def test_a_real_registry_is_asked_with_a_token_that_may_pull_one_repository(origin: str, tmp_path: Path) -> None:
    push(origin, write_layout(bundle()), "team/tokens", "v1", password=USER)
    tokens = TokenServer(tmp_path)
    with BundleServer(tokens) as server:
        (tmp_path / "store").symlink_to(STORES[origin])
        settings = {"realm": server.url("/token"), "service": "registry", "issuer": "tokens"}
        auth = {"token": {**settings, "rootcertbundle": str(tmp_path / "ca.pem")}}
        with running(tmp_path, auth) as guarded:
            reference = ArtifactReference.parse(f"{guarded}/team/tokens:v1")
            credentials = Credentials(environment={"WATCHWORD_REGISTRY_AUTH": USER})
            host = server.url("").removeprefix("http://")
            assert RegistryCarrier(reference, credentials=credentials, auth_host=host).fetch() == bundle()
            assert tokens.asked == ["repository:team/tokens:pull"]
            with pytest.raises(BundleUnreachableError, match="does not let this node read"):
                RegistryCarrier(reference, credentials=credentials).fetch()
