"""The views of `sql/athena` as queries that need no view to be created: each with those that it
stands on, in front of it.
"""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "sql" / "athena"
# Each stands on the one before; the first on the table of events.
VIEWS = ("events_once", "rows_once", "classed_rows", "totals")


def over(view: str, select: str) -> str:
    """A query over a view."""
    needed = VIEWS[: VIEWS.index(view) + 1]
    texts = {name: (FOLDER / f"{name}.sql").read_text(encoding="utf-8") for name in needed}
    parts = [f"{name} AS (\n{text.strip()}\n)" for name, text in texts.items()]
    return f"WITH {', '.join(parts)}\n{select}"
