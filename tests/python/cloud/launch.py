"""Starts the emulator with three faults mended that would make every function look wrong.

Run as a program by the emulator's Python. What it mends:
- a request through the API gateway does not say whose key it was let in with, which is how the api
  function knows its client (`requestContext.identity.apiKeyId`);
- asked for a part of a version of an object, it gives the whole version;
- the Runtime API writes head and body of an answer apart; with Nagle's algorithm against a delayed
  acknowledgement every warm invocation then waits 40 ms, which Lambda does not.
"""

import runpy
import socketserver

from ministack.services import apigateway_v1, s3

socketserver.StreamRequestHandler.disable_nagle_algorithm = True

_build = apigateway_v1._build_lambda_event_v1


def _with_key_id(*arguments, **named):
    event = _build(*arguments, **named)
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    key = apigateway_v1._resolve_api_key(headers.get("x-api-key"))
    if key:
        event["requestContext"]["identity"]["apiKeyId"] = key["id"]
    return event


apigateway_v1._build_lambda_event_v1 = _with_key_id

_whole = s3._get_object


def _part_of_version(bucket, key, headers, query=None):
    status, answered, body = _whole(bucket, key, headers, query)
    asked = headers.get("range", "")
    if status != 200 or not asked or not isinstance(body, (bytes, bytearray)):
        return status, answered, body
    first, last = s3._parse_range(asked, len(body))[:2]
    # The checksum is the whole's.
    kept = {
        name: value
        for name, value in answered.items()
        if not name.lower().startswith("x-amz-checksum") and name.lower() != "content-length"
    }
    part = {**kept, "Content-Range": f"bytes {first}-{last}/{len(body)}", "Content-Length": str(last - first + 1)}
    return 206, part, body[first : last + 1]


s3._get_object = _part_of_version

runpy.run_module("ministack", run_name="__main__", alter_sys=True)
