"""The REST API in front of the function `api`: who may ask, how often, and what is logged of it."""

import hashlib
import json
from dataclasses import asdict, dataclass

import pulumi
from pulumi_aws import apigateway, cloudwatch, iam, lambda_

from ..documents import trust
from ..functions.function import LOG_DAYS
from ..keys import Keys
from ..naming import Place
from .preflight import answer_options, headers
from .refusals import REFUSALS
from .routes import ROUTES, label, methods_of, parts, prefixes

STAGE = "prod"
REQUESTS_PER_SECOND = 1000
BURST_REQUESTS = 500
REQUESTS_PER_MONTH = 10_000
LOG_WRITER = "service-role/AmazonAPIGatewayPushToCloudWatchLogs"

# No query string, body or header: an access log holds nothing that a client typed.
ACCESS_LOG = {
    "time": "$context.requestTimeEpoch",
    "request_id": "$context.requestId",
    "trace_id": "$context.xrayTraceId",
    "api_key_id": "$context.identity.apiKeyId",
    "method": "$context.httpMethod",
    "route": "$context.resourcePath",
    "status": "$context.status",
    "error": "$context.error.responseType",
    "latency_ms": "$context.responseLatency",
    "function_status": "$context.integration.status",
}


@dataclass(frozen=True)
class ApiArgs:
    place: Place
    keys: Keys
    function: lambda_.Function
    manages_account: bool


class Api(pulumi.ComponentResource):
    """The REST API, its stage and its usage plan."""

    rest_api: apigateway.RestApi
    stage: apigateway.Stage
    usage_plan: apigateway.UsagePlan
    endpoint: pulumi.Output[str]

    def __init__(self, name: str, args: ApiArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("transaction-processor:index:Api", name, None, opts)
        place = args.place
        self._child = place.child(self)
        self.rest_api = apigateway.RestApi(
            "transaction-api",
            name=place.name("transaction-api"),
            description="Upload links, and what became of files and transactions",
            endpoint_configuration={"types": "REGIONAL"},
            tags=place.tags,
            opts=self._child,
        )
        made = [*self._routes(args), *self._refusals()]
        lambda_.Permission(
            "transaction-api-permission",
            action="lambda:InvokeFunction",
            function=args.function.name,
            principal="apigateway.amazonaws.com",
            source_arn=pulumi.Output.concat(self.rest_api.execution_arn, f"/{STAGE}/*"),
            opts=self._child,
        )
        deployment = apigateway.Deployment(
            "transaction-api-deployment",
            rest_api=self.rest_api.id,
            # A deployment is a copy: another description of the API needs another one.
            triggers={"description": description_digest()},
            opts=pulumi.ResourceOptions(parent=self, depends_on=made),
        )
        self.stage = self._stage(args, deployment)
        self.usage_plan = self._plan(place)
        self.endpoint = self.stage.invoke_url
        self.register_outputs({"endpoint": self.endpoint})

    def _routes(self, args: ApiArgs) -> list[pulumi.Resource]:
        api, child = self.rest_api, self._child
        resources: dict[str, apigateway.Resource] = {}
        made: list[pulumi.Resource] = []
        for path in prefixes(ROUTES):
            *above, last = parts(path)
            parent = resources["/" + "/".join(above)].id if above else api.root_resource_id
            name = f"transaction-api-{label(path)}"
            resource = apigateway.Resource(
                name, rest_api=api.id, parent_id=parent, path_part=last, opts=child
            )
            resources[path] = resource
            methods = methods_of(path, ROUTES)
            for method in methods:
                made += self._method(f"{name}-{method.lower()}", args, resource, method)
            if methods:
                made += answer_options(name, api, resource, methods, child)
        return made

    def _method(
        self, name: str, args: ApiArgs, resource: apigateway.Resource, http_method: str
    ) -> list[pulumi.Resource]:
        method = apigateway.Method(
            name,
            rest_api=self.rest_api.id,
            resource_id=resource.id,
            http_method=http_method,
            authorization="NONE",
            api_key_required=True,
            opts=self._child,
        )
        integration = apigateway.Integration(
            f"{name}-integration",
            rest_api=self.rest_api.id,
            resource_id=resource.id,
            http_method=method.http_method,
            type="AWS_PROXY",
            # How the gateway asks Lambda, whatever it was asked by.
            integration_http_method="POST",
            uri=args.function.invoke_arn,
            opts=self._child,
        )
        return [method, integration]

    def _refusals(self) -> list[pulumi.Resource]:
        return [
            apigateway.Response(
                f"transaction-api-{refusal.response_type.lower().replace('_', '-')}",
                rest_api_id=self.rest_api.id,
                response_type=refusal.response_type,
                status_code=str(refusal.status),
                response_parameters=refusal.parameters(),
                response_templates={"application/json": refusal.template()},
                opts=self._child,
            )
            for refusal in REFUSALS
        ]

    def _stage(self, args: ApiArgs, deployment: apigateway.Deployment) -> apigateway.Stage:
        place = args.place
        account = self._account(place) if args.manages_account else []
        logs = cloudwatch.LogGroup(
            "transaction-api-logs",
            name=f"/aws/apigateway/{place.name('transaction-api')}",
            retention_in_days=LOG_DAYS,
            kms_key_id=args.keys.data.arn,
            tags=place.tags,
            opts=self._child,
        )
        stage = apigateway.Stage(
            "transaction-api-stage",
            rest_api=self.rest_api.id,
            deployment=deployment.id,
            stage_name=STAGE,
            xray_tracing_enabled=True,
            access_log_settings={
                "destination_arn": logs.arn,
                "format": json.dumps(ACCESS_LOG),
            },
            tags=place.tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=account),
        )
        apigateway.MethodSettings(
            "transaction-api-settings",
            rest_api=self.rest_api.id,
            stage_name=stage.stage_name,
            method_path="*/*",
            settings={
                "metrics_enabled": True,
                "logging_level": "ERROR",
                # A trace of the data would put what merchants send into a log.
                "data_trace_enabled": False,
                "throttling_rate_limit": REQUESTS_PER_SECOND,
                "throttling_burst_limit": BURST_REQUESTS,
            },
            opts=self._child,
        )
        return stage

    def _account(self, place: Place) -> list[pulumi.Resource]:
        """The role by which API Gateway writes logs: one setting of the account in this region, for
        every API in it, so a destroy leaves it.
        """
        kept = pulumi.ResourceOptions(parent=self, retain_on_delete=True)
        role = iam.Role(
            "api-gateway-logs-role",
            name=place.name(f"api-gateway-logs-role-{place.region}"),
            assume_role_policy=trust("apigateway.amazonaws.com"),
            tags=place.tags,
            opts=kept,
        )
        policy = iam.RolePolicyAttachment(
            "api-gateway-logs-policy",
            role=role.name,
            policy_arn=f"arn:{place.partition}:iam::aws:policy/{LOG_WRITER}",
            opts=kept,
        )
        account = apigateway.Account(
            "api-gateway-account",
            cloudwatch_role_arn=role.arn,
            opts=pulumi.ResourceOptions.merge(kept, pulumi.ResourceOptions(depends_on=[policy])),
        )
        return [account]

    def _plan(self, place: Place) -> apigateway.UsagePlan:
        return apigateway.UsagePlan(
            "transaction-plan",
            name=place.name("transaction-plan"),
            api_stages=[{"api_id": self.rest_api.id, "stage": self.stage.stage_name}],
            throttle_settings={
                "rate_limit": REQUESTS_PER_SECOND,
                "burst_limit": BURST_REQUESTS,
            },
            quota_settings={"limit": REQUESTS_PER_MONTH, "period": "MONTH"},
            tags=place.tags,
            opts=self._child,
        )


def description_digest() -> str:
    """Changes when routes or answers of the gateway do."""
    description = {
        "routes": [asdict(route) for route in ROUTES],
        "options": [headers(methods_of(path, ROUTES)) for path in prefixes(ROUTES)],
        "refusals": [(refusal.template(), refusal.parameters()) for refusal in REFUSALS],
    }
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()
