"""OPTIONS: what a browser asks before it sends a request of another page. It needs no key, carries
no data and is answered by the gateway without a function.
"""

import json
from collections.abc import Sequence

import pulumi
from pulumi_aws import apigateway

STATUS = "204"
MAX_AGE_SECONDS = 600
REQUEST_HEADERS = "x-api-key, content-type, idempotency-key, if-none-match"


def headers(methods: Sequence[str]) -> dict[str, str]:
    return {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": ", ".join([*methods, "OPTIONS"]),
        "Access-Control-Allow-Headers": REQUEST_HEADERS,
        "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
    }


def answer_options(
    name: str,
    rest_api: apigateway.RestApi,
    resource: apigateway.Resource,
    methods: Sequence[str],
    child: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """OPTIONS on one resource."""
    method = apigateway.Method(
        f"{name}-options",
        rest_api=rest_api.id,
        resource_id=resource.id,
        http_method="OPTIONS",
        authorization="NONE",
        api_key_required=False,
        opts=child,
    )
    integration = apigateway.Integration(
        f"{name}-options-integration",
        rest_api=rest_api.id,
        resource_id=resource.id,
        http_method=method.http_method,
        type="MOCK",
        request_templates={"application/json": json.dumps({"statusCode": int(STATUS)})},
        opts=child,
    )
    names = headers(methods)
    response = apigateway.MethodResponse(
        f"{name}-options-response",
        rest_api=rest_api.id,
        resource_id=resource.id,
        http_method=method.http_method,
        status_code=STATUS,
        response_parameters={f"method.response.header.{header}": True for header in names},
        opts=child,
    )
    answer = apigateway.IntegrationResponse(
        f"{name}-options-answer",
        rest_api=rest_api.id,
        resource_id=resource.id,
        http_method=method.http_method,
        status_code=STATUS,
        response_parameters={
            f"method.response.header.{header}": f"'{value}'" for header, value in names.items()
        },
        opts=pulumi.ResourceOptions.merge(
            child, pulumi.ResourceOptions(depends_on=[integration, response])
        ),
    )
    return [method, integration, response, answer]
