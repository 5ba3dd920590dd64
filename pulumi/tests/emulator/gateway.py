"""API Gateway."""

from .aws import ACCOUNT, Aws, Inputs, Made


def rest_api(aws: Aws, _: str, given: Inputs) -> Made:
    gateway = aws.client("apigateway")
    types = given["endpointConfiguration"]["types"]
    made = gateway.create_rest_api(
        name=given["name"],
        description=given["description"],
        endpointConfiguration={"types": [types] if isinstance(types, str) else types},
        tags=given["tags"],
    )
    resources = gateway.get_resources(restApiId=made["id"])["items"]
    [root] = [resource["id"] for resource in resources if resource["path"] == "/"]
    execution = aws.arn("execute-api", made["id"])
    return Made(made["id"], {"rootResourceId": root, "executionArn": execution})


def resource(aws: Aws, _: str, given: Inputs) -> Made:
    made = aws.client("apigateway").create_resource(
        restApiId=given["restApi"], parentId=given["parentId"], pathPart=given["pathPart"]
    )
    return Made(made["id"], {"path": made["path"]})


def at(given: Inputs) -> dict[str, str]:
    return {
        "restApiId": given["restApi"],
        "resourceId": given["resourceId"],
        "httpMethod": given["httpMethod"],
    }


def method(aws: Aws, name: str, given: Inputs) -> Made:
    aws.client("apigateway").put_method(
        **at(given),
        authorizationType=given["authorization"],
        apiKeyRequired=given["apiKeyRequired"],
    )
    return Made(name)


def integration(aws: Aws, name: str, given: Inputs) -> Made:
    more = {
        argument: given[key]
        for key, argument in (
            ("uri", "uri"),
            ("integrationHttpMethod", "integrationHttpMethod"),
            ("requestTemplates", "requestTemplates"),
        )
        if key in given
    }
    aws.client("apigateway").put_integration(**at(given), type=given["type"], **more)
    return Made(name)


def method_response(aws: Aws, name: str, given: Inputs) -> Made:
    aws.client("apigateway").put_method_response(
        **at(given),
        statusCode=given["statusCode"],
        responseParameters=given["responseParameters"],
    )
    return Made(name)


def integration_response(aws: Aws, name: str, given: Inputs) -> Made:
    aws.client("apigateway").put_integration_response(
        **at(given),
        statusCode=given["statusCode"],
        responseParameters=given["responseParameters"],
    )
    return Made(name)


def response(aws: Aws, name: str, given: Inputs) -> Made:
    aws.client("apigateway").put_gateway_response(
        restApiId=given["restApiId"],
        responseType=given["responseType"],
        statusCode=given["statusCode"],
        responseParameters=given["responseParameters"],
        responseTemplates=given["responseTemplates"],
    )
    return Made(name)


def deployment(aws: Aws, _: str, given: Inputs) -> Made:
    made = aws.client("apigateway").create_deployment(restApiId=given["restApi"])
    return Made(made["id"])


def stage(aws: Aws, name: str, given: Inputs) -> Made:
    gateway, logs = aws.client("apigateway"), given["accessLogSettings"]
    gateway.create_stage(
        restApiId=given["restApi"],
        stageName=given["stageName"],
        deploymentId=given["deployment"],
        tracingEnabled=given["xrayTracingEnabled"],
        tags=given["tags"],
    )
    changes = {
        "/accessLogSettings/destinationArn": logs["destinationArn"],
        "/accessLogSettings/format": logs["format"],
    }
    patch(gateway, given["restApi"], given["stageName"], changes)
    # Where the emulator serves a stage.
    url = f"{aws.endpoint}/restapis/{given['restApi']}/{given['stageName']}/_user_request_"
    return Made(name, {"invokeUrl": url})


def patch(gateway, rest_api_id: str, stage_name: str, changes: dict[str, str]) -> None:
    operations = [
        {"op": "replace", "path": path, "value": value} for path, value in changes.items()
    ]
    gateway.update_stage(restApiId=rest_api_id, stageName=stage_name, patchOperations=operations)


def method_settings(aws: Aws, name: str, given: Inputs) -> Made:
    settings = given["settings"]
    changes = {
        "metrics/enabled": str(settings["metricsEnabled"]).lower(),
        "logging/loglevel": settings["loggingLevel"],
        "logging/dataTrace": str(settings["dataTraceEnabled"]).lower(),
        "throttling/rateLimit": str(settings["throttlingRateLimit"]),
        "throttling/burstLimit": str(int(settings["throttlingBurstLimit"])),
    }
    paths = {f"/{given['methodPath']}/{key}": value for key, value in changes.items()}
    patch(aws.client("apigateway"), given["restApi"], given["stageName"], paths)
    return Made(name)


def account(aws: Aws, _: str, given: Inputs) -> Made:
    change = {"op": "replace", "path": "/cloudwatchRoleArn", "value": given["cloudwatchRoleArn"]}
    aws.client("apigateway").update_account(patchOperations=[change])
    return Made(ACCOUNT)


def api_key(aws: Aws, _: str, given: Inputs) -> Made:
    made = aws.client("apigateway").create_api_key(
        name=given["name"], description=given["description"], enabled=True, tags=given["tags"]
    )
    return Made(made["id"], {"value": made["value"]})


def usage_plan(aws: Aws, _: str, given: Inputs) -> Made:
    throttle, quota = given["throttleSettings"], given["quotaSettings"]
    made = aws.client("apigateway").create_usage_plan(
        name=given["name"],
        apiStages=given["apiStages"],
        throttle={
            "rateLimit": float(throttle["rateLimit"]),
            "burstLimit": int(throttle["burstLimit"]),
        },
        quota={"limit": int(quota["limit"]), "period": quota["period"]},
        tags=given["tags"],
    )
    return Made(made["id"])


def usage_plan_key(aws: Aws, _: str, given: Inputs) -> Made:
    aws.client("apigateway").create_usage_plan_key(
        usagePlanId=given["usagePlanId"], keyId=given["keyId"], keyType=given["keyType"]
    )
    return Made(given["keyId"])


HANDLERS = {
    "apigateway.RestApi": rest_api,
    "apigateway.Resource": resource,
    "apigateway.Method": method,
    "apigateway.Integration": integration,
    "apigateway.MethodResponse": method_response,
    "apigateway.IntegrationResponse": integration_response,
    "apigateway.Response": response,
    "apigateway.Deployment": deployment,
    "apigateway.Stage": stage,
    "apigateway.MethodSettings": method_settings,
    "apigateway.Account": account,
    "apigateway.ApiKey": api_key,
    "apigateway.UsagePlan": usage_plan,
    "apigateway.UsagePlanKey": usage_plan_key,
}
