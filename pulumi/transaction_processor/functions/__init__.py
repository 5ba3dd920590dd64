"""The functions: one module each says what it is given, may do, and is woken by."""

from .function import Packaging
from .functions import FUNCTIONS, Functions
from .parts import Parts

__all__ = ["FUNCTIONS", "Functions", "Packaging", "Parts"]
