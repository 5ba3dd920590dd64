"""What handlers work with: clients of the emulator, and where it says that it is."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

ACCOUNT = "000000000000"
# The emulator's root.
ROOT = ("test", "test", None)

Json = Any
Inputs = dict[str, Json]


@dataclass(frozen=True)
class Made:
    """What a provider answers: the physical id, and outputs beside the inputs."""

    id: str
    outputs: Inputs = field(default_factory=dict)


@dataclass(frozen=True)
class Aws:
    endpoint: str
    region: str
    credentials: tuple[str, str, str | None] = ROOT
    # Where deployed functions send their calls; unset, to the endpoint.
    calls: str | None = None

    def client(self, service: str) -> Any:
        return client(self.endpoint, self.region, self.credentials, service)

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{ACCOUNT}:{resource}"

    def as_role(self, role_arn: str) -> "Aws":
        """The same, asking as whoever took the role on."""
        answer = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="test")
        given = answer["Credentials"]
        keys = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        return Aws(self.endpoint, self.region, keys)


@cache
def client(
    endpoint: str, region: str, credentials: tuple[str, str, str | None], service: str
) -> Any:
    key, secret, token = credentials
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def tag_list(given: Inputs) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in given.get("tags", {}).items()]


def pascal(value: Json) -> Json:
    """A structure with keys as AWS's API writes them."""
    if isinstance(value, dict):
        return {key[0].upper() + key[1:]: pascal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [pascal(item) for item in value]
    return value
