"""The few fields of Envoy's external-processing messages that the filter of answers reads and writes.

Source: envoy/service/ext_proc/v3/external_processor.proto, envoy/config/core/v3/base.proto; field numbers only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]  # no stubs shipped

from watchword.enforcement.envoy.guard_messages import declare

_OVERWRITE: Final = 2  # HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD

Header = tuple[bytes, bytes]


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="watchword/bodies.proto", package="watchword.bodies", syntax="proto3"
    )
    declare(file, "HeaderValue", key=(1, "string"), value=(2, "string"), raw_value=(3, "bytes"))
    declare(file, "HeaderMap", headers=(1, "*HeaderValue"))
    declare(file, "HttpHeaders", headers=(1, "HeaderMap"), end_of_stream=(3, "bool"))
    declare(file, "HttpBody", body=(1, "bytes"), end_of_stream=(2, "bool"))
    declare(file, "HttpTrailers", trailers=(1, "HeaderMap"))
    declare(
        file,
        "ProcessingRequest",
        request_headers=(2, "HttpHeaders"),
        response_headers=(3, "HttpHeaders"),
        request_body=(4, "HttpBody"),
        response_body=(5, "HttpBody"),
        request_trailers=(6, "HttpTrailers"),
        response_trailers=(7, "HttpTrailers"),
    )
    declare(file, "HeaderValueOption", header=(1, "HeaderValue"), append_action=(3, "int32"))
    declare(file, "HeaderMutation", set_headers=(1, "*HeaderValueOption"), remove_headers=(2, "*string"))
    declare(file, "StreamedBodyResponse", body=(1, "bytes"), end_of_stream=(2, "bool"))
    declare(file, "BodyMutation", streamed_response=(3, "StreamedBodyResponse"))
    declare(file, "CommonResponse", header_mutation=(2, "HeaderMutation"), body_mutation=(3, "BodyMutation"))
    declare(file, "PhaseResponse", response=(1, "CommonResponse"))  # HeadersResponse and BodyResponse alike
    declare(file, "TrailersResponse", header_mutation=(1, "HeaderMutation"))
    declare(file, "HttpStatus", code=(1, "int32"))
    declare(
        file,
        "ImmediateResponse",
        status=(1, "HttpStatus"),
        headers=(2, "HeaderMutation"),
        body=(3, "bytes"),
        details=(5, "string"),
    )
    declare(
        file,
        "ProcessingResponse",
        request_headers=(1, "PhaseResponse"),
        response_headers=(2, "PhaseResponse"),
        request_body=(3, "PhaseResponse"),
        response_body=(4, "PhaseResponse"),
        request_trailers=(5, "TrailersResponse"),
        response_trailers=(6, "TrailersResponse"),
        immediate_response=(7, "ImmediateResponse"),
    )
    return file


_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"watchword.bodies.{name}"))


ProcessingRequest: Final = _class("ProcessingRequest")
ProcessingResponse: Final = _class("ProcessingResponse")
_DETAILS: Final = "watchword_answer_withheld"


def headers_of(header_map: Any) -> list[Header]:
    """Return the headers that Envoy sent, names in lower case."""
    return [(header.key.lower().encode(), header.raw_value or header.value.encode()) for header in header_map.headers]


def _mutation(told: Iterable[Header], removed: Iterable[bytes]) -> dict[str, Any]:
    return {
        "set_headers": [
            {"header": {"key": name.decode(), "raw_value": value}, "append_action": _OVERWRITE} for name, value in told
        ],
        "remove_headers": sorted(name.decode() for name in removed),
    }


def changed_headers(phase: str, told: Iterable[Header], removed: Iterable[bytes]) -> Any:
    """Answer `request_headers` or `response_headers`: go on, with these set and those taken out."""
    return ProcessingResponse(**{phase: {"response": {"header_mutation": _mutation(told, removed)}}})


def streamed(phase: str, body: bytes, *, is_last: bool) -> Any:
    """Say `request_body` or `response_body`: this goes on; of what came nothing does by itself."""
    change = {"streamed_response": {"body": body, "end_of_stream": is_last}}
    return ProcessingResponse(**{phase: {"response": {"body_mutation": change}}})


def changed_trailers(phase: str, removed: Iterable[bytes]) -> Any:
    """Answer `request_trailers` or `response_trailers`: go on, with these taken out."""
    return ProcessingResponse(**{phase: {"header_mutation": _mutation((), removed)}})


def instead(status: int, headers: Iterable[Header], body: bytes) -> Any:
    """Answer any phase: this goes out and nothing else."""
    told = [(name, value) for name, value in headers if name != b"content-length"]
    refusal = {"status": {"code": status}, "headers": _mutation(told, ()), "body": body, "details": _DETAILS}
    return ProcessingResponse(immediate_response=refusal)
