from __future__ import annotations

import re
import sys
from functools import partial
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from watchword.trust.behaviour import Model
from watchword.trust.learning import Evaluation, ExtraMissingError, Plan, Recipe, evaluate
from watchword.trust.learning.batch import Drift, Forest, Night, PeerGroups, Stability
from watchword.trust.learning.batch.nightly import Unusual
from watchword.trust.learning.metrics import CalibrationBin
from watchword.trust.learning.report import (
    attackers_picture,
    calibration_picture,
    contributions_picture,
    decision_page,
    decision_picture,
    drift_picture,
    night_page,
    page,
    png,
    roc_picture,
    sheet,
    svg,
)
from watchword.trust.learning.report.charts import merged, method_name, wilson
from watchword.trust.learning.report.frame import NARROW
from watchword.trust.learning.report.png import _dashes
from watchword.trust.learning.report.scene import Bar, Dot, Ink, Path, Picture, Text
from watchword.trust.synthesis import OrganisationSpec, generate

_HOSTILE = '"><script>alert(1)</script>&'
_PICTURES = [roc_picture, calibration_picture, contributions_picture, attackers_picture]
_NARROW = [partial(make, width=NARROW) for make in _PICTURES]


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
    for part in ("Attacks found", "Do probabilities come true?", "What the score goes by", "Each attacker"):
        assert part in text


def test_the_page_says_which_traffic_it_is_about_and_escapes_its_name(evaluation: Evaluation) -> None:
    assert "Traffic: invented, seed 2." in page(evaluation, source="invented, seed 2")
    assert "<script>" not in page(evaluation, source=_HOSTILE)


def test_the_page_speaks_of_indicators_in_words(evaluation: Evaluation) -> None:
    assert ">Network and place<" in page(evaluation)
    assert ">network</text>" not in page(evaluation)


def test_the_page_has_colours_for_light_and_dark(evaluation: Evaluation) -> None:
    text = page(evaluation)
    used = set(re.findall(r"var\(--(\w+)\)", text))
    light, dark = text.split("@media(prefers-color-scheme:dark)")
    for name in used:
        assert f"--{name}:" in light
        assert f"--{name}:" in dark.split("</style>")[0]


@pytest.mark.parametrize("make", [*_PICTURES, *_NARROW])
def test_every_shape_stands_within_its_picture(evaluation: Evaluation, make: object) -> None:
    assert callable(make)
    picture: Picture = make(evaluation)
    assert len(picture.shapes) > 10
    for shape in picture.shapes:
        points = shape.points if isinstance(shape, Path) else ((shape.x, shape.y),)
        for x, y in points:
            assert -1.0 <= x <= picture.width + 1.0
            assert -1.0 <= y <= picture.height + 1.0


@pytest.mark.parametrize("make", [*_PICTURES, *_NARROW])
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


_DECISION: dict[str, Any] = {
    "id": "dec_1",
    "risk": 88,
    "level": "high",
    "unit": "log-odds",
    "probability": 0.88,
    "versions": {"model": _HOSTILE},
    "contributions": [
        {"indicator": "network", "value": 5.0, "detail": _HOSTILE},
        {"indicator": "prior", "value": -4.0, "detail": ""},
        {"indicator": "hour", "value": 1.0, "detail": ""},
        {"indicator": "reputation", "value": 0.0, "detail": "unknown"},
    ],
}


def test_the_bars_of_a_decision_begin_where_the_last_one_ended_and_lead_to_the_whole() -> None:
    bars = [shape for shape in decision_picture(_DECISION).shapes if isinstance(shape, Bar)]
    prior, network, hour, together = bars
    assert network.x == pytest.approx(prior.x)
    assert hour.x == pytest.approx(network.x + network.width)
    assert together.x + together.width == pytest.approx(hour.x + hour.width)
    assert together.x == pytest.approx(prior.x + prior.width)  # where nothing speaks for anybody


def test_a_decision_on_a_page_is_escaped_and_names_what_could_not_be_told() -> None:
    text = decision_page(_DECISION)
    assert "<script>" not in text
    assert "reputation of the address" in text
    assert "88.0%" in text


def test_points_are_drawn_as_points() -> None:
    points = [{"indicator": "new_device", "value": 30, "detail": "new"}]
    text = decision_page({**_DECISION, "unit": "points", "risk": 30, "contributions": points})
    assert ">+30<" in text
    assert "times likelier" not in text


def test_a_night_of_traffic_is_told_and_escaped() -> None:
    forest = Forest(("a",), (0,), (-1,), (2.0,), (-1,), 4.0, (0.4,))
    peers = PeerGroups({_HOSTILE: 1.0}, {"peers-1": {_HOSTILE: 1.0}}, {"ann": "peers-1"})
    drifted = Drift("network", 0.4, Stability.DRIFTED, -2.0, 1.0, 3.0)
    unusual = Unusual(_HOSTILE, _HOSTILE, 0.0, 0.74, 25.0)
    text = night_page(Night(forest, peers, (unusual,), (drifted,), 640), source=_HOSTILE)
    assert "<script>" not in text
    for words in ("<b>1</b> of 1 indicators drifted", "640 log-ins", "+25.00", "peers-1", "Network and place"):
        assert words in text
    assert "No indicator has drifted" in night_page(Night(forest, None, (), (), 640))


def test_what_moved_is_drawn_from_before_to_now_and_named() -> None:
    found = drift_picture([Drift("network", 0.4, Stability.DRIFTED, -2.0, 1.0, 3.0)])
    assert [shape.words for shape in found.shapes if isinstance(shape, Text)][-1] == "drifted"
    before, _, after = (shape for shape in found.shapes if isinstance(shape, Dot))
    assert before.x < after.x


def test_sparse_bins_are_joined_before_they_are_drawn_and_nothing_is_lost() -> None:
    bins = [CalibrationBin(0.01, 0.0, 900), *(CalibrationBin(0.1 * n, 0.5, 3) for n in range(1, 9))]
    found = merged([*bins, CalibrationBin(0.99, 1.0, 2)])
    assert all(each.count >= 12 for each in found)
    assert sum(each.count for each in found) == 926
    assert sum(each.observed * each.count for each in found) == pytest.approx(14.0)
    assert merged([CalibrationBin(0.5, 0.5, 1)]) == [CalibrationBin(0.5, 0.5, 1)]


def test_methods_have_names_that_people_know() -> None:
    assert method_name("if") == "isolation forest"
    assert method_name("hbos_one_hot") == "HBOS, one column a value"
    assert method_name("watchword, 50 labels") == "Watchword, 50 labels"


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

    assert image.open(BytesIO(png([decision_picture(_DECISION)]))).size[0] > 1000
    found = image.open(BytesIO(sheet(evaluation)))
    assert found.format == "PNG"
    assert found.size[0] > 2000
    assert len(found.convert("RGB").getcolors(10_000_000)) > 50
