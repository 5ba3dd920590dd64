"""The deployer refuses what AWS refuses and what it does not know; policies decide as IAM does."""

import json
from typing import Any

import pytest
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs

from .emulator.aws import Aws
from .emulator.checks import needs_permission, needs_source
from .emulator.deployer import Deployer
from .emulator.policies import decide, for_emulator
from .emulator.stack import Stack


def test_an_unknown_type_fails_the_run() -> None:
    deployer = Deployer(Aws("http://127.0.0.1:1", "us-east-1"))
    with pytest.raises(NotImplementedError, match="no handler makes the type aws:ec2/vpc:Vpc"):
        deployer.new_resource(MockResourceArgs("aws:ec2/vpc:Vpc", "a", {}, custom=True))


def test_an_unknown_data_source_fails_the_run() -> None:
    deployer = Deployer(Aws("http://127.0.0.1:1", "us-east-1"))
    with pytest.raises(NotImplementedError, match="getVpc"):
        deployer.call(MockCallArgs("aws:ec2/getVpc:getVpc", {}, ""))


def test_nothing_wakes_a_function_without_permission(stack: Stack) -> None:
    with pytest.raises(PermissionError, match="may not call"):
        needs_permission(stack.aws, "archiver-lambda-dev", "s3.amazonaws.com", "arn:aws:s3:::a")
    with pytest.raises(PermissionError, match="may not call"):
        needs_permission(stack.aws, "validation-lambda-dev", "s3.amazonaws.com", "arn:aws:s3:::a")


def test_no_mapping_reads_what_its_role_may_not(stack: Stack) -> None:
    arn = stack.graph.one("kinesis.Stream", "transaction-events").outputs["arn"]
    needs_source(stack.aws, "archiver-lambda-dev", arn, ["kinesis:GetRecords"])
    with pytest.raises(PermissionError, match=r"kinesis:GetRecords.* on arn:aws:kinesis"):
        needs_source(stack.aws, "api-lambda-dev", arn, ["kinesis:GetRecords"])


def statement(effect: str, action: str, resource: str, **condition: Any) -> dict[str, Any]:
    base = {"Effect": effect, "Action": [action], "Resource": [resource]}
    return {**base, "Condition": condition} if condition else base


@pytest.mark.parametrize(
    ("statements", "decision"),
    [
        ([], "none"),
        ([statement("Allow", "s3:GetObject", "arn:aws:s3:::b/*")], "allow"),
        ([statement("Allow", "S3:getobject", "arn:aws:s3:::b/*")], "allow"),
        ([statement("Allow", "s3:Get*", "arn:aws:s3:::b/a/?")], "allow"),
        ([statement("Allow", "s3:GetObject", "arn:aws:s3:::b")], "none"),
        ([statement("Allow", "s3:GetObject", "arn:aws:s3:::B/*")], "none"),
        ([statement("Allow", "s3:PutObject", "*")], "none"),
        ([statement("Allow", "*", "*"), statement("Deny", "s3:*", "*")], "deny"),
        ([statement("Allow", "*", "*", Bool={"aws:SecureTransport": "true"})], "allow"),
        ([statement("Allow", "*", "*", Bool={"aws:SecureTransport": "false"})], "none"),
        ([statement("Allow", "*", "*", StringEquals={"kms:ViaService": "s3"})], "none"),
        ([statement("Allow", "*", "*", ArnNotEquals={"aws:PrincipalArn": "a"})], "allow"),
        ([statement("Allow", "*", "*", NumericLessThan={"s3:TlsVersion": "1.2"})], "none"),
    ],
)
def test_the_evaluator_decides_as_iam(statements: list[dict[str, Any]], decision: str) -> None:
    context = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
    assert decide(statements, "s3:GetObject", "arn:aws:s3:::b/a/1", context) == decision


def test_the_evaluator_knows_what_it_does_not_know() -> None:
    odd = statement("Allow", "*", "*", DateLessThan={"aws:CurrentTime": "2030-01-01"})
    with pytest.raises(NotImplementedError, match="DateLessThan"):
        decide([odd], "s3:GetObject", "a", {"aws:CurrentTime": "2026-01-01"})
    with pytest.raises(NotImplementedError, match="NotAction"):
        decide([{"Effect": "Allow", "NotAction": [], "Resource": []}], "s3:GetObject", "a")


def test_a_policy_for_the_emulator_means_the_same() -> None:
    role = "arn:aws:iam::000000000000:role/r"
    policy = {
        "Statement": [
            statement("Deny", "s3:*", "*", Bool={"aws:SecureTransport": "false"}),
            statement("Deny", "s3:GetObject", "*", ArnNotEquals={"aws:PrincipalArn": role}),
        ]
    }
    [kept] = json.loads(for_emulator(json.dumps(policy)))["Statement"]
    sessions = "arn:aws:sts::000000000000:assumed-role/r/*"
    assert kept["Condition"]["ArnNotEquals"]["aws:PrincipalArn"] == [role, sessions]
