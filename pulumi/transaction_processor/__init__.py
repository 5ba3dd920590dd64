"""The transaction processor on AWS, one component per concern, composed by `TapStack`."""

from .settings import read_config
from .tap_stack import TapStack, TapStackArgs

__all__ = ["TapStack", "TapStackArgs", "read_config"]
