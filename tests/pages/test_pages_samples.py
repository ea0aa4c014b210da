"""The Samples page: the 2 × 2, every filter once, images and rows, and the way to Compare."""

from pathlib import Path

import numpy as np
import pytest
import study_manifests
from study_episodes import few_shot
from study_images import draw_folder, show
from study_rows import invent
from test_pages_render import assert_described

from core.results import classes, pairs
from core.results.info import StudyInfo
from core.results.store import study
from pages.ui import inputs

PAGE = "samples.py"
TITLE = "Where do they differ, image by image?"
CELLS = {"both": "both", "only first": "only_first", "only second": "only_second", "neither": "neither"}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "results"
    monkeypatch.setenv("INVARISCOPE_RESULTS", str(folder))
    monkeypatch.setenv("INVARISCOPE_DATA", str(tmp_path / "data"))
    return folder


@pytest.fixture
def invented(root: Path) -> Path:
    return invent(root, samples=90, seeds=1, protocols=("linear",))


@pytest.fixture
def drawn(invented: Path, tmp_path: Path) -> Path:
    show(invented, draw_folder(tmp_path / "scans", each=20))
    return invented


def of(root: Path) -> StudyInfo:
    return study("invented", [str(root)])


def words(at) -> str:
    return " ".join(part.value for part in (*at.markdown, *at.caption, *at.info, *at.warning))


def rows_of(at):
    (table,) = [found.value for found in at.dataframe if "sample" in found.value]
    return table


def test_opens_on_all_images_and_describes_itself_twice(drawn, open_page) -> None:
    at = open_page(PAGE, study="invented", dataset="scans")
    for _ in range(2):
        assert [title.value for title in at.title] == [TITLE]
        assert not at.error
        assert_described(at)
        assert len([image for image in at.image if "class" in image.proto.imgs[0].alt]) == 24
        at.run()
        assert not at.exception


def test_the_cells_hold_what_the_rows_say(invented, root, open_page) -> None:
    at = open_page(PAGE, study="invented", dataset="birds")
    table = pairs.agreement(of(root), "linear", "supervised", "simclr", "birds")[0].set_index("cell")
    for cell, key in CELLS.items():
        count = int(table.loc[cell, "samples"])
        assert f"**{count:,}**" in at.button(key=f"cell_{key}").label
        at.button(key=f"cell_{key}").click().run()
        assert not at.exception
        assert at.selectbox(key="cell").value == cell
        assert f"**{count:,} image" in words(at)
        first, second = pairs.CELLS[cell]
        shown = rows_of(at)
        assert set(shown["supervised is"]) == {"right" if first else "wrong"}
        assert set(shown["simclr is"]) == {"right" if second else "wrong"}
    at.selectbox(key="cell").set_value("all").run()
    assert "**90 images**, all cells" in words(at)


def test_every_filter_and_order(invented, root, open_page) -> None:
    at = open_page(PAGE, study="invented", dataset="birds")
    for order in pairs.ORDERS:
        at.selectbox(key="order").set_value(order).run()
        assert not at.exception
        wanted = pairs.samples(of(root), "linear", "supervised", "simclr", "birds", order=order, limit=24)
        assert rows_of(at)["sample"].tolist() == wanted["sample_id"].tolist()
    at.selectbox(key="label").set_value("birds 2").run()
    assert set(rows_of(at)["class"]) == {"birds 2"}
    at.selectbox(key="agreement").set_value("different answers").run()
    shown = rows_of(at)
    assert (shown["supervised answers"] != shown["simclr answers"]).all()
    at.selectbox(key="agreement").set_value("same answer").run()
    at.selectbox(key="label").set_value("all").run()
    at.selectbox(key="predicted").set_value("birds 1").run()
    assert set(rows_of(at)["simclr answers"]) == {"birds 1"}
    at.slider(key="sure").set_value((0.9, 1.0)).run()
    shown = rows_of(at)
    assert ((shown["supervised confidence"] >= 0.9) | (shown["simclr confidence"] >= 0.9)).all()
    at.slider(key="sure").set_value((0.0, 0.01)).run()
    assert not at.exception
    assert "No image fits all of these filters" in words(at)


def test_pages_of_the_gallery(drawn, open_page) -> None:
    at = open_page(PAGE, study="invented", dataset="scans")
    assert "page 1 of 2" in words(at)
    first = [image.proto.imgs[0].alt for image in at.image]
    at.get("pagination")[0].set_value(2).run()
    assert not at.exception
    assert "page 2 of 2" in words(at)
    second = [image.proto.imgs[0].alt for image in at.image]
    assert len(first) == 24
    assert len(second) == 16
    assert not set(first) & set(second)
    at.selectbox(key="order").set_value("sample").run()  # another order starts at its first page
    assert "page 1 of 2" in words(at)


def test_a_card_says_right_and_wrong_in_words(drawn, root, open_page) -> None:
    at = open_page(PAGE, study="invented", dataset="scans", order="sample")
    wanted = pairs.samples(of(root), "linear", "supervised", "simclr", "scans", order="sample", limit=24)
    alts = [part.alt for image in at.image for part in image.proto.imgs if "class" in part.alt]
    for (_, row), alt in zip(wanted.iterrows(), alts, strict=True):
        assert alt.startswith(row["sample_id"])
        assert f"supervised {'right' if row['first_correct'] else 'wrong'}, " in alt
        assert f"simclr {'right' if row['second_correct'] else 'wrong'}, " in alt


def test_what_the_address_names_is_shown(invented, open_page) -> None:
    query = {"cell": "only first", "label": "scenes 1", "agreement": "different answers", "order": "sample"}
    at = open_page(PAGE, study="invented", dataset="scenes", **query)
    assert at.selectbox(key="dataset").value == "scenes"
    assert at.selectbox(key="cell").value == "only first"
    assert set(rows_of(at)["class"]) == {"scenes 1"}
    assert rows_of(at)["sample"].is_monotonic_increasing


def test_an_address_that_is_wrong_in_every_way_shows_the_defaults(invented, open_page) -> None:
    at = open_page(
        PAGE, study="invented", dataset="no", cell="no", label="no", predicted="no", agreement="no", order="no"
    )
    assert not at.error
    assert "**90 images**, all cells, surest first" in words(at)


def test_a_class_of_another_set_gives_way_to_all(invented, open_page) -> None:
    at = open_page(PAGE, study="invented", dataset="birds", label="birds 4")
    at.selectbox(key="dataset").set_value("scans").run()
    assert not at.exception
    assert at.selectbox(key="label").value == "all"
    assert "**90 images**" in words(at)


def test_without_images_the_rows_and_how_to_bring_them(invented, tmp_path, open_page) -> None:
    at = open_page(PAGE, study="invented", dataset="birds")
    (line,) = [note for note in at.caption if "The images of Birds are not at hand" in note.value]
    assert "/" not in line.value.replace(":material/", "")
    assert "folder:…/birds, data folder $INVARISCOPE_DATA" in line.help.replace("\\", "")
    assert str(tmp_path) not in words(at) + line.help, "a stranger's page names no place of the machine"
    assert len(rows_of(at)) == 24
    assert not [button for button in at.button if button.label == "Open in Compare"]


def test_a_set_that_changed_since_the_study_is_named(drawn, tmp_path, open_page) -> None:
    source = tmp_path / "scans" / "test" / "bone" / "00.png"
    source.with_name("99.png").write_bytes(source.read_bytes())
    at = open_page(PAGE, study="invented", dataset="scans")
    assert not at.error
    assert "no longer what the study read" in words(at)
    assert len([image for image in at.image if "class" in image.proto.imgs[0].alt]) == 24


def test_one_contender_alone_is_sent_to_confidence(root, open_page) -> None:
    out = invent(root, samples=30, seeds=1, protocols=("linear",))
    manifest = study_manifests.read(out)
    manifest["cells"] = {id: cell for id, cell in manifest["cells"].items() if cell["encoder"] == "simclr"}
    study_manifests.write(out, manifest)
    at = open_page(PAGE, study="invented")
    assert "Only Net · simclr has results by this protocol" in words(at)
    assert not at.error


def test_a_contender_without_results_on_the_set_is_named(root, open_page) -> None:
    out = invent(root, samples=30, seeds=1, protocols=("linear",))
    manifest = study_manifests.read(out)
    manifest["cells"]["scans.linear.simclr.0"]["state"] = "waiting"
    study_manifests.write(out, manifest)
    at = open_page(PAGE, study="invented", dataset="scans")
    assert "simclr has no finished results on this data set" in words(at)


def test_seeds_that_disagree_about_a_sample_are_counted(root, tmp_path, open_page) -> None:
    out = invent(root, samples=30, seeds=3, protocols=("linear",))
    show(out, draw_folder(tmp_path / "scans", each=20))
    at = open_page(PAGE, study="invented", dataset="scans")
    assert "of 3 right; first: " in words(at)
    assert "those of the first seed" in words(at)


def test_few_shot_answers_and_no_temperature(root, open_page) -> None:
    few_shot(invent(root, samples=40, seeds=2, protocols=("few-shot",)))
    at = open_page(PAGE, study="invented", dataset="birds")
    assert not at.error
    assert_described(at)
    assert len(rows_of(at)) == 24


def test_no_study_at_all(tmp_path, monkeypatch, open_page) -> None:
    monkeypatch.setattr("core.results.store.result_roots", lambda: [str(tmp_path / "none")])
    at = open_page(PAGE)
    assert "There is no study with results yet" in words(at)


def test_a_sample_opens_in_compare_and_stays(drawn, open_page) -> None:
    at = open_page(PAGE, study="invented", dataset="scans", order="sample")
    at.button(key="open_1").click().run()
    assert not at.exception
    assert [title.value for title in at.title] == ["Compare encoders on an image"]
    assert at.button_group(key="image_source").value == inputs.FROM_STUDY
    compared = [p.alt for image in at.image for p in image.proto.imgs if "is compared" in p.alt]
    assert compared == ["The image that is compared: test/bone/01.png (bone)."]
    assert at.selectbox(key="task").value == inputs.DEFAULT_TASK  # no packaged task of that name
    at.switch_page("attribution.py").run()
    assert not at.exception
    assert at.button_group(key="image_source").value == inputs.FROM_STUDY
    at.button_group(key="image_source").set_value(inputs.FROM_SAMPLES).run()
    assert not at.exception


def test_a_sample_of_a_packaged_task_brings_task_and_contenders(root, tmp_path, monkeypatch, open_page) -> None:
    monkeypatch.setattr("study_rows.DATASETS", {"brain_mri": ("different", 4)})
    out = invent(root, samples=20, seeds=1, protocols=("linear",))
    show(out, draw_folder(tmp_path / "mri", ("a", "b", "c", "d"), each=3), "brain_mri")
    at = open_page(PAGE, study="invented", first="supervised", second="random")
    at.button(key="open_0").click().run()
    assert not at.exception
    assert at.selectbox(key="task").value == "brain_mri"
    assert at.multiselect(key="encoders").value == ["supervised", "random"]


def test_a_study_sample_that_went_away_says_so(drawn, tmp_path, open_page) -> None:
    at = open_page(PAGE, study="invented", dataset="scans", order="sample")
    at.button(key="open_1").click().run()
    held = at.session_state[inputs.STUDY_SAMPLE]
    at.session_state[inputs.STUDY_SAMPLE] = inputs.StudySample("gone", held.dataset, held.sample_id, held.label)
    at.switch_page("compare.py").run()
    assert not at.exception
    assert "no longer at hand" in words(at)
    assert "There is no study called 'gone'" in " ".join(error.value for error in at.error)


def test_class_by_class(invented, root, open_page) -> None:
    at = open_page(PAGE, study="invented", dataset="birds", by_class_shown="true", confusion="difference")
    assert not at.exception
    table = classes.by_class(of(root), "linear", "supervised", "simclr", "birds")
    shown = next(frame.value for frame in at.dataframe if "first_takes" in frame.value)
    assert sorted(shown["difference"]) == pytest.approx(sorted(table["difference"]))
    drawn = next(
        frame.value for frame in at.dataframe if frame.value.columns[0] == "class" and len(frame.value.columns) > 2
    )
    first, second = (classes.confusion(of(root), "linear", id, "birds") for id in ("supervised", "simclr"))
    np.testing.assert_allclose(drawn.drop(columns="class").to_numpy(float), second - first)
    at.selectbox(key="confusion").set_value("simclr").run()
    assert "simclr errs most on" in words(at)


def test_a_study_without_measures_offers_no_filter_by_them(invented, open_page) -> None:
    at = open_page(PAGE, study="invented", dataset="birds", by="kept", under="blur")
    assert not at.error
    assert not [box for box in at.selectbox if box.key in ("by", "under")]
    assert "**90 images**, all cells" in words(at)
