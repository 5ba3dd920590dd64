"""The REST API."""

import json

from ..harness.graph import Graph
from .rule import Rule, at, drop, each, put

ROUTES = {
    "POST /upload",
    "GET /status/{transaction_id}",
    "GET /uploads",
    "GET /uploads/{upload_id}",
    "GET /receipt-key",
}
REFUSALS = {
    "INVALID_API_KEY": 403,
    "MISSING_AUTHENTICATION_TOKEN": 404,
    "REQUEST_TOO_LARGE": 413,
    "THROTTLED": 429,
    "QUOTA_EXCEEDED": 429,
    "INTEGRATION_TIMEOUT": 503,
    "DEFAULT_4XX": 400,
    "DEFAULT_5XX": 500,
}


def paths(graph: Graph) -> dict[str, str]:
    """Id of a resource to its path."""
    found: dict[str, str] = {}
    for resource in graph.of("apigateway.Resource"):
        above = found.get(resource.inputs["parentId"], "")
        found[resource.id] = f"{above}/{resource.inputs['pathPart']}"
    return found


def keys(graph: Graph) -> list[str]:
    of_path = paths(graph)
    faults: list[str] = []
    routes: set[str] = set()
    for method in graph.of("apigateway.Method"):
        verb = method.inputs["httpMethod"]
        if bool(method.inputs.get("apiKeyRequired")) != (verb != "OPTIONS"):
            faults.append(f"{method}: a key is not asked for, or of OPTIONS")
        if verb != "OPTIONS":
            routes.add(f"{verb} {of_path[method.inputs['resourceId']]}")
    if routes != ROUTES:
        faults.append(f"routes are {sorted(routes)}")
    return faults


def integrations(graph: Graph) -> list[str]:
    function = graph.one("lambda.Function", "api-lambda").outputs["invokeArn"]
    answered = {
        (at(one.inputs, "resourceId"), one.inputs["httpMethod"]): one
        for one in graph.of("apigateway.Integration")
    }
    faults: list[str] = []
    for method in graph.of("apigateway.Method"):
        one = answered.get((method.inputs["resourceId"], method.inputs["httpMethod"]))
        if one is None:
            faults.append(f"{method}: is answered by no one")
        elif method.inputs["httpMethod"] == "OPTIONS":
            faults += [f"{one}: is no mock"] if one.inputs["type"] != "MOCK" else []
        elif (one.inputs["type"], one.inputs.get("uri")) != ("AWS_PROXY", function):
            faults.append(f"{one}: does not ask the function")
    return faults


def preflights(graph: Graph) -> list[str]:
    of_path, faults = paths(graph), list[str]()
    answers = {
        of_path[answer.inputs["resourceId"]]: answer.inputs.get("responseParameters", {})
        for answer in graph.of("apigateway.IntegrationResponse")
    }
    for route in sorted(ROUTES):
        verb, path = route.split()
        headers = answers.get(path, {})
        methods = headers.get("method.response.header.Access-Control-Allow-Methods", "")
        allowed = headers.get("method.response.header.Access-Control-Allow-Headers", "")
        if verb not in methods or "x-api-key" not in allowed:
            faults.append(f"a page may not {route}")
    return faults


def plan(graph: Graph) -> list[str]:
    faults = each(
        graph,
        "apigateway.UsagePlan",
        ("throttleSettings.rateLimit", 1000),
        ("throttleSettings.burstLimit", 500),
        ("quotaSettings.limit", 10_000),
        ("quotaSettings.period", "MONTH"),
        ("apiStages.0.stage", "prod"),
    )
    joined = {one.inputs["keyId"] for one in graph.of("apigateway.UsagePlanKey")}
    for key in graph.of("apigateway.ApiKey"):
        if key.id not in joined:
            faults.append(f"{key}: is in no plan")
    return faults


def stage(graph: Graph) -> list[str]:
    faults = each(
        graph, "apigateway.Stage", ("stageName", "prod"), ("xrayTracingEnabled", True)
    ) + each(
        graph,
        "apigateway.MethodSettings",
        ("methodPath", "*/*"),
        ("settings.dataTraceEnabled", False),
        ("settings.metricsEnabled", True),
        ("settings.loggingLevel", "ERROR"),
    )
    for one in graph.of("apigateway.Stage"):
        kept = json.dumps(at(one.inputs, "accessLogSettings.format") or "")
        if "$context.requestId" not in kept:
            faults.append(f"{one}: access is not logged")
        if "$input" in kept or "querystring" in kept or "$context.path" in kept:
            faults.append(f"{one}: what a client typed is logged")
    return faults


def refusals(graph: Graph) -> list[str]:
    found = {one.inputs["responseType"]: one for one in graph.of("apigateway.Response")}
    faults = [f"{kind} is no problem document" for kind in sorted(set(REFUSALS) - set(found))]
    for kind, one in found.items():
        status = int(one.inputs["statusCode"])
        if status != REFUSALS.get(kind, status):
            faults.append(f"{one}: status {status}")
        problem = json.loads(at(one.inputs, "responseTemplates").get("application/json", "{}"))
        if problem.get("status") != status or not {"type", "title", "detail"} <= set(problem):
            faults.append(f"{one}: answers {problem}")
        headers = one.inputs.get("responseParameters", {})
        content = headers.get("gatewayresponse.header.Content-Type")
        if content != "'application/problem+json'":
            faults.append(f"{one}: says that it is {content}")
        if headers.get("gatewayresponse.header.Access-Control-Allow-Origin") != "'*'":
            faults.append(f"{one}: a page cannot read it")
        if kind == "THROTTLED" and "gatewayresponse.header.Retry-After" not in headers:
            faults.append(f"{one}: does not say when to come back")
    return faults


def deployed(graph: Graph) -> list[str]:
    """A deployment is a copy of what is there then: everything must be there before."""
    [deployment] = graph.of("apigateway.Deployment")
    copied = (
        "apigateway.Method",
        "apigateway.Integration",
        "apigateway.IntegrationResponse",
        "apigateway.MethodResponse",
        "apigateway.Response",
    )
    before = set(deployment.dependencies)
    return [f"{one}: may come after it" for one in graph.of(*copied) if one.urn not in before]


def clients(graph: Graph) -> list[str]:
    items = [json.loads(one.inputs["item"]) for one in graph.of("dynamodb.TableItem")]
    known = {item["api_key_id"]["S"]: item for item in items}
    faults: list[str] = []
    for key in graph.of("apigateway.ApiKey"):
        item = known.get(key.id)
        if item is None or not item.get("client_id") or "L" not in item.get("merchants", {}):
            faults.append(f"{key}: belongs to no client")
    if graph.outputs["api_key_id"] not in known:
        faults.append("the key that is exported belongs to no client")
    return faults


def _later(graph: Graph) -> None:
    method = graph.one("apigateway.Method", UPLOAD)
    graph.of("apigateway.Deployment")[0].dependencies.remove(method.urn)


UPLOAD = "transaction-api-upload-post"
THROTTLED = "transaction-api-throttled"

RULES = [
    Rule(
        "every method but OPTIONS asks for a key",
        keys,
        {
            "no key": put("apigateway.Method", "apiKeyRequired", False, UPLOAD),
            "key of OPTIONS": put(
                "apigateway.Method", "apiKeyRequired", True, "transaction-api-upload-options"
            ),
            "no route": drop("apigateway.Method", UPLOAD),
        },
    ),
    Rule(
        "every method is answered",
        integrations,
        {
            "by no one": drop("apigateway.Integration"),
            "by another": put("apigateway.Integration", "uri", "x", f"{UPLOAD}-integration"),
        },
    ),
    Rule(
        "pages may ask",
        preflights,
        {"no answer": drop("apigateway.IntegrationResponse")},
    ),
    Rule(
        "the plan is 1000 a second, burst 500, 10,000 a month",
        plan,
        {
            "more": put("apigateway.UsagePlan", "throttleSettings.rateLimit", 5000),
            "burst": put("apigateway.UsagePlan", "throttleSettings.burstLimit", 1000),
            "daily": put("apigateway.UsagePlan", "quotaSettings.period", "DAY"),
            "no plan": drop("apigateway.UsagePlanKey"),
        },
    ),
    Rule(
        "the stage is prod, traced, and logs nothing that was typed",
        stage,
        {
            "another": put("apigateway.Stage", "stageName", "dev"),
            "no trace": put("apigateway.Stage", "xrayTracingEnabled", False),
            "data trace": put("apigateway.MethodSettings", "settings.dataTraceEnabled", True),
            "no log": put("apigateway.Stage", "accessLogSettings", None),
            "bodies": put(
                "apigateway.Stage", "accessLogSettings.format", "$context.requestId $input.body"
            ),
        },
    ),
    Rule(
        "the gateway answers by problem documents",
        refusals,
        {
            "its own": drop("apigateway.Response", THROTTLED),
            "no headers": put("apigateway.Response", "responseParameters", {}, THROTTLED),
            "no document": put(
                "apigateway.Response", "responseTemplates", {"application/json": "{}"}, THROTTLED
            ),
        },
    ),
    Rule("what is deployed is whole", deployed, {"one later": _later}),
    Rule(
        "every key belongs to a client",
        clients,
        {"no item": drop("dynamodb.TableItem")},
    ),
]
