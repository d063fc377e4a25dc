"""Own relations: the OpenFGA modelling language, tuples in SQL and in memory, checks that end.

Publishes the model, the view that answers and the lazy set that Cedar policies ask; `keeping` keeps the tuples.
Refuses to answer what it could not look at: a spent budget, a failed condition and a circle of exclusions are errors.
"""

from watchword.policy.relations.asked import ATTRIBUTE, GROUP, RelationSet, objects_of, refuse_unknown, supposed
from watchword.policy.relations.check import DEFAULT_BUDGET, Budget
from watchword.policy.relations.dsl import rendered, written
from watchword.policy.relations.errors import (
    RelationBudgetError,
    RelationConditionError,
    RelationCycleError,
    RelationError,
    RelationMalformedError,
    RelationMissingError,
    RelationStaleError,
    RelationUnknownError,
)
from watchword.policy.relations.graph import Graph
from watchword.policy.relations.json_form import as_json
from watchword.policy.relations.lines import read_lines
from watchword.policy.relations.listing import Listing, Tree, expand, list_objects, list_users
from watchword.policy.relations.model import (
    Computed,
    Condition,
    Direct,
    Exclusion,
    FromTupleset,
    Intersection,
    RelationModel,
    Restriction,
    Rewrite,
    Union,
)
from watchword.policy.relations.parse import MODEL_FILE, MODEL_FILES, compiled_conditions, parse_model
from watchword.policy.relations.reasons import Step, reason_of
from watchword.policy.relations.tuples import Object, RelationTuple, Subject, name_in, permitted, read_tuple
from watchword.policy.relations.view import Question, RelationView

__all__ = [
    "ATTRIBUTE",
    "DEFAULT_BUDGET",
    "GROUP",
    "MODEL_FILE",
    "MODEL_FILES",
    "Budget",
    "Computed",
    "Condition",
    "Direct",
    "Exclusion",
    "FromTupleset",
    "Graph",
    "Intersection",
    "Listing",
    "Object",
    "Question",
    "RelationBudgetError",
    "RelationConditionError",
    "RelationCycleError",
    "RelationError",
    "RelationMalformedError",
    "RelationMissingError",
    "RelationModel",
    "RelationSet",
    "RelationStaleError",
    "RelationTuple",
    "RelationUnknownError",
    "RelationView",
    "Restriction",
    "Rewrite",
    "Step",
    "Subject",
    "Tree",
    "Union",
    "as_json",
    "compiled_conditions",
    "expand",
    "list_objects",
    "list_users",
    "name_in",
    "objects_of",
    "parse_model",
    "permitted",
    "read_lines",
    "read_tuple",
    "reason_of",
    "refuse_unknown",
    "rendered",
    "supposed",
    "written",
]
