"""How long the pages of what moves a representation wait for a study of five million rows of views.

python tests/benchmarks/views.py

A copy of the shipped study's invariance, each image some times over under a name of its own, in the files that a study
writes. Timed are the figures of each page with the choices that it opens with, and then the page's own script, on a
visit that finds nothing kept, and again.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.results import curves, explanation, invariance, schema, steadiness, store, writing  # noqa: E402
from core.results.info import StudyInfo  # noqa: E402

SHIPPED = ROOT / "assets/results/family"
NAME = "views"
PAIR = ("supervised", "simclr")
FIRST, LATER = 2.0, 0.3
"""Seconds that a page may take."""


def inflate(out: Path, rows: int) -> int:
    """Write the shipped study with about `rows` views into a folder; returns how many there are."""
    made = json.loads((SHIPPED / "manifest.json").read_text())
    views = sum(pq.read_metadata(file).num_rows for file in SHIPPED.glob("invariance/*.parquet"))
    times = max(1, -(-rows // views))
    for folder, wanted in schema.TABLES.items():
        for file in sorted(SHIPPED.glob(f"{folder}/*.parquet")):
            table = pq.read_table(file)
            if folder in ("invariance", "critical", "attribution") or ".linear." in file.name:
                table = pa.concat_tables([_named(table, f"#{i}") for i in range(times)]).unify_dictionaries()
            for field in wanted:  # of a study of before
                if field.name not in table.column_names:
                    table = table.append_column(field, pa.nulls(len(table), field.type))
            facts = {"key": "inflated"}
            digest = writing.write_parquet(
                f"{out}/{folder}/{file.name}", table.select(wanted.names).cast(wanted), facts
            )
            made["cells"][file.stem]["sha256"][folder] = digest
    made |= {"id": NAME, "title": "Views", "distances": ""}
    (out / "manifest.json").write_text(json.dumps(schema.sealed(made)))
    return times * views


def _named(table: pa.Table, copy: str) -> pa.Table:
    """The rows, of images of other names."""
    place = table.schema.get_field_index("sample_id")
    ids = pc.binary_join_element_wise(table.column(place).cast(pa.string()), copy, "")
    return table.set_column(place, pa.field("sample_id", pa.string()), ids)


def figures(info: StudyInfo) -> dict[str, dict[str, Callable[[], Any]]]:
    """By page, what it asks of the study with the choices that it opens with."""
    sets = tuple(info.measured(invariance.MEASURE, PAIR))
    shown, one = (*PAIR, "random"), sets[0]
    return {
        "Study: invariance": {
            "fingerprint": lambda: steadiness.compared(info, "whitened", *PAIR, sets, frozenset()),
            "turning": lambda: invariance.turning(info, *PAIR, sets),
            "curve": lambda: curves.curve(info, "whitened", "rotation", shown, one),
            "tipping": lambda: curves.survival(curves.tipping(info, "rotation", shown, one), "rotation"),
        },
        "Explanation": {
            "both": lambda: explanation.both(info, *PAIR),
        },
    }


def visits(page: str, root: Path) -> tuple[float, float]:
    """Seconds of a page's script on a first visit, and of the same page once more."""
    from streamlit.testing.v1 import AppTest

    store.result_roots = lambda: [str(root)]
    at = AppTest.from_file(str(ROOT / "pages/router.py"), default_timeout=600)
    at.query_params["study"] = NAME
    at.run()  # what every page imports is not this one's
    found = []
    for again in (False, True):
        start = time.perf_counter()
        at = at.run() if again else at.switch_page(page).run()
        found.append(time.perf_counter() - start)
        if at.exception or at.error:
            raise RuntimeError(f"{page}: {[*at.exception, *at.error]}")
    return found[0], found[1]


def main() -> int:
    """Inflate, measure, and tell; 1 when a page takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the inflated study is kept")
    parser.add_argument("--rows", type=int, default=5_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.folder or Path(temporary)
        if not (root / NAME / "manifest.json").exists():
            inflate(root / NAME, arguments.rows)
        info = store.study(NAME, [str(root)])
        rows = sum(pq.read_metadata(file).num_rows for file in (root / NAME / "invariance").glob("*.parquet"))
        print(f"{rows:,} views, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        met = True
        for page, parts in figures(info).items():
            for name, compute in parts.items():
                start, worked = time.perf_counter(), time.process_time()
                compute()
                wall, busy = time.perf_counter() - start, time.process_time() - worked
                print(f"  {page:18}  {name:12}  {wall:6.2f} s  {busy:6.2f} s CPU", flush=True)
        for page in ("study_invariance.py", "explanation.py"):
            first, later = visits(page, root)
            met &= first <= FIRST and later <= LATER
            print(f"  {page:32}  first {first:5.2f} s (≤ {FIRST}), later {later:5.2f} s (≤ {LATER})", flush=True)
    print("every bar is met" if met else "a bar was MISSED")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
