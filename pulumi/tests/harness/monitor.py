"""Pulumi's mock monitor, which keeps what it is asked for besides answering from the mocks.

The mocks are told type, name and inputs only; parents, dependencies and options are in the request.
"""

from typing import Any

import pulumi
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockMonitor

from .graph import Resource


class RecordingMonitor(MockMonitor):
    """Keeps every registration, in order."""

    def __init__(self, mocks: pulumi.runtime.Mocks):
        super().__init__(mocks)
        self.recorded: list[Resource] = []
        self.completed: list[str] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 the name in the protocol
        response = super().RegisterResource(request)
        if request.type == "pulumi:pulumi:Stack":
            return response
        given = rpc.deserialize_properties(request.object)
        state = self.resources[response.urn].state
        self.recorded.append(
            Resource(
                urn=response.urn,
                type=request.type,
                name=request.name,
                id=response.id,
                inputs={key: plain(value) for key, value in given.items()},
                outputs={key: plain(value) for key, value in state.items()},
                parent=request.parent,
                dependencies=list(request.dependencies),
                retain_on_delete=bool(request.retainOnDelete),
                ignore_changes=list(request.ignoreChanges),
                secrets=[key for key, value in given.items() if rpc.is_rpc_secret(value)],
                custom=bool(request.custom),
            )
        )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        self.completed.append(request.urn)
        return super().RegisterResourceOutputs(request)


def plain(value: Any) -> Any:
    """A value as JSON: secrets opened, archives by their path, whole numbers as such."""
    if rpc.is_rpc_secret(value):
        return plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, pulumi.FileArchive | pulumi.FileAsset):
        return {"path": value.path}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
