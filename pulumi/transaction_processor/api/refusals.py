"""What the gateway answers by itself, as problem documents: their kinds are those of the API, so
that a client has one catalogue to handle.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

PROBLEM_TYPE_PREFIX = "urn:transaction-processor:problem:"
# A refused request may be tried again after this; the burst refills within it.
RETRY_AFTER_SECONDS = 1


@dataclass(frozen=True)
class Refusal:
    """A response of the gateway."""

    response_type: str
    kind: str
    status: int
    title: str
    detail: str
    hint: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def template(self) -> str:
        """The body; the gateway puts the request's id in."""
        body = {
            "type": f"{PROBLEM_TYPE_PREFIX}{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "hint": self.hint,
            "instance": "urn:transaction-processor:request:$context.requestId",
        }
        return json.dumps(body)

    def parameters(self) -> dict[str, str]:
        """Headers, in the gateway's notation: a literal is in single quotes."""
        headers = {
            "Content-Type": "application/problem+json",
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Expose-Headers": "x-request-id, retry-after",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **self.headers,
        }
        literals = {
            f"gatewayresponse.header.{name}": f"'{value}'" for name, value in headers.items()
        }
        literals["gatewayresponse.header.x-request-id"] = "context.requestId"
        return literals


AGAIN = {"Retry-After": str(RETRY_AFTER_SECONDS)}

KEY_REFUSED = (
    "key_refused",
    403,
    "The API key is missing or not valid",
    "the gateway knows no such key",
    "send your key in the header x-api-key; ask the operator for a new one if it is lost",
)
NOT_FOUND = (
    "not_found",
    404,
    "There is nothing at this path",
    "no route has this path and method",
    "check path and method, and that the path starts with the stage",
)
BAD_REQUEST = (
    "bad_request",
    400,
    "The request cannot be understood",
    "the gateway refused it",
    "check the request against the description of the API",
)
TOO_LARGE = (
    "too_large",
    413,
    "The body is too large",
    "a request to the API has at most 10 MB",
    "files go to the link that POST /upload answers with, not to the API",
)
MEDIA_TYPE = (
    "unsupported_media_type",
    415,
    "The body is of another type than JSON",
    "the gateway does not take this content-type",
    "send it with content-type: application/json",
)
TOO_MANY = ("too_many_requests", 429, "Too many requests")
UNAVAILABLE = (
    "unavailable",
    503,
    "Not available at the moment",
    "the function did not answer",
    "try again later",
)
INTERNAL = (
    "internal",
    500,
    "Something went wrong here",
    "the gateway could not answer",
    "try again; if it stays, tell the operator the instance",
)

REFUSALS = (
    Refusal("INVALID_API_KEY", *KEY_REFUSED),
    Refusal("ACCESS_DENIED", *KEY_REFUSED),
    # The gateway's word for a path or method that it does not know.
    Refusal("MISSING_AUTHENTICATION_TOKEN", *NOT_FOUND),
    Refusal("RESOURCE_NOT_FOUND", *NOT_FOUND),
    Refusal("BAD_REQUEST_PARAMETERS", *BAD_REQUEST),
    Refusal("BAD_REQUEST_BODY", *BAD_REQUEST),
    Refusal("REQUEST_TOO_LARGE", *TOO_LARGE),
    Refusal("UNSUPPORTED_MEDIA_TYPE", *MEDIA_TYPE),
    Refusal(
        "THROTTLED",
        *TOO_MANY,
        "more requests came at a time than the plan allows",
        "wait as long as Retry-After says, then try again",
        AGAIN,
    ),
    Refusal(
        "QUOTA_EXCEEDED",
        *TOO_MANY,
        "the month's requests of this key are used up",
        "wait for the next month, or ask the operator for a larger plan",
    ),
    Refusal("INTEGRATION_FAILURE", *UNAVAILABLE, AGAIN),
    Refusal("INTEGRATION_TIMEOUT", *UNAVAILABLE, AGAIN),
    Refusal("API_CONFIGURATION_ERROR", *INTERNAL),
    # What is named nowhere above: one status each, so that body and answer agree.
    Refusal("DEFAULT_4XX", *BAD_REQUEST),
    Refusal("DEFAULT_5XX", *INTERNAL),
)
