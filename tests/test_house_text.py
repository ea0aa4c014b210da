"""The rule that names are text: a variable that a page gives to Streamlit's Markdown passes through `plain`.

What need not: numbers with a format, words of the house (names in capitals and what is looked up in them), and what is
put together from such parts in the same file. A parameter that takes words of the house alone is a `LiteralString`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.paths import ROOT

PAGES = sorted((ROOT / "pages").rglob("*.py"))
# Streamlit's calls by the number of leading arguments that are Markdown; `help` of all of them is.
MARKDOWN = {
    **dict.fromkeys(("markdown", "caption", "badge", "title", "header", "subheader", "toast", "spinner", "popover"), 1),
    **dict.fromkeys(("warning", "error", "info", "success", "expander", "button", "download_button", "link_button"), 1),
    **dict.fromkeys(("selectbox", "multiselect", "slider", "select_slider", "toggle", "checkbox", "tabs", "radio"), 1),
    **dict.fromkeys(("text_input", "number_input", "file_uploader", "camera_input", "form_submit_button"), 1),
    **dict.fromkeys(("metric", "segmented_control", "pills", "write"), 2),
    **dict.fromkeys(("progress", "page_link", "image", "dataframe", "plotly_chart"), 0),
}
KEYWORDS = {"help", "label", "text", "body", "caption", "value", "delta"}
COUNTS = {"len", "int", "round", "sum", "plain", "code"}


class Words:
    """What of one file is Markdown of the house."""

    def __init__(self, source: str) -> None:
        self.tree = ast.parse(source)
        self.parts = {name.asname or name.name for name in self._imports("pages.ui", "pages")}
        self.open: set[str] = set()  # names being looked at, so that what builds on itself ends

    def _imports(self, *packages: str) -> Iterator[ast.alias]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module in packages:
                yield from node.names

    def faults(self) -> list[str]:
        return [
            f"line {node.lineno}: {ast.unparse(value)}"
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call)
            for value in self._markdown(node)
            if not self.ours(value)
        ]

    def _markdown(self, call: ast.Call) -> list[ast.expr]:
        function = call.func
        if not isinstance(function, ast.Attribute) or function.attr not in MARKDOWN:
            return []
        if isinstance(function.value, ast.Name) and function.value.id in self.parts:
            return []
        first = call.args[: MARKDOWN[function.attr]]
        words = KEYWORDS - ({"value"} if function.attr != "metric" else set())
        return [*first, *(given.value for given in call.keywords if given.arg in words)]

    def ours(self, node: ast.expr) -> bool:
        match node:
            case ast.Constant():
                return True
            case ast.JoinedStr(values=values) | ast.List(elts=values) | ast.Tuple(elts=values):
                return all(map(self.ours, values))
            case ast.FormattedValue(value=value, format_spec=form):
                return form is not None or self.ours(value)
            case ast.IfExp(body=first, orelse=second) | ast.BinOp(left=first, op=ast.Add(), right=second):
                return self.ours(first) and self.ours(second)
            case ast.BoolOp(values=values):
                return all(map(self.ours, values))
            case ast.Starred(value=value) | ast.GeneratorExp(elt=value) | ast.ListComp(elt=value):
                return self.ours(value)
            case ast.Call(func=ast.Name(id=name)) if name in COUNTS:
                return True
            case ast.Call(func=ast.Name(id="list"), args=[value]):
                return self.ours(value)
            case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="join"), args=[value]):
                return self.ours(value)
            case ast.Call(func=ast.Name(id=name)):
                return self._function(name)
            case ast.Attribute() | ast.Subscript() | ast.Call(func=ast.Attribute(attr="get")):
                return self._in_capitals(node)
            case ast.Name(id=name):
                return name.isupper() or self._variable(name)
        return False

    def _in_capitals(self, node: ast.expr) -> bool:
        while True:
            match node:
                case ast.Name(id=name):
                    return name.isupper()
                case ast.Attribute(value=inner, attr=name):
                    if name.isupper():
                        return True
                    node = inner
                case ast.Subscript(value=inner) | ast.Call(func=ast.Attribute(value=inner)):
                    node = inner
                case _:
                    return False

    def _function(self, name: str) -> bool:
        """Whether all that a function of the pages returns is Markdown of the house."""
        for node in ast.walk(self.tree):
            if (
                isinstance(node, ast.ImportFrom)
                and str(node.module).startswith("pages.")
                and name in (alias.name for alias in node.names)
            ):
                return Words(ROOT.joinpath(*node.module.split(".")).with_suffix(".py").read_text())._function(name)
        found = [n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef) and n.name == name]
        returned = [r.value for f in found for r in ast.walk(f) if isinstance(r, ast.Return) and r.value]
        return bool(returned) and all(map(self.ours, returned))

    def _variable(self, name: str) -> bool:
        """Whether all that is ever bound to a name in this file is Markdown of the house."""
        if name in self.open:
            return True
        self.open.add(name)
        try:
            bound = list(self._bound(name))
            return bool(bound) and all(value is not None and self.ours(value) for value in bound)
        finally:
            self.open.discard(name)

    def _bound(self, name: str) -> Iterator[ast.expr | None]:
        for node in ast.walk(self.tree):
            match node:
                case ast.Assign(targets=[target], value=value):
                    yield from self._of_target(target, value, name)
                case (
                    ast.AnnAssign(target=ast.Name(id=found), value=value)
                    | ast.AugAssign(target=ast.Name(id=found), value=value)
                    | ast.NamedExpr(target=ast.Name(id=found), value=value)
                ) if found == name:
                    yield value
                case ast.Call(func=ast.Attribute(value=ast.Name(id=found), attr="append"), args=[value]) if (
                    found == name
                ):
                    yield value
                case ast.For(target=target, iter=each) | ast.comprehension(target=target, iter=each):
                    if any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(target)):
                        yield each
                case ast.arg(arg=found, annotation=kind) if found == name:
                    yield ast.Constant("") if kind and ast.unparse(kind) == "LiteralString" else None

    def _of_target(self, target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr | None]:
        if isinstance(target, ast.Name) and target.id == name:
            yield value
        elif isinstance(target, ast.Tuple):
            values: list[ast.expr | None] = [None] * len(target.elts)
            if isinstance(value, ast.Tuple):
                values = list(value.elts)
            for part, given in zip(target.elts, values, strict=True):
                if isinstance(part, ast.Name) and part.id == name:
                    yield given


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_variable_in_markdown_passes_through_plain(path: Path) -> None:
    assert Words(path.read_text(encoding="utf-8")).faults() == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("st.caption(name)", True),
        ("st.markdown(f'**{name}**')", True),
        ("st.button('Go', help=name)", True),
        ("column.metric('Score', name)", True),
        ("bar.progress(0.5, text=f'{name}: {share:.0%}')", True),
        ("words = name\nst.caption(words)", True),
        ("words = 'a'\nwords += name\nst.caption(words)", True),
        ("lines = []\nlines.append(name)\nst.caption(' '.join(lines))", True),
        ("def say(text: str):\n    st.caption(text)", True),
        ("def say(text: LiteralString):\n    st.caption(text)", False),
        ("st.caption(f'{plain(name)}: {share:.1%} of {len(names)}')", False),
        ("st.caption(WORDS[name])", False),
        ("words = plain(name) if name else 'none'\nst.caption(words)", False),
        ("st.caption('; '.join(f'{plain(n)}' for n in names))", False),
        ("st.selectbox('Class', classes)", False),
        ("from pages.ui import blocks\nblocks.badge(spec)", False),
    ],
)
def test_the_rule_tells_names_from_words(source: str, fault: bool) -> None:
    assert bool(Words(source).faults()) is fault
