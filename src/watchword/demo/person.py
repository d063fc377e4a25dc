"""What a person does with a browser: enrol, sign in, show a second factor."""

from __future__ import annotations

import re
import time

import pyotp

from watchword.demo.client import Browser, Page

_STEP_S = 30
_KEY = re.compile(r'class="reveal">\s*([A-Z2-7 ]+?)\s*<')


class Person:
    """Somebody with a browser, a password and an authenticator application."""

    def __init__(self, name: str, browser: Browser, *, password: str) -> None:
        self.name = name
        self.browser = browser
        self._password = password
        self._totp: pyotp.TOTP | None = None
        self._last_step = 0

    def enrol(self, link: str) -> Page:
        """Open a one-time link, choose a password, set up the authenticator application."""
        page = self.browser.get(link)
        page = self.browser.submit(
            page,
            "/invite/password",
            display_name=self.name.title(),
            new_password=self._password,
            new_password_again=self._password,
        )
        page = self.browser.submit(page, "/welcome/totp")
        found = _KEY.search(page.text)
        if found is None:
            raise LookupError(f"no key for the authenticator application on the page ({page.status})")
        self._totp = pyotp.TOTP(found[1].replace(" ", ""))
        return self.browser.submit(page, "/welcome/totp/confirm", code=self.code())

    def sign_in(self, page: Page) -> Page:
        """Fill in the sign-in page and the page for the second factor."""
        return self.confirm(self.browser.submit(page, "/sign-in", username=self.name, password=self._password))

    def confirm(self, page: Page) -> Page:
        """Show the second factor."""
        return self.browser.submit(page, "/sign-in/code", code=self.code())

    def sign_out(self, portal: str) -> Page:
        """Leave."""
        return self.browser.submit(self.browser.get(f"{portal}/sign-out"), "/sign-out")

    def code(self) -> str:
        """Return a code that was not used yet.

        A code is good once, and one time step around now is accepted, so three follow each other without waiting.
        """
        assert self._totp is not None
        now_step = int(time.time()) // _STEP_S
        step = max(self._last_step + 1, now_step - 1)
        while step > int(time.time()) // _STEP_S + 1:
            time.sleep(0.2)
        self._last_step = step
        return self._totp.at(step * _STEP_S)
