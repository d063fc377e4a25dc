"""A real Chromium that trusts one local authority, with a home of its own and, where wanted, an authenticator."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

from watchword.keys import trust_in_nss

_ARGUMENTS = (
    "--no-sandbox",  # tests run as root in containers
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
)
_WITHIN_MS = 10_000


def require_chromium() -> str:
    """Return the path of Chromium, or skip with the package named."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    if shutil.which("certutil") is None:
        pytest.skip("needs certutil: apt-get install libnss3-tools")
    return found


@contextmanager
def chromium(root_file: Path, home: Path) -> Iterator[Browser]:
    """Start Chromium, with a home directory of its own that trusts the root."""
    executable = require_chromium()
    trust_in_nss(root_file, home=home)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            headless=True,
            args=list(_ARGUMENTS),
            env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")},
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Person:
    """One person's browser window.

    Attributes:
        complaints: what the console of the browser said: violations of the policy, errors of scripts.
    """

    context: BrowserContext
    page: Page
    devtools: CDPSession
    complaints: list[str] = field(default_factory=list)
    authenticator: str = ""

    def give_authenticator(self, *, answers: bool = True) -> None:
        """Plug in an authenticator that holds passkeys and verifies its user.

        Args:
            answers: whether the user touches it by themselves; otherwise it waits.
        """
        self.devtools.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": answers,
        }
        added = self.devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self.authenticator = str(added["authenticatorId"])

    def credentials(self) -> list[dict[str, Any]]:
        """Return what the authenticator holds."""
        found = self.devtools.send("WebAuthn.getCredentials", {"authenticatorId": self.authenticator})
        credentials: list[dict[str, Any]] = found["credentials"]
        return credentials

    def take_credential(self, credential: dict[str, Any]) -> None:
        """Put a credential of another authenticator into this one."""
        self.devtools.send("WebAuthn.addCredential", {"authenticatorId": self.authenticator, "credential": credential})


def person(browser: Browser, *, autofill: bool = False, **options: Any) -> Person:
    """Open a window with nothing in it.

    Args:
        browser: where.
        autofill: whether the browser offers passkeys by itself; an authenticator of a test takes such an offer at once,
            before a test could look at the page.
        options: of the context.
    """
    context = browser.new_context(**options)
    if not autofill:
        context.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false;")
    context.set_default_timeout(_WITHIN_MS)
    page = context.new_page()
    found = Person(context, page, context.new_cdp_session(page))

    def hear(message: Any) -> None:
        # A page that answers 4xx is told to the console by Chromium itself; that is not a complaint.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            found.complaints.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    return found
