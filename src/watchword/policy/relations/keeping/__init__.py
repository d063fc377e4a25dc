"""Own the tuples of relations: in SQL with their events, and in memory by following them.

Publishes `RelationTuples`, which changes them, and `Relations`, which holds them all for the decision.
Refuses a tuple that the model does not allow, and an answer older than a token asks for.
"""

from watchword.policy.relations.keeping.service import MOST_AT_ONCE, Relations, RelationTuples

__all__ = ["MOST_AT_ONCE", "RelationTuples", "Relations"]
