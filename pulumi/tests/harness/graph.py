"""What the program asked for: every resource with its inputs, parent and dependencies."""

import copy
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Json = Any


@dataclass
class Resource:
    urn: str
    type: str
    name: str
    id: str
    # As the provider would get them: camelCase, numbers as floats, secrets in the open.
    inputs: dict[str, Json]
    outputs: dict[str, Json]
    parent: str
    dependencies: list[str]
    retain_on_delete: bool
    ignore_changes: list[str]
    # Names of inputs that hold a secret.
    secrets: list[str]
    custom: bool

    def __str__(self) -> str:
        return f"{self.type} {self.name}"

    def policy(self, key: str = "policy") -> list[dict[str, Json]]:
        """The statements of a policy document."""
        return json.loads(self.inputs[key])["Statement"]


@dataclass
class Graph:
    resources: list[Resource]
    outputs: dict[str, Json]
    # Components that said that they are complete, by URN.
    completed: list[str]
    account: str
    region: str
    messages: list[str]

    def of(self, *types: str) -> list[Resource]:
        """Every resource of these types; a type is written as `s3.Bucket`."""
        return [resource for resource in self.resources if short(resource.type) in types]

    def one(self, type_: str, name: str) -> Resource:
        found = [resource for resource in self.of(type_) if resource.name == name]
        assert len(found) == 1, f"{len(found)} resources are {type_} {name}"
        return found[0]

    def custom(self) -> Iterator[Resource]:
        return (resource for resource in self.resources if resource.custom)

    def copy(self) -> "Graph":
        return copy.deepcopy(self)

    def remove(self, resource: Resource) -> None:
        self.resources.remove(resource)

    def settings_of(self, type_: str, key: str, value: Json) -> list[Resource]:
        """Resources that set something up for another one, which they name in an input."""
        return [resource for resource in self.of(type_) if resource.inputs.get(key) == value]

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def read(path: Path) -> Graph:
    data = json.loads(path.read_text(encoding="utf-8"))
    data["resources"] = [Resource(**resource) for resource in data["resources"]]
    return Graph(**data)


def short(type_: str) -> str:
    """`aws:s3/bucket:Bucket` as `s3.Bucket`."""
    package, _, rest = type_.partition(":")
    module, _, name = rest.rpartition(":")
    if package != "aws":
        return type_
    return f"{module.split('/')[0]}.{name}"
