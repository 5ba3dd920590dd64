"""The REST API: resources, methods, answers of its own, stage and usage plan."""

from .rest_api import Api, ApiArgs

__all__ = ["Api", "ApiArgs"]
