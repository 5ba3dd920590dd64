"""Zips that stand in for the functions where a test looks at settings only."""

import zipfile
from pathlib import Path

FUNCTIONS = ("validation", "aggregator", "anomaly", "api", "archiver")
EXECUTABLE = 0o755


def placeholders(folder: Path) -> Path:
    """A zip for each function, whose program fails at once."""
    for function in FUNCTIONS:
        path = folder / function / "bootstrap.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = EXECUTABLE << 16
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(entry, "#!/bin/sh\nexit 1\n")
    return folder
