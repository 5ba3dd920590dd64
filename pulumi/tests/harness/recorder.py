"""Mocks that make nothing: what a provider would answer is made of the inputs.

`python -m tests.harness.recorder OUT.json [--region R] [key=value ...]` runs the program and writes
the graph.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi

from . import program
from .graph import short
from .monitor import plain

ACCOUNT = "123456789012"
# What a fresh account may run at a time, after its first days.
CONCURRENCY = 1000

Json = Any


class Recorder(pulumi.runtime.Mocks):
    """Answers as AWS names things."""

    def __init__(self, region: str, concurrency: int = CONCURRENCY):
        self.region = region
        self.concurrency = concurrency

    def call(
        self, args: pulumi.runtime.MockCallArgs
    ) -> tuple[dict[str, Json], list[tuple[str, str]]]:
        if args.token.endswith(":getTable"):
            return table_there(str(args.args["name"]), ACCOUNT, self.region), []
        return invoked(args.token, ACCOUNT, self.region, self.concurrency), []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Json]]:
        inputs: dict[str, Json] = plain(args.inputs)
        if not args.custom:
            return args.name, args.inputs
        answer = self.answer(short(args.typ), args.name, inputs)
        return physical_id(short(args.typ), args.name, inputs), {**args.inputs, **answer}

    def answer(self, type_: str, name: str, inputs: Mapping[str, Json]) -> dict[str, Json]:
        service = type_.split(".")[0]
        named = str(inputs.get("name", name))
        at = f"{self.region}:{ACCOUNT}"
        arns = {
            "apigateway.RestApi": f"arn:aws:apigateway:{self.region}::/restapis/{name}",
            "athena.Workgroup": f"arn:aws:athena:{at}:workgroup/{named}",
            "cloudwatch.EventRule": f"arn:aws:events:{at}:rule/{named}",
            "cloudwatch.LogGroup": f"arn:aws:logs:{at}:log-group:{named}",
            "dynamodb.Table": f"arn:aws:dynamodb:{at}:table/{named}",
            "glue.CatalogDatabase": f"arn:aws:glue:{at}:database/{named}",
            "glue.CatalogTable": f"arn:aws:glue:{at}:table/{inputs.get('databaseName')}/{named}",
            "iam.Policy": f"arn:aws:iam::{ACCOUNT}:policy/{named}",
            "iam.Role": f"arn:aws:iam::{ACCOUNT}:role/{named}",
            "kinesis.Stream": f"arn:aws:kinesis:{at}:stream/{named}",
            "kms.Key": f"arn:aws:kms:{at}:key/{name}",
            "lambda.Function": f"arn:aws:lambda:{at}:function:{named}",
            "s3.Bucket": f"arn:aws:s3:::{inputs.get('bucket')}",
            "secretsmanager.Secret": f"arn:aws:secretsmanager:{at}:secret:{named}-AbCdEf",
        }
        answer: dict[str, Json] = {"arn": arns.get(type_, f"arn:aws:{service}:{at}:{named}")}
        match type_:
            case "apigateway.RestApi":
                answer["rootResourceId"] = "root"
                answer["executionArn"] = f"arn:aws:execute-api:{at}:{name}"
            case "apigateway.Stage":
                answer["invokeUrl"] = (
                    f"https://{inputs['restApi']}.execute-api.{self.region}.amazonaws.com/"
                    f"{inputs['stageName']}"
                )
            case "dynamodb.Table":
                answer["streamArn"] = f"{answer['arn']}/stream/2026-01-01T00:00:00.000"
            case "kms.Key":
                answer["keyId"] = name
            case "lambda.Function":
                answer["invokeArn"] = (
                    f"arn:aws:apigateway:{self.region}:lambda:path/2015-03-31/functions/"
                    f"{answer['arn']}/invocations"
                )
            case _:
                pass
        return answer


def physical_id(type_: str, name: str, inputs: Mapping[str, Json]) -> str:
    """What the provider knows it by: mostly the name that it was given."""
    named = {"s3.Bucket": "bucket", "dynamodb.Table": "name", "lambda.Function": "name"}
    return str(inputs.get(named.get(type_, ""), name))


def invoked(token: str, account: str, region: str, concurrency: int) -> dict[str, Json]:
    """What the data sources that the program asks say; others are an error."""
    known: dict[str, dict[str, Json]] = {
        "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": account},
        "aws:index/getPartition:getPartition": {"partition": "aws"},
        "aws:index/getRegion:getRegion": {"region": region},
        "aws:servicequotas/getServiceQuota:getServiceQuota": {"value": concurrency},
    }
    if token not in known:
        raise NotImplementedError(f"the data source {token} is not known to the mocks")
    return known[token]


def table_there(name: str, account: str, region: str) -> dict[str, Json]:
    """A table that is there before the program runs."""
    arn = f"arn:aws:dynamodb:{region}:{account}:table/{name}"
    return {"name": name, "arn": arn, "streamArn": f"{arn}/stream/2026-11-30T00:00:00.000"}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--concurrency", type=int, default=CONCURRENCY)
    parser.add_argument("config", nargs="*", help="key=value")
    given = parser.parse_intermixed_args(arguments)
    config = dict(pair.split("=", 1) for pair in given.config)
    mocks = Recorder(given.region, given.concurrency)
    program.run(mocks, config, ACCOUNT, given.region).write(given.out)


if __name__ == "__main__":
    main()
