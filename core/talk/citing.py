"""BibTeX of what a figure uses, from what the catalogs and the docstrings of metrics state, and nothing beyond that.

These say who and when ("Guo et al. 2017"), so the title of an entry is what its work is cited for.
"""

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

from core.encoders.registry import encoders
from core.results.info import StudyInfo
from core.results.latex import escape

OWN = """@article{tendle2021study,
  title   = {A Study of the Generalizability of Self-Supervised Representations},
  author  = {Tendle, Atharva and Hasan, Mohammad Rashedul},
  year    = {2021},
  journal = {arXiv:2109.09150}
}"""
"""The paper whose study this is."""
_NAME = r"[A-ZÀ-Þ][\w’'-]+"
_WORK = re.compile(rf"(?!In\b)({_NAME}(?:,? {_NAME})?(?: (?:et al\.|(?:&|and) {_NAME}))?),? \(?((?:18|19|20)\d\d)\b")


def works(text: str) -> list[tuple[str, str]]:
    """Authors and year of each work that a text names."""
    return [(authors, year) for authors, year in _WORK.findall(" ".join(text.split()))]


def _entry(authors: str, year: str, title: str, key: str, **more: str) -> str:
    named = authors.replace(" et al.", " and others").replace(" & ", " and ")
    called = re.sub("[^a-z0-9-]+", "", f"{authors.partition(' ')[0]}{year}-{key}".lower()).strip("-")
    fields = {"title": title, "author": named, "year": year} | more
    lines = [f"  {name} = {{{escape(value)}}}" for name, value in fields.items() if value]
    return f"@misc{{{called},\n" + ",\n".join(lines) + "\n}"


def bibtex(info: StudyInfo | None, ids: Iterable[str], metrics: Iterable[Callable[..., Any]] = ()) -> str:
    """What a figure uses as BibTeX: data sets of its study, training methods, metrics.

    Args:
        info: the study; None for a figure of one image.
        ids: of the contenders.
        metrics: of `core`, whose docstrings name their source.
    """
    found = [OWN, *(_data(info) if info else ()), *_methods(ids), *_metrics(metrics)]
    return "\n\n".join(dict.fromkeys(found)) + "\n"


def _data(info: StudyInfo) -> Iterable[str]:
    for id, about in info.datasets.items():
        source = str(about["source"])
        authors, year = next(iter(works(f"{about['citation']} {source}")), ("", ""))
        more = {"url" if source.startswith("https://") else "note": source}
        yield _entry(authors, year, str(about["label"]), id, **more)


def _methods(ids: Iterable[str]) -> Iterable[str]:
    for spec in (encoders()[id] for id in ids if id in encoders()):
        yield from (_entry(*work, spec.method, spec.method) for work in works(spec.paper))


def _metrics(metrics: Iterable[Callable[..., Any]]) -> Iterable[str]:
    for metric in metrics:
        told = inspect.getdoc(metric) or ""
        what = told.partition("\n")[0].rstrip(".")
        yield from (_entry(*work, what, metric.__name__) for work in works(told))
