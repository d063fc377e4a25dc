"""Score a recorded decision again from what its record says it was read from: the same bits, or why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from watchword.trust.addresses import network_of
from watchword.trust.agents import agent_of
from watchword.trust.behaviour import (
    Excerpt,
    ExcerptError,
    Model,
    Reading,
    Score,
    paths_of,
    restored,
    score,
    score_reading,
    sigmoid,
    values_of,
)
from watchword.trust.context import ContextSource
from watchword.trust.observation import Act, Finding, NetworkTraits, Observation
from watchword.trust.published import FORMAT as PUBLISHED_FORMAT
from watchword.trust.published import LOG_PRIOR, PROFILE, checksum
from watchword.trust.settings import FREEMAN
from watchword.trust.statistical import FORMAT, TRAITS, hushed


class Outcome(StrEnum):
    """How a replay came out."""

    SAME = "same"
    DIFFERENT = "different"
    CANNOT = "cannot"


@dataclass(frozen=True, slots=True)
class Replayed:
    """One decision, scored again.

    Attributes:
        why: nothing where the bits are the same.
        log_odds: as recorded and as computed again; nothing where it could not be.
    """

    id: str
    outcome: Outcome
    why: str = ""
    recorded: float | None = None
    log_odds: float | None = None


def replay(record: Mapping[str, Any], context: ContextSource, model_of: Callable[[str], Model | None]) -> Replayed:
    """Score one record of the journal again; never raises.

    Args:
        record: of a decision whose risk was computed from behaviour.
        context: places as they are known now.
        model_of: the model that has a label, if it is kept.
    """
    name = str(record.get("id"))
    try:
        return _replay(name, record, context, model_of)
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        return Replayed(name, Outcome.CANNOT, f"the record cannot be read ({type(error).__name__})")


def _replay(
    name: str, record: Mapping[str, Any], context: ContextSource, model_of: Callable[[str], Model | None]
) -> Replayed:
    told, inputs = record["behaviour"], record["personal"]["behaviour"]
    if str(told["versions"]["profile"]).partition("/")[0] == FREEMAN:
        return _replay_published(name, record, context)
    if inputs["format"] != FORMAT:
        return Replayed(name, Outcome.CANNOT, "what was read is not recorded in a form that this version knows")
    model = model_of(told["versions"]["model"])
    if model is None:
        return Replayed(name, Outcome.CANNOT, f"the weights `{told['versions']['model']}` are not kept")
    findings = _findings(inputs)
    observation = _observation(record, inputs, context)
    paths = paths_of(observation)
    try:
        profile, population = restored(paths, Excerpt(inputs["read"], inputs["by"], inputs["rest"]))
    except ExcerptError:
        return Replayed(name, Outcome.CANNOT, _elsewhere(told, context), told["log_odds"])
    found = score(observation, profile, population, model, findings, now=observation.at, paths=paths)
    found = hushed(found, inputs["quiet"], model.calibration.probability) if inputs["quiet"] else found
    if _bits(record, told) == _bits_of(found):
        return Replayed(name, Outcome.SAME, "", told["log_odds"], found.log_odds)
    return Replayed(name, Outcome.DIFFERENT, _elsewhere(told, context), told["log_odds"], found.log_odds)


def _replay_published(name: str, record: Mapping[str, Any], context: ContextSource) -> Replayed:
    told, inputs = record["behaviour"], record["personal"]["behaviour"]
    if told["versions"]["profile"] != PROFILE or inputs["format"] != PUBLISHED_FORMAT:
        return Replayed(name, Outcome.CANNOT, "what was read is not recorded in a form that this version knows")
    users, own, everybody, shown, seen, unseen = inputs["read"]
    reading = Reading(users, own, everybody, _tuples(shown), _tuples(seen), tuple(unseen))
    found = score_reading(reading, _findings(inputs), prior=LOG_PRIOR)
    found = hushed(found, inputs["quiet"], sigmoid) if inputs["quiet"] else found
    is_same = checksum(values_of(_seen(record, context))) == inputs["by"] and _bits(record, told) == _bits_of(found)
    outcome, why = (Outcome.SAME, "") if is_same else (Outcome.DIFFERENT, _elsewhere(told, context))
    return Replayed(name, outcome, why, told["log_odds"], found.log_odds)


def _tuples(rows: Any) -> tuple[tuple[int, ...], ...]:
    return tuple([tuple(row) for row in rows])


def _findings(inputs: Mapping[str, Any]) -> list[Finding]:
    return [Finding(indicator, value, "", is_known) for indicator, value, is_known in inputs["findings"]]


def _seen(record: Mapping[str, Any], context: ContextSource) -> Observation:
    """Return what a record says of address and program."""
    personal, ip = record["personal"], str(record["personal"]["ip"])
    agent = agent_of(str(personal["user_agent"]))
    return Observation(str(record["id"]), 0.0, "", Act.REQUEST, ip=ip, place=context.place_of(ip), agent=agent)


def _observation(record: Mapping[str, Any], inputs: Mapping[str, Any], context: ContextSource) -> Observation:
    personal, ip = record["personal"], str(record["personal"]["ip"])
    at = datetime.fromisoformat(record["at"]).replace(second=0, microsecond=0)
    return Observation(
        id=str(record["id"]),
        at=at.timestamp(),
        user=str(record["user"] or ""),
        act=Act.REQUEST,
        is_verified=bool(inputs["is_verified"]),
        ip=ip,
        network=network_of(ip),
        place=context.place_of(ip),
        traits=NetworkTraits(**{trait: True for trait in inputs["traits"] if trait in TRAITS}),
        agent=agent_of(str(personal["user_agent"])),
        utc_offset_s=int(inputs["utc_offset_s"]),
        device=str(record["device"] or ""),
        session=str(record["session"] or ""),
        group=str(inputs["group"]),
        application=str(record["application"] or ""),
        resource=str(record["resource"] or ""),
        action=str(record["action"] or ""),
    )


def _bits(record: Mapping[str, Any], told: Mapping[str, Any]) -> tuple[Any, ...]:
    contributions = sorted((name, float(value)) for name, value in record["contributions"] if value)
    return float(told["probability"]), float(told["log_odds"]), record["risk"], contributions


def _bits_of(found: Score) -> tuple[Any, ...]:
    contributions = sorted((term.indicator, term.value) for term in found.contributions if term.value)
    return found.probability, found.log_odds, found.risk, contributions


def _elsewhere(told: Mapping[str, Any], context: ContextSource) -> str:
    places = "; ".join(context.sources)
    if told["versions"].get("places") != places:
        return f"the data of places are other ones: then {told['versions'].get('places')}, now {places}"
    return "the scorer reads something else than it did then: it is another version, or the record was changed"
