"""Say who asks for what in the words of relations."""

from __future__ import annotations

from watchword.decision.case import Case
from watchword.decision.sources import Sources
from watchword.policy.relations import RelationSet, objects_of


def relations_of(case: Case, sources: Sources) -> RelationSet:
    """Return what policies may ask of a user's relations; nothing is looked up before they do.

    The user is `user:USR_ID` and a `member` of `group:NAME` for each group of the directory; the objects are
    `resource:APPLICATION/PART` and `application:APPLICATION`.
    """
    assert case.app is not None
    assert case.rule is not None
    assert case.user is not None
    return RelationSet(
        sources.relations(sources.policies().relations),
        case.user.id,
        objects_of(case.app.name, case.rule.name),
        groups=case.user.groups,
        context={"current_time": case.now, "ip": case.request.client_ip},
    )
