"""The few fields of Envoy's external-processing messages that the guard reads and writes.

They live in a descriptor pool of their own: the public packages for Envoy's messages overwrite other people's
packages or decode a hundred times slower, and unknown fields are skipped by design of the format.
Source: envoy/service/ext_proc/v3/external_processor.proto and envoy/config/core/v3/base.proto, field numbers only.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]  # no stubs shipped

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE: Final = "watchword.guard"
_SCALARS: Final = {
    "bytes": _Field.TYPE_BYTES,
    "string": _Field.TYPE_STRING,
    "bool": _Field.TYPE_BOOL,
    "int32": _Field.TYPE_INT32,
}


def declare(file: descriptor_pb2.FileDescriptorProto, name: str, **fields: tuple[int, str]) -> None:
    """Declare a message; each field is its number and a scalar's name or that of a message (`*` repeats it)."""
    message = file.message_type.add(name=name)
    for field, (number, kind) in fields.items():
        label = _Field.LABEL_REPEATED if kind.startswith("*") else _Field.LABEL_OPTIONAL
        scalar = _SCALARS.get(kind.removeprefix("*"))
        if scalar is not None:
            message.field.add(name=field, number=number, label=label, type=scalar)
        else:
            type_name = f".{file.package}.{kind.removeprefix('*')}"
            message.field.add(name=field, number=number, label=label, type=_Field.TYPE_MESSAGE, type_name=type_name)


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="watchword/guard.proto", package=_PACKAGE, syntax="proto3")
    declare(file, "Empty")
    declare(file, "HeaderValue", key=(1, "string"), value=(2, "string"), raw_value=(3, "bytes"))
    declare(file, "HeaderMap", headers=(1, "*HeaderValue"))
    declare(file, "HttpHeaders", headers=(1, "HeaderMap"))
    declare(
        file,
        "ProcessingRequest",
        request_headers=(2, "HttpHeaders"),
        response_trailers=(7, "Empty"),
    )
    # Empty stands for HeadersResponse and TrailersResponse: without a field set, both mean "go on unchanged".
    declare(file, "ProcessingResponse", request_headers=(1, "Empty"), response_trailers=(6, "Empty"))
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


ProcessingRequest: Final = _class("ProcessingRequest")
ProcessingResponse: Final = _class("ProcessingResponse")
_Empty: Final = _class("Empty")

GO_ON_WITH_REQUEST: Final = ProcessingResponse(request_headers=_Empty())
GO_ON_WITH_TRAILERS: Final = ProcessingResponse(response_trailers=_Empty())


def header_values(request: Any) -> dict[str, str]:
    """Return the forwarded headers of a request by lower-case name.

    Raises:
        ValueError: a header comes twice, or is not ASCII.
    """
    values: dict[str, str] = {}
    for header in request.request_headers.headers.headers:
        if header.key in values:
            raise ValueError("a header comes twice")
        values[header.key] = header.raw_value.decode("ascii") if header.raw_value else header.value
    return values
