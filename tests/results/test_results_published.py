"""Figures of the literature: complete, in range, and none that nobody read."""

import pytest

from core.datasets.spec import METRICS
from core.paths import ASSETS
from core.results import store
from core.results.published import published

READ_IN_A_FILE = {
    "Ericsson et al., CVPR 2021; README of linusericsson/ssl-transfer",
    "Gavrikov et al., CVPR 2024; raw-data/benchmark.csv of paulgavrikov/biases_vs_generalization",
    "Geirhos et al. 2020; bethgelab/model-vs-human",
    "J. Imaging 2022; jonahanton/SSL_medicalimaging",
    "Sammani et al. 2206.09753; annonymousneurips/xai-self-supervision",
    "adobe/antialiased-cnns",
    "hendrycks/robustness",
    "lightly, ImageNet benchmark of ResNet-50",
    "mmpretrain, model zoo of ResNet-50",
    "official repository of the method",
}


def test_every_figure_is_complete_and_in_range():
    found = published()
    assert len(found) == 219
    words = found[["source", "table", "model", "regime", "family", "dataset", "protocol", "metric", "unit"]]
    assert not words.isna().any().any()
    assert (words.map(str.strip) == words).all().all()
    assert (words != "").all().all()
    assert set(found["family"]) == {"SSL", "SL"}
    assert set(found["unit"]) == {"%", "1"}
    assert found["value"].between(0, 100).all()
    assert found["accuracy"].dropna().between(0, 1).all()
    assert (found["accuracy"].notna() == found["metric"].isin(METRICS)).all()
    assert not found.duplicated(["source", "table", "model", "dataset", "protocol", "metric", "note"]).any()


def test_all_of_it_was_read_in_a_file():
    assert set(published()["source"]) == READ_IN_A_FILE


def test_no_figure_stems_from_memory_or_at_third_hand():
    """The transfer table of Ericsson et al. is known by heart and by transcription but for what their README says."""
    found = published()
    transfer = found[found["source"].str.startswith("Ericsson")]
    assert len(transfer) == 6
    table = transfer[transfer["table"].str.startswith("Table 1")]
    assert set(table["dataset"]) == {"cifar10"}
    assert sorted(table["value"]) == [91.47, 94.07, 97.06]
    # The transcription gives 91.42 and 94.02 for two of these.
    assert not set(found["value"]) & {91.42, 94.02}
    recalled = {
        "fgvc-aircraft",
        "caltech101",
        "stanford-cars",
        "cifar100",
        "dtd",
        "flowers102",
        "food101",
        "oxford-pets",
    }
    assert not set(found["dataset"]) & (recalled | {"sun397", "voc2007"})


def test_figures_of_a_set_and_protocol():
    found = published("linear").set_index(["dataset", "model"])
    assert found["accuracy"]["cifar10", "supervised (ResNet-50)"] == pytest.approx(0.9147)
    every = published()
    assert set(every["protocol"][every["dataset"] == "cifar10"]) == {"linear", "fine-tune"}
    (few,) = every[every["dataset"] == "eurosat"].to_dict("records")
    assert (few["value"], few["interval"], few["note"]) == (88.39, 0.49, "5-way 5-shot")
    assert published("no such protocol").empty


def test_the_file_is_no_study():
    found, troubles = store.survey([str(ASSETS / "results")])
    assert "published" not in " ".join([*found, *(trouble.address for trouble in troubles)])
