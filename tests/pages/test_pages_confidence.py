"""The Confidence page: every control once, every chart described, and what it says when something is missing."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import study_manifests
from study_images import draw_folder, show
from study_rows import invent
from study_runs import toy_folders, toy_setup
from test_pages_render import assert_described

from core.errors import InvariscopeError
from core.results import abstaining, confidence
from core.results.measures import MEASURES
from core.results.store import study
from core.study import run as running
from pages.ui import resources

PAGE = "confidence.py"
TITLE = "Does its confidence mean what it says?"
CALIBRATION, RANKING, SETS = (
    "Does it mean what it says? (calibration)",
    "Does it know when it is wrong?",
    "Near and far",
)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "results"
    monkeypatch.setenv("INVARISCOPE_RESULTS", str(folder))
    monkeypatch.setenv("INVARISCOPE_DATA", str(tmp_path / "data"))
    return folder


@pytest.fixture
def invented(root: Path) -> Path:
    return invent(root, samples=60, seeds=2, protocols=("linear",))


def open_invented(open_page, part: str = CALIBRATION, **query: str):
    return open_page(PAGE, study="invented", confidence_part=part, **query)


def words(at) -> str:
    return " ".join(part.value for part in (*at.markdown, *at.caption, *at.info, *at.warning))


@pytest.mark.parametrize(("part", "charts"), [(CALIBRATION, 3), (RANKING, 2 + 1), (SETS, 1)])
def test_every_part_opens_on_a_result_and_describes_it_twice(part, charts, invented, open_page) -> None:
    at = open_invented(open_page, part)
    for _ in range(2):
        assert [title.value for title in at.title] == [TITLE]
        assert not at.error
        assert_described(at)
        assert len(at.get("plotly_chart")) == charts, "what nobody opened is not drawn"
        at.run()
        assert not at.exception


def test_figures_are_those_of_the_stored_rows(invented, root, open_page) -> None:
    at = open_invented(open_page, dataset="scenes")
    info = study("invented", [str(root)])
    tables = confidence.tables(info, "linear", ("supervised", "simclr", "random"), "scenes", False)
    ece = tables.figures[tables.figures["measure"] == "ece"].set_index("encoder")
    (shown,) = [table.value for table in at.dataframe if "what it is" in table.value]
    row = shown.set_index("figure").loc["ECE"]
    assert row["supervised"].startswith(f"{ece.loc['supervised', 'value']:.3f} (")
    assert row["supervised"].endswith(f"perfect {ece.loc['supervised', 'null']:.3f}")
    sets, _ = confidence.by_domain(info, "linear", ("supervised", "simclr", "random"))
    at = open_invented(open_page, SETS, dataset="scenes")
    (drawn,) = [table.value for table in at.dataframe if "scaled" in table.value]
    assert len(drawn) == len(sets)


def test_every_measure_has_its_chart_of_all_sets(invented, open_page) -> None:
    at = open_invented(open_page, SETS)
    for measure in ("auroc", "nll"):
        at.selectbox(key="figure").set_value(measure).run()
        assert not at.exception
        axis = next(m.axis for m in MEASURES if m.id == measure)
        (chart,) = [c for c in at.get("plotly_chart") if c.proto.id.endswith("confidence_domains")]
        assert json.loads(chart.proto.spec)["layout"]["xaxis"]["title"]["text"] == axis


def test_every_data_set_state_and_binning(invented, open_page) -> None:
    at = open_invented(open_page)
    for dataset in ("flowers", "scenes", "scans"):
        at.selectbox(key="dataset").set_value(dataset).run()
        assert not at.exception
        assert f"{dataset.title()} (" in words(at)
    raw = words(at)
    at.button_group(key="probabilities").set_value("temperature-scaled").run()
    assert not at.exception
    assert words(at) != raw
    assert "temperature-scaled probabilities" in words(at)
    at.button_group(key="bins").set_value("mass").run()
    assert not at.exception
    at.toggle(key="confidence_floor").set_value(False).run()
    assert not at.exception
    assert "reliability_random" not in [chart.proto.id for chart in at.get("plotly_chart")]
    assert len(at.get("plotly_chart")) == 2


def test_the_threshold_moves_accuracy_coverage_and_samples_together(invented, root, open_page) -> None:
    at = open_invented(open_page, RANKING, threshold="0.5")
    assert at.slider(key="threshold").value == 0.5
    info = study("invented", [str(root)])
    table = confidence.tables(info, "linear", ("supervised", "simclr"), "birds", False).answered
    for threshold in (0.5, 0.9, 1.0):
        at.slider(key="threshold").set_value(threshold).run()
        assert not at.exception
        row = table[(table["encoder"] == "supervised") & ((table["threshold"] - threshold).abs() < 1e-9)].iloc[0]
        shown = [m.value for m in at.metric]
        assert shown[:2] == [f"{row['coverage']:.1%}", f"{row['accuracy']:.1%}" if row["answered"] else "none"]
        assert len(shown) == 2 * 2, "an untrained encoder carries no large number"
        found = abstaining.at_threshold(info, "linear", "supervised", "birds", False, threshold, "confident mistakes")
        total = int(found["total"].iloc[0]) if len(found) else 0
        assert f"**{total:,} confident mistakes** of supervised" in words(at)
    at.slider(key="threshold").set_value(0.6).run()
    for kind in abstaining.KINDS:
        at.selectbox(key="threshold_kind").set_value(kind).run()
        assert not at.exception
        assert f"{kind}** of supervised" in words(at)
    at.selectbox(key="threshold_encoder").set_value("simclr").run()
    assert not at.exception
    assert "of simclr" in words(at)


def test_the_gallery_shows_images_when_they_are_at_hand(invented, tmp_path, open_page) -> None:
    at = open_invented(open_page, RANKING, dataset="scans")
    assert "not at hand" in words(at)
    assert any("folder:…/scans" in note.help for note in at.caption)
    assert not [image for image in at.image if "class" in image.proto.imgs[0].alt]
    show(invented, draw_folder(tmp_path / "scans"))
    at = open_invented(open_page, RANKING, dataset="scans")
    at.slider(key="threshold").set_value(0.0).run()
    at.selectbox(key="threshold_kind").set_value("answered and right").run()
    assert not at.exception
    assert "not at hand" not in words(at)
    shown = [part.alt for image in at.image for part in image.proto.imgs if ".png: class" in part.alt]
    assert shown
    assert all("confidence" in alt for alt in shown)


def test_without_a_fitted_temperature_it_says_so(root, open_page) -> None:
    out = invent(root, samples=40, seeds=1, protocols=("linear",))
    for path in (out / "cells").glob("*.parquet"):
        table = pq.read_table(path)
        for name in ("calibrated_confidence", "calibrated_true_probability", "calibrated_brier"):
            at = table.schema.get_field_index(name)
            table = table.set_column(at, table.schema.field(name), pa.nulls(len(table), pa.float32()))
        pq.write_table(table, path)
    study_manifests.write(out, study_manifests.read(out))  # with the hashes of the new files
    at = open_invented(open_page, probabilities="temperature-scaled")
    assert "No temperature was fitted for supervised, simclr, random" in words(at)
    assert not at.error
    assert not at.get("plotly_chart")
    at.button_group(key="probabilities").set_value("raw").run()
    assert not at.exception
    assert len(at.get("plotly_chart")) == 3
    assert_described(at)


def test_one_contender_alone(root, open_page) -> None:
    out = invent(root, samples=40, seeds=1, protocols=("linear",))
    manifest = study_manifests.read(out)
    manifest["cells"] = {id: cell for id, cell in manifest["cells"].items() if cell["encoder"] == "simclr"}
    study_manifests.write(out, manifest)
    at = open_invented(open_page)
    assert not at.error
    assert len(at.get("plotly_chart")) == 1
    assert_described(at)
    assert "difference" not in " ".join(text.value for text in at.markdown if text.value.startswith("**"))[:300]


def test_a_contender_without_results_on_the_set_is_named(root, open_page) -> None:
    out = invent(root, samples=40, seeds=1, protocols=("linear",))
    manifest = study_manifests.read(out)
    manifest["cells"]["scans.linear.simclr.0"]["state"] = "waiting"
    study_manifests.write(out, manifest)
    at = open_invented(open_page, dataset="scans")
    assert "simclr: no finished results on Scans." in words(at)
    assert_described(at)


def test_few_shot_episodes(root, open_page) -> None:
    """Of a study that the study's own code ran: what it calls the protocol is what the page must know it by."""
    toy_folders(root.parent)
    options = {"few-shot": {"episodes": 20, "ways": 3, "shots": 2, "queries": 3}}
    setup = toy_setup(root.parent, encoders=("supervised", "simclr"), protocols=("few-shot",), options=options)
    list(running.study(setup))
    at = open_page(PAGE, study="toy")
    assert not at.error
    assert "40 few-shot episodes, 2 seeds" in words(at)
    assert "intervals are over few-shot episodes" in words(at)
    assert_described(at)


def test_no_study_at_all(tmp_path, monkeypatch, open_page) -> None:
    monkeypatch.setattr("core.results.store.result_roots", lambda: [str(tmp_path / "none")])
    at = open_page(PAGE)
    assert "There is no study with results yet" in words(at)
    assert not at.get("plotly_chart")


def test_an_address_that_is_wrong_in_every_way_shows_the_defaults(invented, open_page) -> None:
    at = open_invented(open_page, dataset="nowhere", probabilities="no", bins="no", threshold="seven")
    assert not at.error
    assert at.selectbox(key="dataset").value == "birds"
    assert at.button_group(key="probabilities").value == "raw"
    at = open_invented(open_page, RANKING, threshold="seven")
    assert at.slider(key="threshold").value == 0.8


def test_a_set_that_cannot_be_opened_is_asked_for_again(invented, root, tmp_path) -> None:
    """A failure is not remembered: a data set that was brought meanwhile is found."""
    info = study("invented", [str(root)])
    with pytest.raises(InvariscopeError):
        resources.gallery(info, "scans")
    show(invented, draw_folder(tmp_path / "scans"))
    assert resources.gallery(study("invented", [str(root)]), "scans").places
