"""The routes: resources of the REST API are made of their paths; the function knows the rest."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Route:
    method: str
    path: str


ROUTES = (
    Route("POST", "/upload"),
    Route("GET", "/status/{transaction_id}"),
    Route("GET", "/uploads"),
    Route("GET", "/uploads/{upload_id}"),
    Route("GET", "/receipt-key"),
)


def parts(path: str) -> list[str]:
    return path.strip("/").split("/")


def prefixes(routes: tuple[Route, ...]) -> list[str]:
    """Every resource that the routes need, parents first."""
    found: dict[str, None] = {}
    for route in routes:
        pieces = parts(route.path)
        for depth in range(1, len(pieces) + 1):
            found["/" + "/".join(pieces[:depth])] = None
    return list(found)


def methods_of(path: str, routes: tuple[Route, ...]) -> list[str]:
    return [route.method for route in routes if route.path == path]


def label(path: str) -> str:
    """A path as the end of a resource's name."""
    return "-".join(piece.strip("{}").replace("_", "-") for piece in parts(path))
