"""Turn one TOML document and the environment into frozen dataclasses, strictly.

Each room declares its own slice as a frozen dataclass whose fields carry their meaning as metadata (`setting`).
An unknown key is an error that suggests the nearest known one; a value of the wrong type says what was expected.
The environment wins over the document: `WATCHWORD_EDGE__LISTEN` is `edge.listen`.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import types
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from watchword.kernel.errors import ConfigurationError

S = TypeVar("S")
PREFIX = "WATCHWORD_"
# As near as `WATCHWORD_EDGE_LISTEN` is to `WATCHWORD_EDGE__LISTEN`; other variables without `__` are no settings.
_SLIP = 0.93
_MISSING: Any = dataclasses.MISSING


def setting(meaning: str, *, default: Any = _MISSING, factory: Any = _MISSING) -> Any:
    """Declare one setting of a slice: its meaning in one sentence and its default."""
    return dataclasses.field(default=default, default_factory=factory, metadata={"meaning": meaning})


def unknown_key(key: str, known: Sequence[str], *, where: str) -> ConfigurationError:
    """Make the error for a key nobody knows, with the nearest known one as its hint."""
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(f'`{name}`' for name in sorted(known))}"
    return ConfigurationError(f"unknown setting `{where}{key}`", hint=hint)


def read_slice(slice_type: type[S], document: Any, *, section: str, environment: Mapping[str, str]) -> S:
    """Read one section into its slice.

    Args:
        slice_type: a frozen dataclass; fields without a default are required.
        document: the section of the parsed TOML, or nothing.
        section: its name, for errors and for the names of environment variables.
        environment: usually `os.environ`.

    Raises:
        ConfigurationError: an unknown key, a missing one, or a value of the wrong type.
    """
    if document is None:
        document = {}
    if not isinstance(document, Mapping):
        raise ConfigurationError(f"`{section}` must be a table", hint=f"write it as [{section}]")
    fields = {field.name: field for field in dataclasses.fields(slice_type)}  # type: ignore[arg-type]  # is a dataclass
    for key in document:
        if key not in fields:
            raise unknown_key(key, list(fields), where=f"{section}.")
    hints = get_type_hints(slice_type)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        variable = f"{PREFIX}{section}__{name}".upper().replace(".", "__")
        where = f"{section}.{name}"
        if variable in environment:
            values[name] = _from_text(environment[variable], hints[name], where=variable)
        elif name in document:
            values[name] = convert(document[name], hints[name], where=where, environment=environment)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigurationError(f"`{where}` is required", hint=field.metadata.get("meaning"))
    return _construct(slice_type, values, where=section)


def check_environment(environment: Mapping[str, str], sections: Mapping[str, type]) -> None:
    """Refuse `WATCHWORD_SECTION__KEY` variables that name nothing, so that a typing error does not pass silently."""
    known = [
        f"{PREFIX}{section}__{field.name}".upper()
        for section, slice_type in sections.items()
        for field in dataclasses.fields(slice_type)
    ]
    for name in environment:
        if not name.startswith(PREFIX) or name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.6 if "__" in name else _SLIP)
        if near or "__" in name:
            raise ConfigurationError(
                f"unknown setting in the environment: `{name}`", hint=f"did you mean `{near[0]}`?" if near else None
            )


def convert(value: Any, hint: Any, *, where: str, environment: Mapping[str, str]) -> Any:  # noqa: C901  # a closed table
    """Check one TOML value against a type; sequences become tuples.

    Raises:
        ConfigurationError: the value does not fit.
    """
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        choices = [choice for choice in get_args(hint) if choice is not type(None)]
        return convert(value, choices[0], where=where, environment=environment)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise _misfit(where, "a list", value)
        item = get_args(hint)[0]
        return tuple(
            convert(entry, item, where=f"{where}[{i}]", environment=environment) for i, entry in enumerate(value)
        )
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _misfit(where, "a table", value)
        item = get_args(hint)[1]
        return {str(k): convert(v, item, where=f"{where}.{k}", environment=environment) for k, v in value.items()}
    if dataclasses.is_dataclass(hint):
        return read_slice(hint, value, section=where, environment={})  # type: ignore[arg-type]  # a class, not an instance
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError:
            raise _misfit(where, " or ".join(f"`{member.value}`" for member in hint), value) from None
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    # Prevents: `nan`, which no bound holds, and `inf`, which is none.
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigurationError(f"`{where}` must be a finite number")
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise _misfit(
            where, {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}[hint], value
        )
    return value


def _from_text(text: str, hint: Any, *, where: str) -> Any:
    base = (
        next((c for c in get_args(hint) if c is not type(None)), hint)
        if get_origin(hint) in {Union, types.UnionType}
        else hint
    )
    if base is str or (isinstance(base, type) and issubclass(base, Enum)):
        return convert(text, base, where=where, environment={})
    if get_origin(base) is tuple and not text.lstrip().startswith("["):
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return convert(parts, base, where=where, environment={})
    try:
        value = json.loads(text)
    except ValueError:
        raise _misfit(where, "a number, true, false or a JSON value", text) from None
    return convert(value, base, where=where, environment={})


def _construct(slice_type: type[S], values: Mapping[str, Any], *, where: str) -> S:
    try:
        return slice_type(**values)
    except ValueError as error:
        raise ConfigurationError(f"`{where}` cannot be used: {error}") from error
    except OverflowError as error:
        raise ConfigurationError(f"`{where}` cannot be used: a number is too large") from error


def _misfit(where: str, expected: str, value: Any) -> ConfigurationError:
    # The value itself is not repeated: it may be a secret in the wrong place.
    return ConfigurationError(f"`{where}` must be {expected}, not a {type(value).__name__}")
