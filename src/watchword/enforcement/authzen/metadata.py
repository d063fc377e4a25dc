"""What a caller can find out about this decision point before it asks.

Source: Authorization API 1.0, "Policy Decision Point Metadata"; the obligations profile, "Discovery".
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from watchword.enforcement.authzen.duties import ISSUED

WELL_KNOWN: Final = "/.well-known/authzen-configuration"
OPENAPI: Final = "/access/v1/openapi.json"


class Endpoint(NamedTuple):
    """One endpoint of the API.

    Attributes:
        parameter: its name in the metadata.
    """

    path: str
    parameter: str


EVALUATION: Final = Endpoint("/access/v1/evaluation", "access_evaluation_endpoint")
EVALUATIONS: Final = Endpoint("/access/v1/evaluations", "access_evaluations_endpoint")
SEARCH_SUBJECT: Final = Endpoint("/access/v1/search/subject", "search_subject_endpoint")
SEARCH_RESOURCE: Final = Endpoint("/access/v1/search/resource", "search_resource_endpoint")
SEARCH_ACTION: Final = Endpoint("/access/v1/search/action", "search_action_endpoint")
ENDPOINTS: Final = (EVALUATION, EVALUATIONS, SEARCH_SUBJECT, SEARCH_RESOURCE, SEARCH_ACTION)


def metadata(origin: str) -> dict[str, Any]:
    """Return the metadata document.

    Args:
        origin: `https://host[:port]`, without a path; callers compare it with where they asked.
    """
    endpoints = {endpoint.parameter: origin + endpoint.path for endpoint in ENDPOINTS}
    return {"policy_decision_point": origin, **endpoints, "supported_obligations": list(ISSUED)}
