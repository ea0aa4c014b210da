"""Tables of a study as LaTeX with booktabs, ready for a paper: escaped, captioned, dated."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.metrics.accuracy import holm
from core.results import pairs, summary
from core.results.info import StudyInfo
from core.results.pairs import LEVEL

ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "·": r"\textperiodcentered{}",
    "−": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
}
PER_CLASS = r"$^{\dagger}$"


def escape(text: object) -> str:
    """Text that LaTeX prints as it stands; line ends become spaces."""
    return "".join(ESCAPES.get(letter, letter) for letter in " ".join(str(text).split()))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str, caption: str, label: str) -> str:
    """A floating table; header, cells and caption are LaTeX already."""
    lines = [
        "% Needs \\usepackage{booktabs}.",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        " & ".join(header) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def frame(found: pd.DataFrame, caption: str, label: str, number: Callable[[float], str] = "{:.4g}".format) -> str:
    """A table as it stands, numbers to four digits unless told otherwise; what is not known is a dash."""

    def cell(value: Any) -> str:
        return "--" if pd.isna(value) else number(value) if isinstance(value, float) else escape(value)

    rows = [[cell(value) for value in row] for row in cells(found)]
    align = "".join("r" if pd.api.types.is_numeric_dtype(kind) else "l" for kind in found.dtypes)
    return table([escape(name) for name in found.columns], rows, align, caption, label)


def cells(found: pd.DataFrame) -> list[list[Any]]:
    """The values of a table row by row; lists and arrays within a cell, such as maps, are left to the CSV."""
    held = found.astype(object).to_numpy().tolist()
    return [["…" if isinstance(value, (list, np.ndarray)) else value for value in row] for row in held]


def _made(info: StudyInfo, protocol: str) -> str:
    """Where figures come from: protocol, study, date and version."""
    version = info.manifest.get("versions", {}).get("invariscope", "unknown")
    day = str(info.manifest["updated"])[:10]
    study = f"Study `{escape(info.title)}', measured {day} with Invariscope {escape(version)}."
    return f"Protocol: {escape(protocol)}. {study}"


def leaders(info: StudyInfo, protocol: str, found: pd.DataFrame) -> set[tuple[str, str]]:
    """Data sets with the encoder that is ahead of all others there, where the paired test finds it ahead.

    On each data set the most accurate encoder is tested against the runner-up (see `pairs.paired`); p is
    Holm-corrected over the data sets of the table.
    """
    opposites = {}
    for id, part in found.groupby("dataset", sort=False):
        if len(part) > 1:
            best, second = part.nlargest(2, "accuracy", keep="first")["encoder"]
            opposites[str(id)] = (second, best)
    tests = {pair: pairs.paired(info, protocol, *pair).set_index("dataset") for pair in set(opposites.values())}
    ahead = {id: tests[pair].loc[id] for id, pair in opposites.items() if id in tests[pair].index}
    adjusted: Iterable[float] = holm([row["p"] for row in ahead.values()]) if ahead else []
    return {
        (id, opposites[id][1])
        for (id, row), p in zip(ahead.items(), adjusted, strict=True)
        # The 2 × 2 may speak for the other one where accuracy is a mean over classes: then nothing is found.
        if p < LEVEL and row["ahead"] == 1
    }


def accuracy(info: StudyInfo, protocol: str) -> str:
    """Encoders down, data sets across: accuracy in % with its interval, the leader in bold where the test finds one."""
    found = summary.accuracy(info, protocol)
    bold = leaders(info, protocol, found)
    sets = found.drop_duplicates("dataset")
    marks = [PER_CLASS if metric == "mean-per-class" else "" for metric in sets["metric"]]
    header = ["Encoder", *(escape(label) + mark for label, mark in zip(sets["label"], marks, strict=True))]

    def cell(row: pd.Series) -> str:
        middle, low, high = (100 * row[name] for name in ("accuracy", "low", "high"))
        figure = rf"\textbf{{{middle:.1f}}}" if (row["dataset"], row["encoder"]) in bold else f"{middle:.1f}"
        return rf"{figure} {{\scriptsize [{low:.1f}, {high:.1f}]}}"

    wide = found.assign(cell=found.apply(cell, axis=1)).pivot(index="encoder", columns="dataset", values="cell")
    wide = wide.reindex(index=found["encoder"].unique(), columns=list(sets["dataset"])).fillna("--")
    rows = [[escape(info.encoders[str(id)]["label"]), *wide.loc[id]] for id in wide.index]
    seeds = sorted(set(found["seeds"]))
    counted = f"{seeds[0]} seed{'s' if seeds[0] > 1 else ''}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    caption = (
        rf"Accuracy (\%), mean over {counted}, with 95\,\% intervals. Bold: ahead "
        r"of the runner-up by a paired test, Holm-corrected over data sets ($p < .05$). "
        + (rf"{PER_CLASS}Mean per class. " if any(marks) else "")
        + _made(info, protocol)
    )
    return table(header, rows, "l" + "r" * len(sets), caption, f"{info.id}-{protocol}-accuracy")


def paired(info: StudyInfo, protocol: str, first: str, second: str) -> str:
    """Data sets down: how far the second encoder is ahead of the first, in points, bold where a difference is found."""
    found = pairs.paired(info, protocol, first, second)
    rows = []
    for row in found.to_dict("records"):
        figure = f"${100 * row['difference']:+.1f}$"
        if row["verdict"] != "no difference found":
            figure = rf"$\mathbf{{{100 * row['difference']:+.1f}}}$"
        limits = rf"{{\scriptsize [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]}}".replace("-", "$-$")
        p = "$< .001$" if row["p_holm"] < 0.001 else f"{row['p_holm']:.3f}"
        counts = (row["samples"], row["only_first"], row["only_second"])
        rows.append([escape(row["label"]), *map(str, counts), f"{figure} {limits}", p, escape(row["verdict"])])
    names = [escape(info.encoders[id]["label"]) for id in (first, second)]
    caption = (
        f"Accuracy of {names[1]} (second) minus that of {names[0]} (first) in percentage points, with 95\\,\\% "
        "intervals; samples that only one of them gets right; $p$ of a paired test, Holm-corrected over data sets. "
        "Bold: $p < .05$. " + _made(info, protocol)
    )
    header = ["Data set", "$n$", "Only first", "Only second", "Difference", "$p$", "Verdict"]
    return table(header, rows, "lrrrrrl", caption, f"{info.id}-{protocol}-paired")


def small(info: StudyInfo, protocol: str, found: pd.DataFrame, name: str) -> str:
    """Any small table, a column each, numbers to three decimals."""
    caption = f"{escape(name.replace('-', ' ').capitalize())}. {_made(info, protocol)}"
    named = found.rename(columns=lambda column: column.replace("_", " ").capitalize())
    return frame(named, caption, f"{info.id}-{protocol}-{name}", lambda value: f"{value:.3f}".replace("-", "$-$"))
