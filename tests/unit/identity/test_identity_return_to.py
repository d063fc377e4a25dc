from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword.identity import safe_return_to

PORTAL = "https://watchword.localhost:8443"
NOTES = "https://notes.localhost:8443"
ALLOWED = (PORTAL, NOTES)


@pytest.mark.parametrize(
    "url",
    [
        "/",
        "/account?tab=sessions#top",
        "/a//b",
        "/a/../b",
        "/%2f%2fevil.example",
        "/a;b=c@d:e",
        NOTES,
        NOTES + "/",
        NOTES + "/notes/7?x=https://evil.example/",
        NOTES + "?q=1",
        NOTES + "#x",
    ],
)
def test_an_address_on_an_origin_of_ours_is_kept(url: str) -> None:
    assert safe_return_to(url, ALLOWED) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/ /evil.example",
        "/\x00/evil.example",
        "https:evil.example",
        "https:/evil.example",
        "https:///evil.example",
        "https://evil.example",
        "HTTPS://NOTES.localhost:8443/",
        "http://notes.localhost:8443/",
        "https://notes.localhost/",
        "https://notes.localhost:8444/",
        "https://notes.localhost:84430/",
        "https://notes.localhost:8443@evil.example/",
        "https://notes.localhost:8443.evil.example/",
        "https://notes.localhost:8443:80/",
        "https://notes.localhost:8443\\@evil.example/",
        "https://notes.localhost:8443\\.evil.example",
        "https://notes.localhost:8443%2eevil.example/",
        "https://user@notes.localhost:8443/",
        "https://user:pass@notes.localhost:8443/",
        "https://notes.localhost.:8443/",
        "https://evil.notes.localhost:8443/",
        "https://notes.localhost:8443/\x7f",
        "https://notes.localhost:8443/\r\nset-cookie:x=1",
        "https://notes.localhost:8443/ü",
        "https://notes.localhost:8443/<script>",
        'https://notes.localhost:8443/"',
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "blob:https://notes.localhost:8443/x",
        "notes.localhost:8443/",
        "?x",
        "#x",
        "account",
        "./account",
        "\ud800",
        "/\ud800",
        "/\u2028",
        "\uff0f\uff0fevil.example",
        "https://notes\u3002localhost:8443/",
        "/" + "a" * 1024,
        " https://notes.localhost:8443/",
        "https://notes.localhost:8443/ ",
        "https://notes.localhost:8443/#a#b",
        # Whoever takes the origin off is left with the address of another host.
        "https://notes.localhost:8443//evil.example",
        "https://watchword.localhost:8443//evil.example/",
        "https://watchword.localhost:8443///evil.example",
        "/[x",
    ],
)
def test_an_open_redirect_is_refused(url: str) -> None:
    assert safe_return_to(url, ALLOWED) is None


_HOSTILE = st.text(alphabet=st.sampled_from("/\\:@.?#%&;\t\n\r \x00aehlpstv0123456789-[]"), max_size=30)


@given(st.one_of(_HOSTILE, _HOSTILE.map(lambda tail: NOTES + tail), _HOSTILE.map(lambda tail: "/" + tail)))
def test_whatever_is_kept_leads_to_an_origin_of_ours_as_a_browser_reads_it(url: str) -> None:
    kept = safe_return_to(url, ALLOWED)
    if kept is not None:
        parts = urlsplit(urljoin(PORTAL + "/sign-in", kept))
        assert f"{parts.scheme}://{parts.netloc}" in ALLOWED
        rest = kept.removeprefix(NOTES).removeprefix(PORTAL) or "/"
        assert urlsplit(urljoin(PORTAL + "/sign-in", rest)).netloc == urlsplit(PORTAL).netloc
        assert not set(kept) & set("\\\t\r\n \x00")


def test_without_origins_only_a_path_is_kept() -> None:
    assert safe_return_to(NOTES + "/", ()) is None
    assert safe_return_to("/x", ()) == "/x"
