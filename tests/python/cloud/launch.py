"""Starts the emulator with two faults mended that would make every function look wrong.

Run as a program by the emulator's Python. What it mends:
- a request through the API gateway does not say whose key it was let in with, which is how the api
  function knows its client (`requestContext.identity.apiKeyId`);
- the Runtime API writes head and body of an answer apart; with Nagle's algorithm against a delayed
  acknowledgement every warm invocation then waits 40 ms, which Lambda does not.
"""

import runpy
import socketserver

from ministack.services import apigateway_v1

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

runpy.run_module("ministack", run_name="__main__", alter_sys=True)
