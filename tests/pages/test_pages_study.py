"""The page Study on invented studies: complete, alone, without a source, damaged, and absent."""

import base64
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import study_manifests
from streamlit.testing.v1 import AppTest
from study_rows import invent
from test_pages_render import assert_described
from toy_studies import toy

from core.plots import study_words
from core.results import pairs, published, store, summary
from core.study import distances

TITLE = "How far do the representations carry?"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    monkeypatch.setenv("INVARISCOPE_RESULTS", str(folder))
    # Whatever ships with the app is no part of what is tested here.
    monkeypatch.setattr("core.results.store.result_roots", lambda: [str(folder)])
    return folder


def change(folder: Path, edit) -> None:
    """Edit a study's manifest in place."""
    made = study_manifests.read(folder)
    edit(made)
    study_manifests.write(folder, made)


def texts(at: AppTest) -> str:
    elements = (*at.markdown, *at.caption, *at.info, *at.warning, *at.error)
    return "\n".join(str(element.value) for element in elements)


def charts(at: AppTest) -> dict[str, dict]:
    """Layout and traces of each chart by its finding."""
    specs = [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]
    return {spec["layout"]["meta"]["finding"]: spec for spec in specs}


def numbers(column) -> list[float]:
    """A column of a chart's JSON: a list, or Plotly's base64."""
    if isinstance(column, dict):
        return np.frombuffer(base64.b64decode(column["bdata"]), column["dtype"]).tolist()
    return column


def table(at: AppTest, column: str) -> list[object]:
    """A column of the first table that has it."""
    return next(frame.value[column].tolist() for frame in at.dataframe if column in frame.value)


def test_shows_every_part_of_a_study_twice_in_a_row(root, open_page):
    invent(root)
    at = open_page("study.py")
    for _ in range(2):
        assert [title.value for title in at.title] == [TITLE]
        headings = ["Does distance decide who is ahead?", "Generalization gap", "Paired tests"]
        assert [heading.value for heading in at.header] == headings
        assert_described(at)
        assert len(at.get("plotly_chart")) == 3
        assert not at.error
        at.run()
        assert not at.exception


def test_findings_are_those_of_the_summaries(root, open_page):
    invent(root)
    at = open_page("study.py")
    info = store.study("invented", [str(root)])
    paired = pairs.paired(info, "linear", "supervised", "simclr")
    accuracy = summary.accuracy(info, "linear")
    bars = next(spec for finding, spec in charts(at).items() if "paired tests" in finding)
    drawn = {}
    for trace in bars["data"]:
        if trace["type"] == "bar":
            drawn |= {tuple(c[:2]): x for c, x in zip(trace["customdata"], numbers(trace["x"]), strict=True)}
    expected = accuracy[accuracy["encoder"] != "random"]
    assert drawn == pytest.approx(
        {(row["dataset"], row["encoder"]): 100 * row["accuracy"] for _, row in expected.iterrows()}
    )
    verdicts = study_words.verdicts(paired[paired["domain"] == "different"], "supervised", "simclr")
    assert f"different: {verdicts}" in texts(at)


def test_a_random_encoder_is_a_line_unless_it_is_chosen(root, open_page):
    invent(root)

    def bars(at):
        spec = next(spec for finding, spec in charts(at).items() if "paired tests" in finding)
        return {trace["name"] for trace in spec["data"] if trace["type"] == "bar"}

    assert bars(open_page("study.py")) == {"supervised", "simclr"}
    with_floor = open_page("study.py", second="random")
    assert bars(with_floor) == {"supervised", "random", "simclr"}
    assert "a floor, not a comparison of regimes" in texts(with_floor)


def test_what_else_differs_between_the_contenders_is_said(root, open_page):
    folder = invent(root)
    assert "augmentation, input and protocol are the same" in texts(open_page("study.py"))
    change(folder, lambda made: made["encoders"]["simclr"].update(epochs=26))
    change(folder, lambda made: made.update(updated="2026-01-01T00:00:00+00:00"))
    assert "these differ besides the regime: epochs (10 against 26)" in texts(open_page("study.py"))


def test_distance_is_chosen_by_measure_and_by_whose_features(root, open_page):
    invent(root)
    at = open_page("study.py", measure="auroc", features="simclr")
    assert at.selectbox(key="features").value == "simclr"
    layout = next(spec["layout"] for finding, spec in charts(at).items() if "nearest" in finding)
    assert layout["xaxis"]["title"]["text"] == "two-sample AUROC from the source"
    assert "3 sets are too few to speak of a trend" in texts(at)
    assert "Features of simclr" in texts(at)
    assert open_page("study.py", measure="nonsense").selectbox(key="features").value == "supervised"


def test_a_study_without_a_source_says_what_distance_takes(root, open_page):
    folder = invent(root, distances=False)
    change(folder, lambda made: made["datasets"]["birds"].update(domain="unknown"))
    at = open_page("study.py")
    assert "no data set is declared as the source" in texts(at)
    assert "Domain not declared" in texts(at)
    folder = invent(root, distances=False)
    assert "the run has not come to its end" in texts(open_page("study.py"))


def test_an_encoder_without_distances_is_not_offered(root, open_page):
    folder = invent(root)
    measured = pq.read_table(folder / "distances.parquet")
    distances.write(str(folder), [measured.filter((measured.to_pandas()["encoder"] == "random").to_numpy())])
    change(folder, lambda made: None)  # the hash of the new file
    assert open_page("study.py").selectbox(key="features").options == ["random"]


def test_one_encoder_alone_is_shown_and_compared_with_nobody(root, open_page):
    folder = invent(root)

    def alone(made):
        made["cells"] = {id: cell for id, cell in made["cells"].items() if cell["encoder"] == "supervised"}

    change(folder, alone)
    at = open_page("study.py")
    assert "Only supervised has results by this protocol" in texts(at)
    assert " ahead" not in texts(at)
    assert "Paired tests" not in [h.value for h in at.header]
    assert any("reaches" in finding for finding in charts(at))
    assert "A difference takes two contenders." in texts(at)


def test_one_set_alone_has_no_gap_and_no_trend(root, open_page):
    folder = invent(root)

    def alone(made):
        made["cells"] = {id: cell for id, cell in made["cells"].items() if cell["dataset"] == "flowers"}

    change(folder, alone)
    at = open_page("study.py")
    assert "A gap takes results on a set declared similar" in texts(at)
    assert "one set shows no trend" in texts(at)


def test_failed_and_waiting_cells_are_listed_with_their_reasons(root, open_page):
    folder = invent(root)

    def fail(made):
        made["cells"]["flowers.knn.simclr.0"].update(state="failed", reason="The weights are gone.")
        made["cells"]["birds.knn.simclr.0"].update(state="waiting")

    change(folder, fail)
    at = open_page("study.py")
    assert "The weights are gone." in table(at, "reason")
    assert "1 cell of this study is still to be run" in texts(at)
    assert_described(at)


def test_published_figures_are_overlaid_on_demand_or_said_to_be_absent(root, open_page):
    folder = invent(root)
    at = open_page("study.py")
    at.toggle(key="study_published").set_value(True).run()
    assert not at.exception
    assert "No published figure at hand is for a data set of this study" in texts(at)

    figures = published.published("linear")
    figures = figures[figures["dataset"] == "cifar10"]
    assert len(figures)
    name = folder / "manifest.json"
    name.write_text(name.read_text().replace("flowers", "cifar10"))
    for cell in (folder / "cells").glob("flowers.*"):
        rows = pq.read_table(cell)
        field = rows.schema.field("dataset")
        renamed = pa.array(["cifar10"] * len(rows)).cast(field.type)
        target = cell.with_name(cell.name.replace("flowers", "cifar10"))
        pq.write_table(rows.set_column(rows.schema.get_field_index("dataset"), field, renamed), target)
    change(folder, lambda made: made.update(updated="2026-01-01T00:00:00+00:00"))
    at = open_page("study.py")
    at.toggle(key="study_published").set_value(True).run()
    assert not at.exception
    assert table(at, "source") == figures["source"].tolist()
    spec = next(spec for finding, spec in charts(at).items() if "paired tests" in finding)
    assert "published, not measured here" in {trace["name"] for trace in spec["data"]}
    assert_described(at)


def test_provenance_and_the_plan_are_at_hand(root, open_page):
    invent(root)
    at = open_page("study.py")
    assert "invariscope study study.toml --data DIR --out OUT" in [code.value for code in at.code]
    assert "engine local" in texts(at)
    assert "Weights (SHA-256): supervised 00000000" in texts(at)


def test_samples_of_a_set_are_one_button_away(root, open_page):
    invent(root)
    at = open_page("study.py")
    at.selectbox(key="study_set").set_value("scenes").run()
    at.button(key="study_open").click().run()
    assert not at.exception
    assert at.session_state["dataset"] == "scenes"
    assert [title.value for title in at.title] != [TITLE]


def test_a_clicked_bar_chooses_set_and_contender(root, open_page):
    invent(root)
    at = open_page("study.py")
    at.session_state["study_accuracy"] = {"selection": {"points": [{"customdata": ["scans", "random", "", "", 1]}]}}
    at.run()
    assert not at.exception
    assert at.selectbox(key="study_set").value == "scans"
    at.button(key="study_open").click().run()
    assert not at.exception
    assert at.session_state["second"] == "random"


def test_a_damaged_study_is_explained(root, open_page):
    folder = invent(root)
    for cell in (folder / "cells").glob("*.parquet"):
        cell.write_bytes(b"no parquet")
    at = open_page("study.py")
    assert len(at.error) == 1
    assert "invented" in at.error[0].value


def test_without_any_study_the_page_says_how_to_get_one(root, open_page):
    at = open_page("study.py")
    assert "There is no study with results yet" in texts(at)
    assert not at.get("plotly_chart")


def test_the_best_supervised_figure_follows_the_study_that_it_is_from(root, open_page):
    labels = {"x": [0, 1, 2, 3]}
    toy(root, {("a", "x", 0): [0, 1, 0, 0], ("b", "x", 0): [0, 0, 0, 0]}, labels)
    at = open_page("study.py", study="toy")
    assert set(table(at, "best_supervised")) == {50.0}
    for right in ([0, 1, 2, 0], [0, 1, 2, 3]):  # another study comes, and is then run again
        toy(root, {("c", "x", 0): right}, labels, "other")
        at.run()
        assert not at.exception
        assert set(table(at, "best_supervised")) == {
            25.0 * sum(a == b for a, b in zip(right, labels["x"], strict=True))
        }
        assert set(table(at, "best_supervised_study")) == {"other"}
