"""Pieces of a page: a figure with its table and downloads, badges, captions."""

import mimetypes
from collections.abc import Callable, Sequence
from typing import Any, Literal, LiteralString

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core import pipeline
from core.encoders.spec import EncoderSpec
from core.plots.answers import verdict
from core.plots.style import REGIME_NAMES, finding_of, titled
from core.readout import Contender
from core.results import latex
from core.spreadsheet import to_csv
from core.text import plain

# Of Plotly's own buttons only the one that saves a picture: it draws in the browser, and needs nothing of the server.
PLOT_CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtons": [["toImage"]],
    "toImageButtonOptions": {"format": "png", "scale": 2, "filename": "invariscope"},
}
MENU = "Take this view along"
PAPER_CONFIG = PLOT_CONFIG | {"toImageButtonOptions": {"format": "svg", "filename": "invariscope"}}
BADGES: dict[str, Literal["blue", "orange", "gray", "green"]] = {
    "SSL": "blue",
    "SL": "orange",
    "random": "gray",
    "other": "green",
}


def figure(
    chart: go.Figure,
    table: pd.DataFrame,
    alt: str,
    key: str,
    select: Literal["", "point", "area"] = "",
    on_paper: Callable[[], go.Figure] | None = None,
    more: Callable[[], None] | None = None,
) -> None:
    """A chart with its alternative text, and under it the table it was drawn from and the menu of what to take away.

    Args:
        chart: with its finding in its layout.
        table: what is drawn.
        alt: the chart in words.
        key: of its widgets and files.
        select: whether points can be clicked, or an area drawn around them too; `selected` gives what they carry.
        on_paper: gives the chart to take away, where the one that is shown follows the dark theme.
        more: draws what else the menu has.
    """
    st.markdown(f"**{plain(finding_of(chart))}**")
    if select:
        area = select == "area"
        tools = {"modeBarButtons": [["lasso2d", "select2d", "pan2d", "resetScale2d"], ["toImage"]]} if area else {}
        modes: list[Any] = ["points", "box", "lasso"] if area else ["points"]
        config = PLOT_CONFIG | tools
        st.plotly_chart(chart, key=key, alt=alt, config=config, on_select="rerun", selection_mode=modes)
    else:
        st.plotly_chart(chart, key=key, alt=alt, config=PLOT_CONFIG)
    with st.expander("Table", icon=":material/table:"):
        st.dataframe(table, hide_index=True, alt=f"Table behind the chart. {alt}", key=f"{key}_table")
    with st.popover(MENU, icon=":material/ios_share:", type="tertiary", key=f"{key}_menu"):
        st.caption("The camera button over the chart saves it as PNG, at twice its size.")

        def on_page() -> bytes:
            page: str = titled(on_paper() if on_paper else chart).to_html(include_plotlyjs=True, config=PAPER_CONFIG)
            return page.encode()

        with st.container(horizontal=True, gap="small"):
            csv(table, "Table", key, icon=None)
            caption = latex.escape(finding_of(chart))
            download("Table (LaTeX)", lambda: latex.frame(table, caption, key).encode(), f"{key}.tex")
            told = "A page of its own that needs no network; its camera button saves the chart as SVG."
            download("Chart (HTML, SVG)", on_page, f"{key}.html", help=told)
        if more:
            more()


def download(label: LiteralString, data: bytes | str | Callable[[], bytes], file: str, **look: Any) -> None:
    """A button that gives a file, made when asked for where `data` makes it; its key is the file's name, `_` for the
    point, unless `look` has another one."""
    kind = mimetypes.guess_type(file)[0] or "application/octet-stream"
    look = {"key": file.replace(".", "_")} | look
    st.download_button(label, data, file, kind, on_click="ignore", **look)


def csv(table: pd.DataFrame, called: str, name: str, *, icon: str | None = ":material/download:", **look: Any) -> None:
    """A button that gives a table as `name`.csv."""
    download(f"{plain(called)} (CSV)", lambda: to_csv(table, mark=True), f"{name}.csv", icon=icon, **look)


def selected(key: str) -> list[list[Any]]:
    """The customdata of the points that are chosen in a chart of `figure`."""
    points = st.session_state.get(key, {}).get("selection", {}).get("points", [])
    return [list(point["customdata"]) for point in points if point.get("customdata")]


def badge(spec: EncoderSpec) -> None:
    """The regime in words and in its family's colour, and a mark where commercial use is forbidden."""
    with st.container(horizontal=True, gap="small", width="content"):
        st.badge(REGIME_NAMES[spec.regime], color=BADGES[spec.family])
        if spec.non_commercial:
            st.badge("NC", color="red", help=f"{plain(spec.licence)}: no commercial use.")


def marks(specs: Sequence[EncoderSpec]) -> None:
    """Names and badges of several encoders in a line, for pages that give none a column of its own."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        for spec in specs:
            with st.container(horizontal=True, gap="small", vertical_alignment="center", width="content"):
                st.markdown(f"**{plain(spec.label)}**", width="content")
                badge(spec)


def control_note(contenders: Sequence[Contender]) -> None:
    """Whether the comparison is controlled, and if not, what differs besides the regime."""
    trained = [r for r in contenders if r.encoder.spec.family != "random"]
    if len(trained) < 2:
        if len(contenders) > 1:
            st.caption(
                ":material/balance: One trained contender beside random weights: a floor, not a comparison of regimes."
            )
        return
    differences = pipeline.uncontrolled(contenders)
    one_regime = len({r.encoder.spec.regime for r in trained}) == 1
    if not differences:
        st.caption(":material/balance: Controlled pair: architecture, images, epochs and head protocol are the same.")
    else:
        what = "One regime, and these differ" if one_regime else "Besides the regime these differ"
        st.caption(f":material/balance: Not fully controlled. {what}: {plain('; '.join(differences))}.")


def answer_mark(answer: str, truth: Sequence[str]) -> None:
    """Whether an answer is right, where one knows: an icon and a word, and what would have been right."""
    said = verdict(answer, truth)
    if said == "right":
        st.badge("right", icon=":material/check:", color="green")
    elif said == "wrong":
        st.badge(f"wrong: {plain(' or '.join(truth))}", icon=":material/close:", color="red")


def unfamiliar(contender: Contender, reading: pipeline.Reading) -> None:
    """A warning before an answer to an image that the task may not know."""
    if warning := pipeline.unfamiliar(contender, reading):
        st.warning(plain(warning), icon=":material/help:")


def provenance(contenders: Sequence[Contender], extra: str = "") -> None:
    """Where the numbers of a page come from, small and complete."""
    parts = [
        f"{r.encoder.spec.id} (weights {r.encoder.sha256[:8]}, {r.head.protocol} head, "
        + (f"T = {r.head.temperature:.2f})" if r.head.calibrated else "no temperature fitted)")
        for r in contenders
    ]
    device = pipeline.device_label(contenders[0].encoder.device)
    st.caption(plain(f"{'; '.join(parts)}. {device}, {pipeline.versions()}. {extra}"))
