"""Render templates: everything escaped, a nonce for each page, the security headers beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from watchword.console import words
from watchword.console.assets import Assets
from watchword.kernel import Entropy
from watchword.policy.telling import conditions_of
from watchword.trust import attributions, country_name, factor_words, indicator_words, told_of

_NONCE_BYTES = 18
_MESSAGES = 256
_NO_PROBLEMS: Mapping[str, str] = MappingProxyType({})

# What every answer carries, whatever it is; pages add the content security policy.
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        # Not `no-referrer`: that makes browsers send `Origin: null` with our own forms.
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), "
        "geolocation=(), microphone=(), payment=(), usb=()",
        "x-permitted-cross-domain-policies": "none",
    }
)
NOTHING_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class Page:
    """What every template may know of the page it makes.

    Attributes:
        csrf: the token for this visitor's forms.
        nonce: fresh for each page; nothing for a fragment of one, whose own nonce stays in force.
        problems: field name (or empty for the whole form) to what is wrong with it.
        scripts: names of static files to run.
    """

    csrf: str = ""
    nonce: str = ""
    zone: str = "UTC"
    section: str = ""
    tab: str = ""
    notice: str = ""
    problems: Mapping[str, str] = field(default_factory=lambda: _NO_PROBLEMS)
    problems_title: str = "There is a problem"
    scripts: tuple[str, ...] = ()


class Pages:
    """The templates, loaded once.

    Attributes:
        message: renders a page that says one thing; the newest 256 are remembered.
    """

    def __init__(self, assets: Assets, entropy: Entropy) -> None:
        self._entropy = entropy
        # Everything is escaped, whatever the template is called, and a name that is not given is an error.
        self._environment = Environment(
            loader=PackageLoader("watchword.console", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals.update(asset=assets.url, integrity=assets.integrity, network_data=attributions())
        # A page that says one thing and asks nothing holds no token, no nonce and no time: same words, same page.
        # Prevents: a flood of guesses, each told to wait, costing us more than it costs whoever sends them.
        self.message = lru_cache(maxsize=_MESSAGES)(self._render_message)
        self._environment.filters.update(
            iso=words.iso,
            moment=words.moment,
            clock=words.clock,
            span=words.span,
            ago=words.ago,
            ahead=words.ahead,
            answer_words=words.answer_words,
            microseconds=words.microseconds,
            country_name=country_name,
            factor_words=factor_words,
            indicator_words=indicator_words,
            told_of=told_of,
            sentence=words.sentence,
            percent=words.percent,
            anchor=anchor,
            conditions=conditions_of,
        )

    def nonce(self) -> str:
        """Make a nonce that nobody can guess."""
        return base64.b64encode(self._entropy.token_bytes(_NONCE_BYTES)).decode()

    def render(self, template: str, page: Page, **values: Any) -> str:
        """Render one template."""
        return self._environment.get_template(template).render(page=page, **values)

    def _render_message(self, **values: Any) -> bytes:
        return self.render("message.html", Page(), form_action="", form_label="", **values).encode()


def content_security_policy(page: Page, *, form_targets: tuple[str, ...] = ()) -> str:
    """Write the policy of a page: our own files only, scripts by nonce, no sink that takes a string.

    Args:
        page: its nonce, and whether htmx, the one script that writes markup, is on it.
        form_targets: further origins that a form may lead to by redirection: Chromium holds `form-action` against
            every hop.
    """
    has_htmx = any(script.startswith("htmx/") for script in page.scripts)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{page.nonce}' 'strict-dynamic'" if page.scripts else "script-src 'none'",
            "style-src 'self'",
            "font-src 'self'",
            "img-src 'self'",
            "connect-src 'self'" if has_htmx else "connect-src 'none'",
            " ".join(("form-action 'self'", *form_targets)),
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types htmx" if has_htmx else "trusted-types 'none'",
        )
    )


def anchor(policy_id: str) -> str:
    """Turn a policy's name into a fragment that needs no escaping."""
    return "p-" + "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in policy_id)[:80]
