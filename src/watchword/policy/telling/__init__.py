"""Own what is told of policies: explanations in words, for administrators and for the person refused.

Publishes `for_administrators`, `for_the_refused`, `recollect`. Refuses to tell a refused person anything of a policy.
"""

from watchword.policy.telling.recorded import Recollection, recollect
from watchword.policy.telling.words import (
    ASK_SOMEBODY,
    as_json,
    briefly,
    conditions_of,
    for_administrators,
    for_the_refused,
)

__all__ = [
    "ASK_SOMEBODY",
    "Recollection",
    "as_json",
    "briefly",
    "conditions_of",
    "for_administrators",
    "for_the_refused",
    "recollect",
]
