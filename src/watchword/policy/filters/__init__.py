"""Own data filters: with the resource unknown, what policies permit becomes an expression for a database query.

Publishes `filter_for`, `translate` and the map from a schema to columns. Refuses to let through a row that policies
would not permit one by one: what cannot be translated is left out, or raises by choice.
"""

from watchword.policy.filters.build import Filter, Gaps, filter_for, translate
from watchword.policy.filters.errors import FilterMappingError, UntranslatableError
from watchword.policy.filters.mapping import Column, ResourceMap, Through

__all__ = [
    "Column",
    "Filter",
    "FilterMappingError",
    "Gaps",
    "ResourceMap",
    "Through",
    "UntranslatableError",
    "filter_for",
    "translate",
]
