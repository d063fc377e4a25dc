from __future__ import annotations

import re
import sys
from xml.etree import ElementTree as ET

import pytest

from watchword.trust.behaviour import Model
from watchword.trust.learning import Evaluation, ExtraMissingError, Plan, Recipe, evaluate
from watchword.trust.learning.report import calibration_picture, contributions_picture, page, roc_picture, sheet, svg
from watchword.trust.learning.report.charts import wilson
from watchword.trust.learning.report.png import _dashes
from watchword.trust.learning.report.scene import Bar, Dot, Ink, Path, Picture, Text
from watchword.trust.synthesis import OrganisationSpec, generate

_HOSTILE = '"><script>alert(1)</script>&'


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    spec = OrganisationSpec(
        users=24, days=24, attackers=("naive", "vpn"), incidents=20, requests_a_session=0.0, quiet_days=8
    )
    model = Model(name=_HOSTILE)
    return evaluate(generate(spec, seed=2), model, Plan(labels=20, recipe=Recipe(least_labels=16)))


def test_the_page_needs_nothing_from_elsewhere(evaluation: Evaluation) -> None:
    text = page(evaluation)
    assert "http://" not in text
    assert "https://" not in text
    assert re.search(r"<script|\bon\w+=|@import|url\(", text) is None
    assert "default-src 'none'" in text


def test_words_of_a_model_are_escaped(evaluation: Evaluation) -> None:
    assert "<script>" not in page(evaluation)
    assert "&lt;script&gt;" in page(evaluation)


def test_the_page_tells_the_figures(evaluation: Evaluation) -> None:
    text = page(evaluation)
    assert f"{evaluation.own.by_attacker['all'].auc:.3f}" in text
    assert evaluation.with_labels is not None
    assert f"{evaluation.with_labels.by_attacker['all'].auc:.3f} with 20 labels" in text
    for part in ("Attacks found", "Do probabilities come true?", "What the score goes by", "Drift of indicators"):
        assert part in text


def test_the_page_has_colours_for_light_and_dark(evaluation: Evaluation) -> None:
    text = page(evaluation)
    used = set(re.findall(r"var\(--(\w+)\)", text))
    light, dark = text.split("@media(prefers-color-scheme:dark)")
    for name in used:
        assert f"--{name}:" in light
        assert f"--{name}:" in dark.split("</style>")[0]


@pytest.mark.parametrize("make", [roc_picture, calibration_picture, contributions_picture])
def test_every_shape_stands_within_its_picture(evaluation: Evaluation, make: object) -> None:
    assert callable(make)
    picture: Picture = make(evaluation)
    assert len(picture.shapes) > 10
    for shape in picture.shapes:
        points = shape.points if isinstance(shape, Path) else ((shape.x, shape.y),)
        for x, y in points:
            assert -1.0 <= x <= picture.width + 1.0
            assert -1.0 <= y <= picture.height + 1.0


@pytest.mark.parametrize("make", [roc_picture, calibration_picture, contributions_picture])
def test_a_picture_is_well_formed_and_says_what_it_shows(evaluation: Evaluation, make: object) -> None:
    assert callable(make)
    found = ET.fromstring(svg(make(evaluation)))  # noqa: S314  # we wrote it
    assert found.attrib["role"] == "img"
    assert found.attrib["aria-label"]


def test_a_hostile_word_in_a_picture_is_escaped() -> None:
    shapes = (Text(0, 0, _HOSTILE), Dot(0, 0, 1, Ink.OWN, _HOSTILE), Bar(0, 0, 1, 1, Ink.OWN, _HOSTILE))
    drawn = svg(Picture(_HOSTILE, _HOSTILE, 10, 10, (*shapes, Path(((0, 0),), Ink.OWN))))
    assert "<script" not in drawn
    ET.fromstring(drawn)  # noqa: S314  # as above


def test_dashes_run_on_from_stroke_to_stroke_and_never_beyond() -> None:
    found = _dashes([(0.0, 0.0), (10.0, 0.0), (10.0, 0.0), (10.0, 10.0)])
    assert found[0] == ((0.0, 0.0), (5.0, 0.0))
    assert found[1] == ((9.0, 0.0), (10.0, 0.0))
    assert found[2] == ((10.0, 0.0), (10.0, 4.0))
    assert all(0.0 <= value <= 10.0 for stroke in found for point in stroke for value in point)


def test_where_a_share_may_lie_is_wider_for_few_and_never_beyond_certainty() -> None:
    assert wilson(0.5, 10) == (pytest.approx(0.2366, abs=1e-3), pytest.approx(0.7634, abs=1e-3))
    assert wilson(0.0, 3)[0] == 0.0
    assert wilson(1.0, 3)[1] == 1.0
    assert wilson(0.5, 1000)[1] < wilson(0.5, 10)[1]


def test_without_pillow_a_png_says_what_to_install(evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ExtraMissingError, match="pillow"):
        sheet(evaluation)


def test_the_pictures_as_png(evaluation: Evaluation) -> None:
    image = pytest.importorskip("PIL.Image", reason="drawn only in the environment of requirements/bench.txt")
    from io import BytesIO  # noqa: PLC0415  # only here

    found = image.open(BytesIO(sheet(evaluation)))
    assert found.format == "PNG"
    assert found.size[0] > 2000
    assert len(found.convert("RGB").getcolors(10_000_000)) > 50
