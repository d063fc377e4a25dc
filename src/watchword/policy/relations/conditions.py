"""Conditions in CEL: parameters converted as the reference does, the expression checked once, evaluation bounded.

The library is Google's own runtime: it checks types when it compiles, allows 10,000 iterations and 32 levels of
nesting, and matches patterns in linear time. An error, or a parameter that nobody gave, is never "no".
Source: github.com/cel-expr/cel-spec; the OpenFGA documentation, "Conditions"; docs/adr/0040.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, Final

from watchword.policy.relations.errors import RelationConditionError
from watchword.policy.relations.model import Condition, Parameter, Place

Json = Any
LONGEST_EXPRESSION: Final = 4096
_MOST_ELEMENTS: Final = 1000
_LONGEST_STRING: Final = 4096
_CEL_POSITION: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_SPAN: Final = re.compile(r"([+-]?)((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+")
_SPAN_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_INT: Final = (-(2**63), 2**63 - 1)
_UINT: Final = (0, 2**64 - 1)


class ExpressionProblemError(Exception):
    """An expression cannot be compiled; the place is counted inside of it."""

    def __init__(self, message: str, place: Place = Place()) -> None:  # noqa: B008 (a tuple of two zeros)
        super().__init__(message)
        self.place = place


class CompiledCondition:
    """A condition, ready to be asked.

    Raises:
        ExpressionProblemError: it does not parse, its types do not fit, or it yields no truth value.
    """

    def __init__(self, condition: Condition) -> None:
        self.name = condition.name
        self.parameters = condition.parameters
        if len(condition.expression) > LONGEST_EXPRESSION:
            raise ExpressionProblemError(f"the expression is longer than {LONGEST_EXPRESSION} characters")
        cel = _library()
        variables = {name: _cel_type(cel.Type, type_) for name, type_ in condition.parameters.items()}
        try:
            environment = cel.NewEnv(variables=variables, functions=_functions(cel))
            self._expression = environment.compile(condition.expression)
        except Exception as error:
            raise _translated(str(error)) from error
        result = self._expression.return_type().name()
        if result != "BOOL":
            raise ExpressionProblemError(f"the expression yields `{result.lower()}`, not true or false")

    def converted(self, given: Mapping[str, Json]) -> dict[str, Any]:
        """Return what of the values are parameters, each as its type.

        Raises:
            RelationConditionError: a value is of another type; it names the parameter, never the value.
        """
        return {
            name: _converted(type_, given[name], f"`{name}` of `{self.name}`")
            for name, type_ in self.parameters.items()
            if name in given
        }

    def holds(self, stored: Mapping[str, Json], asked: Mapping[str, Json]) -> bool:
        """Tell whether it holds.

        Args:
            stored: what the tuple fixes; it wins.
            asked: what the request says.

        Raises:
            RelationConditionError: a parameter is missing or of another type, or the evaluation failed.
        """
        # Prevents: a request that overrides what the tuple was granted with.
        values = self.converted({**asked, **stored})
        missing = sorted(self.parameters.keys() - values.keys())
        if missing:
            raise RelationConditionError(f"the condition `{self.name}` misses `{', '.join(missing)}`")
        try:
            answer = self._expression.eval(data=values)
            found = answer.plain_value() if answer.type().name() == "BOOL" else None
        except Exception as error:
            raise RelationConditionError(f"the condition `{self.name}` cannot be evaluated") from error
        if found is True or found is False:
            return bool(found)
        # Prevents: an evaluation error, which the library returns as a text, counting as a true value.
        raise RelationConditionError(f"the condition `{self.name}` cannot be evaluated")


def _translated(words: str) -> ExpressionProblemError:
    found = _CEL_POSITION.search(words)
    if found is None:
        return ExpressionProblemError(words.split("\n", 1)[0].partition(": ")[2] or "the expression cannot be read")
    message = found[3].replace(" (in container '')", "").replace("'", "`").rstrip(".")
    return ExpressionProblemError(message[:1].lower() + message[1:200], Place(int(found[1]), int(found[2])))


# ---- types ---------------------------------------------------------------------------------------------------------

_CEL_NAMES: Final = {"ipaddress": "STRING"}  # the library takes no type of ours; an address is its canonical text


def _library() -> Any:
    """Load the library for the first condition: most models have none, and it takes 16 MB."""
    from cel_expr_python import cel  # type: ignore[import-untyped]  # noqa: PLC0415 (as said; it has no marker)

    return cel


def _cel_type(types: Any, parameter: Parameter) -> Any:
    if parameter.type == "list":
        return types.List(_cel_type(types, Parameter(parameter.element)))
    if parameter.type == "map":
        return types.Map(types.STRING, _cel_type(types, Parameter(parameter.element)))
    return getattr(types, _CEL_NAMES.get(parameter.type, parameter.type.upper()))


def _converted(parameter: Parameter, value: Json, what: str) -> Any:
    if parameter.type == "list":
        # Prevents: a list as long as its sender likes, walked by every condition that reads it.
        if not isinstance(value, list | tuple) or len(value) > _MOST_ELEMENTS:
            raise RelationConditionError(f"{what} is not a list of at most {_MOST_ELEMENTS}")
        return [_scalar(parameter.element, element, what) for element in value]
    if parameter.type == "map":
        if not isinstance(value, Mapping) or len(value) > _MOST_ELEMENTS:
            raise RelationConditionError(f"{what} is not a map of at most {_MOST_ELEMENTS}")
        return {_string(name): _scalar(parameter.element, element, what) for name, element in value.items()}
    return _scalar(parameter.type, value, what)


def _scalar(kind: str, value: Json, what: str) -> Any:
    try:
        return _CONVERTERS[kind](value)
    except (ValueError, OverflowError, TypeError):
        raise RelationConditionError(f"{what} is not of type `{kind}`") from None


def _string(value: Json) -> str:
    if isinstance(value, str) and len(value) <= _LONGEST_STRING:
        return value
    raise ValueError


def _bool(value: Json) -> bool:
    if value is True or value is False:
        return bool(value)
    raise ValueError


def _whole(limits: tuple[int, int]) -> Callable[[Json], int]:
    def convert(value: Json) -> int:
        if isinstance(value, bool):
            raise ValueError  # noqa: TRY004 (one kind of error for every converter)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,20}", value):
            value = int(value)
        if isinstance(value, int) and limits[0] <= value <= limits[1]:
            return value
        raise ValueError

    return convert


def _double(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or (isinstance(value, str) and "_" in value):
        raise ValueError
    return float(value)


def _timestamp(value: Json) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        whole, _, rest = value.upper().replace("Z", "+00:00").partition(".")
        if rest:
            digits = re.match(r"\d+", rest)
            assert digits is not None
            whole += f".{digits[0][:6]:0<6}{rest[digits.end() :]}"
        return datetime.fromisoformat(whole).astimezone(UTC)
    raise ValueError


def _duration(value: Json) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if value == "0":
        return timedelta(0)
    if not isinstance(value, str) or len(value) > 100 or not _SPAN.fullmatch(value):  # noqa: PLR2004 (far too long)
        raise ValueError
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _SPAN_PART.findall(value))
    return timedelta(seconds=-seconds if value.startswith("-") else seconds)


def _address(value: Json) -> str:
    return str(ip_address(_string(value)))


_CONVERTERS: Final[Mapping[str, Callable[[Json], Any]]] = {
    "bool": _bool,
    "string": _string,
    "int": _whole(_INT),
    "uint": _whole(_UINT),
    "double": _double,
    "duration": _duration,
    "timestamp": _timestamp,
    "ipaddress": _address,
}


# ---- functions that the reference adds to CEL ----------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _network(text: str) -> Any:
    return ip_network(text, strict=False)


def _in_cidr(address: str, network: str) -> bool:
    return ip_address(address) in _network(network)


def _functions(cel: Any) -> list[Any]:
    text, truth = cel.Type.STRING, cel.Type.BOOL
    in_cidr = cel.Overload("ipaddress_in_cidr", truth, [text, text], True, _in_cidr)
    address = cel.Overload("string_to_ipaddress", text, [text], False, _address)
    return [cel.FunctionDecl("in_cidr", [in_cidr]), cel.FunctionDecl("ipaddress", [address])]
