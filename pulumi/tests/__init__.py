"""Tests of the deployment. What starts the emulator is shared with the end-to-end test."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests/python"))
