"""Attack: somebody reads the disk, the logs and the terminal. None of them holds a secret that opens anything."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from siege import Citizen, SiegeNode, until

from watchword.demo.client import Browser, Page
from watchword.demo.person import Person
from watchword.keys import MasterKey

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
PASSWORD = "correct horse battery staple"  # invented
NEW_PASSWORD = "entirely other horse battery"  # as above
MISTYPED = "corect-horse-batery-staple"  # as above
# What people type into the wrong field.
PASSWORD_AS_NAME = "my password in the wrong field"  # as above
FEED_CREDENTIAL = "credential-of-a-feed"  # as above
PROGRAMS = ("control plane", "envoy", "notes")
_RECOVERY = re.compile(r"<(?:li|code)[^>]*>\s*(?:<code>)?([A-Za-z0-9]{4,6}(?:-[A-Za-z0-9]{4,6})+)")


class Keeper(Browser):
    """A browser that remembers every secret it was ever given."""

    secrets: dict[str, str]

    def _keep_cookies(self, host: str, page: Page) -> None:
        kept = self.__dict__.setdefault("secrets", {})
        for key, line in page.headers:
            name, _, value = line.partition(";")[0].partition("=")
            if key.lower() == "set-cookie" and name.startswith("__Host-") and len(value) > 20:
                kept[value] = f"cookie {name} of {host}"
        query = parse_qs(urlsplit(page.header("location") or "").query)
        for code in query.get("code", []):
            kept[code] = "crossing code"
        super()._keep_cookies(host, page)


def test_no_secret_reaches_disk_logs_terminal_or_the_programs_that_strangers_talk_to(
    make_node: Callable[..., SiegeNode],
) -> None:
    node = make_node(extra={"WATCHWORD_EDGE__ACCESS_LOG": "true", "PARTNER_FEED": FEED_CREDENTIAL})
    node.start()
    environments = {name: Path(f"/proc/{node.pid_of(name)}/environ").read_bytes() for name in PROGRAMS}
    assert {name for name, held in environments.items() if FEED_CREDENTIAL.encode() in held} == {"control plane"}
    secrets: dict[str, str] = {}
    root = Citizen(node, "root", "198.51.100.7")
    root.browser = Keeper(node.proxy_port, node.authority, "198.51.100.7")
    root.enrol(node.up["link"])
    root.enter(f"{node.notes}/")
    link = str(node.command("users", "create", "tom", "--group", "members")["link"])
    tom = Person("tom", Keeper(node.proxy_port, node.authority, "198.51.100.8"), password=PASSWORD)
    secrets |= _a_day_of(tom, node, link)
    for browser in (root.browser, tom.browser):
        secrets |= browser.secrets  # type: ignore[attr-defined]  # a Keeper
    tokens = {url.rpartition("/")[2]: "invitation" for url in (link, node.up["link"])}
    assert len(secrets) > 12, secrets.values()
    until(lambda: node.records("identity.sign_in.failed"))
    assert node.stop() == 0
    files = [*_files(node.data), node.errors]
    assert any(path.name == "access.log" and path.stat().st_size > 500 for path in files)
    for secret, what in (secrets | tokens).items():
        for path in files:
            assert not _holds(path, secret), f"{what} in {path}"
    for secret, what in secrets.items():
        assert not _holds(node.output, secret), f"{what} on the terminal"


def test_the_sealing_key_lies_in_its_own_file_and_nowhere_else(make_node: Callable[..., SiegeNode]) -> None:
    node = make_node(extra={"WATCHWORD_EDGE__ACCESS_LOG": "true"})
    node.start()
    root = Citizen(node, "root", "198.51.100.7")
    root.enrol(node.up["link"])
    node.stop()
    own = node.data / "keys" / "master.key"
    written = own.read_text().strip()
    # As it is written, the letters of it alone, and the very bytes.
    forms = {written.encode(), written[-43:].encode(), base64.urlsafe_b64decode(written[-43:] + "=")}
    assert MasterKey.from_file(own).reveal() in forms
    assert own.stat().st_mode & 0o077 == 0
    for path in [*_files(node.data), node.output, node.errors]:
        if path != own:
            assert not any(form in path.read_bytes() for form in forms), path


def test_nobody_else_on_this_machine_may_read_the_state(make_node: Callable[..., SiegeNode]) -> None:
    node = make_node()
    node.start()
    for path in [node.data, *node.data.rglob("*")]:
        if path == node.data / "ca" / "root.pem":
            continue  # public by nature
        closed_above = any(parent.stat().st_mode & 0o077 == 0 for parent in path.parents if parent != node.own)
        assert closed_above or path.stat().st_mode & 0o077 == 0, path
    assert (node.data / "run").stat().st_mode & 0o077 == 0
    for path in (node.data / "run").glob("*.sock"):
        assert path.stat().st_mode & 0o077 == 0, path


def _a_day_of(tom: Person, node: SiegeNode, link: str) -> dict[str, str]:
    """Do what leaves traces: enrol, sign in, mistype, recover, change the password; return what was secret in it."""
    browser = tom.browser
    tom.enrol(link)
    assert tom._totp is not None
    secret = tom._totp.secret
    codes = _RECOVERY.findall(browser.submit(browser.get(f"{node.portal}/welcome"), "/welcome/recovery-codes").text)
    tom.sign_out(node.portal)
    page = browser.get(f"{node.notes}/")
    page = browser.submit(page, "/sign-in", username="tom", password=MISTYPED)
    page = browser.submit(page, "/sign-in", username=PASSWORD_AS_NAME, password=MISTYPED)
    landed = tom.sign_in(page)
    assert landed.status == 200, landed.url
    changed = browser.submit(
        browser.get(f"{node.portal}/account"),
        "/account/password",
        new_password=NEW_PASSWORD,
        new_password_again=NEW_PASSWORD,
    )
    assert changed.status == 200
    browser.get(f"{node.notes}/why?token=query-strings-are-not-kept")
    browser.get(f"{node.portal}/invite/{'B' * 43}")
    assert len(codes) >= 5
    return {
        PASSWORD: "password",
        NEW_PASSWORD: "password",
        MISTYPED: "mistyped password",
        PASSWORD_AS_NAME: "password typed as a name",
        secret: "secret of the authenticator application",
        "query-strings-are-not-kept": "query string",
        **dict.fromkeys(codes, "recovery code"),
    }


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file())


def _holds(path: Path, secret: str) -> bool:
    content = path.read_bytes()
    forms = {secret, unquote(secret), secret.replace(" ", "+"), secret.replace(" ", "%20"), secret.replace("-", "")}
    forms |= {secret.lower(), secret.upper()}
    return any(form.encode() in content for form in forms) or any(
        form in content for form in _decoded_forms(secret) if len(form) >= 16
    )


def _decoded_forms(secret: str) -> Iterator[bytes]:
    """Yield what a handle or key is when decoded: bytes can be stored too."""
    if re.fullmatch(r"[A-Za-z0-9_-]{43}", secret):
        yield base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    if re.fullmatch(r"[A-Z2-7]{16,}", secret):
        yield base64.b32decode(secret + "=" * (-len(secret) % 8))
