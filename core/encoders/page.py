"""The list of encoders as a page that people read: `catalog/README.md`.

What stands above its last heading is written by hand; the table below is the registry's.
"""

from collections.abc import Iterable

from core.encoders.registry import CATALOG, encoders, untagged
from core.encoders.spec import EncoderSpec

PAGE = CATALOG / "README.md"
HEADING = "## All encoders\n"
COLUMNS = ("encoder", "regime", "method", "architecture", "data", "linear / k-NN / with labels", "head", "licence")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _row(spec: EncoderSpec) -> str:
    given = (spec.published.linear, spec.published.knn, spec.published.supervised)
    numbers = " / ".join("–" if value is None else f"{value:g}" for value in given) if any(given) else ""
    licence = f"{spec.licence} **NC**" if spec.non_commercial else spec.licence
    head = "yes" if spec.heads or spec.weights.packaged else ""
    facts = spec.regime, spec.method, untagged(spec.architecture), spec.pretraining.data
    return _line((f"`{spec.id}`", *facts, numbers, head, licence))


def written() -> str:
    """The page as it should be: its prose as it is, and a row for each encoder that ships or is published."""
    prose = PAGE.read_text(encoding="utf-8").partition(HEADING)[0]
    rows = [_row(spec) for spec in encoders().values() if spec.weights.packaged or spec.weights.url]
    return "\n".join([prose + HEADING, _line(COLUMNS), "|---" * len(COLUMNS) + "|", *rows, ""])
