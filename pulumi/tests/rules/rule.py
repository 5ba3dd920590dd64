"""A rule, and how a graph is broken to try it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..harness.graph import Graph, Resource

Check = Callable[[Graph], list[str]]
Break = Callable[[Graph], None]


@dataclass(frozen=True)
class Rule:
    name: str
    # What is wrong with a graph, each fault with the resource that has it.
    check: Check
    # Ways to break it, by what was done.
    breaks: Mapping[str, Break]
    # The configuration in which there is something to hold to it.
    config: Mapping[str, str] = field(default_factory=dict[str, str])


def each(graph: Graph, type_: str, *expected: tuple[str, object]) -> list[str]:
    """Faults of resources whose inputs, by a path of keys with dots between, differ."""
    return [
        f"{resource}: {path} is {found!r}, not {value!r}"
        for resource in graph.of(type_)
        for path, value in expected
        if (found := at(resource.inputs, path)) != value
    ]


def at(inputs: Any, path: str) -> Any:
    """What stands at a path; None if nothing does."""
    for key in path.split("."):
        if isinstance(inputs, list):
            inputs = inputs[int(key)] if int(key) < len(inputs) else None
        elif isinstance(inputs, dict):
            inputs = inputs.get(key)
        else:
            return None
    return inputs


def put(type_: str, path: str, value: Any, name: str | None = None) -> Break:
    """Another value for the first resource of a type, or the one of a name."""

    def broken(graph: Graph) -> None:
        resource = pick(graph, type_, name)
        *above, last = path.split(".")
        place: Any = resource.inputs
        for key in above:
            place = place[int(key)] if isinstance(place, list) else place[key]
        if isinstance(place, list):
            place[int(last)] = value
        elif value is None:
            place.pop(last)
        else:
            place[last] = value

    return broken


def drop(type_: str, name: str | None = None) -> Break:
    """Without the first resource of a type, or the one of a name."""
    return lambda graph: graph.remove(pick(graph, type_, name))


def pick(graph: Graph, type_: str, name: str | None) -> Resource:
    if name is not None:
        return graph.one(type_, name)
    return graph.of(type_)[0]


def missing(graph: Graph, owners: list[Resource], type_: str, key: str, by: str) -> list[str]:
    """Owners without a resource of a type that names them in an input."""
    named = {resource.inputs.get(key) for resource in graph.of(type_)}
    return [
        f"{owner}: has no {type_}"
        for owner in owners
        if (owner.outputs.get(by) if by != "id" else owner.id) not in named
    ]
