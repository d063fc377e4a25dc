"""Read a page as a browser and a screen reader would, and say what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_LABELLED = frozenset({"input", "select", "textarea"})
_EXECUTABLE_URL = re.compile(r"^\s*(javascript|data|vbscript):", re.IGNORECASE)


@dataclass
class Element:
    """A start tag and the text below it."""

    tag: str
    attributes: dict[str, str]
    text: list[str] = field(default_factory=list)
    parent: Element | None = None

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())

    def get(self, name: str) -> str | None:
        return self.attributes.get(name)

    def ancestors(self) -> list[Element]:
        found, above = [], self.parent
        while above is not None:
            found.append(above)
            above = above.parent
        return found


class Document(HTMLParser):
    """Every element of a page, in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.problems: list[str] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        self.problems += [f"<{element.tag}> is never closed" for element in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.problems.append(f"<{tag}> has an attribute twice")
        element = Element(
            tag, {name: value or "" for name, value in attrs}, parent=self._open[-1] if self._open else None
        )
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1].tag != tag:
            self.problems.append(f"</{tag}> closes nothing or the wrong thing")
            while self._open and self._open[-1].tag != tag:
                self._open.pop()
        if self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text.append(data)

    def all(self, *tags: str) -> list[Element]:
        return [element for element in self.elements if element.tag in tags]


def lint(text: str) -> list[str]:
    """Return everything that is wrong; nothing for a sound page."""
    document = Document(text)
    return [*document.problems, *_policy(document), *_structure(document), *_names(document), *_forms(document)]


def _policy(document: Document) -> list[str]:
    found: list[str] = []
    for element in document.elements:
        for name, value in element.attributes.items():
            if name.startswith("on") or name == "style":
                found.append(f"<{element.tag}> has inline {name}")
            if name in {"href", "src", "action", "formaction"} and _EXECUTABLE_URL.match(value):
                found.append(f"<{element.tag}> has an executable {name}")
        if element.tag == "script" and (element.words or not element.get("src") or not element.get("nonce")):
            found.append("a script is inline or has no nonce")
        if element.tag == "style":
            found.append("a style is inline")
        if any(name.startswith("hx-") for name in element.attributes) and not element.get("hx-nonce"):
            found.append(f"<{element.tag}> has htmx attributes without a nonce")
    return found


def _structure(document: Document) -> list[str]:
    found: list[str] = []
    if not (html := document.all("html")) or html[0].get("lang") != "en":
        found.append("no language")
    if len(document.all("title")) != 1 or not document.all("title")[0].words:
        found.append("no title")
    if len(document.all("main")) != 1:
        found.append("not exactly one main")
    if len(document.all("h1")) != 1:
        found.append("not exactly one h1")
    level = 0
    for heading in document.all("h1", "h2", "h3", "h4"):
        if int(heading.tag[1]) > level + 1:
            found.append(f"heading `{heading.words}` skips a level")
        level = int(heading.tag[1])
    ids = [element.get("id") for element in document.elements if element.get("id")]
    found += [f"id `{one}` stands twice" for one in {one for one in ids if ids.count(one) > 1}]
    for element in document.elements:
        for name in ("for", "aria-describedby", "aria-labelledby"):
            found += [f"{name} names no `{one}`" for one in (element.get(name) or "").split() if one not in ids]
        if element.tag == "a" and (href := element.get("href") or "").startswith("#") and href[1:] not in ids:
            found.append(f"link to no `{href}`")
    return found


def _names(document: Document) -> list[str]:
    labelled = {element.get("for") for element in document.all("label")}
    found = [
        f"<{element.tag}> has no name"
        for element in document.all("a", "button", "summary")
        if not (element.words or element.get("aria-label"))
    ]
    for element in document.all(*_LABELLED):
        is_hidden = element.get("type") == "hidden" or element.get("aria-hidden") == "true"
        if not is_hidden and element.get("id") not in labelled and not element.get("aria-label"):
            found.append(f"field `{element.get('name')}` has no label")
    for element in document.all("svg"):
        if element.get("aria-hidden") != "true" and not element.get("aria-label"):
            inside = any(above.get("aria-label") for above in element.ancestors())
            if not inside:
                found.append("a picture has no words")
    landmarks = document.all("nav")
    found += [
        "a landmark has no name" for one in landmarks if not (one.get("aria-label") or one.get("aria-labelledby"))
    ]
    return found


def _forms(document: Document) -> list[str]:
    found = [
        f"field `{element.get('name')}` has no autocomplete"
        for element in document.all("input")
        if element.get("type") in {"text", "password", "email"} and not element.get("autocomplete")
    ]
    for form in document.all("form"):
        inside = [one for one in document.elements if form in one.ancestors()]
        names = {one.get("name") for one in inside if one.tag == "input"}
        if form.get("method") == "post" and "csrf" not in names:
            found.append(f"form to `{form.get('action')}` has no token")
        if not any(one.tag == "button" for one in inside):
            found.append(f"form to `{form.get('action')}` has no button")
    return found
