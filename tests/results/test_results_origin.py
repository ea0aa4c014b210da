"""What a study says of where its figures come from."""

from pathlib import Path

import pytest
import study_manifests
from study_rows import invent

from core.results import origin, store
from core.results.info import StudyInfo
from core.study import plan


@pytest.fixture
def info(tmp_path: Path) -> StudyInfo:
    folder = invent(tmp_path, samples=20, seeds=1, protocols=("knn",), distances=False)
    made = study_manifests.read(folder)
    made["encoders"]["simclr"] |= {"epochs": 26, "augmentation": None}
    cells = made["cells"]
    cells["flowers.knn.simclr.0"] |= {"state": "failed", "reason": "The weights are gone."}
    cells["birds.knn.simclr.0"] |= {"state": "waiting"}
    made["unopened"] = {"folder:/nowhere": "/nowhere does not exist."}
    study_manifests.write(folder, made)
    return store.study("invented", [str(tmp_path)])


def test_what_differs_between_two_encoders_is_named_with_both_values(info):
    assert origin.differences(info, "supervised", "simclr") == [
        "epochs (10 against 26)",
        "training augmentation (none against not stated)",
    ]
    assert origin.differences(info, "supervised", "random") == []


def test_what_has_no_results_is_listed_with_its_reason_failures_first(info):
    found = origin.unfinished(info)
    assert found["state"].tolist() == ["failed", "failed", "waiting"]
    assert found["reason"].tolist() == ["/nowhere does not exist.", "The weights are gone.", ""]
    assert found["dataset"].tolist() == ["folder:/nowhere", "flowers", "birds"]


def test_provenance_names_engine_machine_versions_date_seeds_and_weights(info):
    said = origin.provenance(info)
    made = info.manifest
    assert made["updated"][:10] in said
    for part in ("engine local", "Seeds: 1", "simclr 00000000", made["machine"]["platform"]):
        assert part in said
    for name, number in made["versions"].items():
        assert f"{name} {number}" in said


def test_provenance_of_an_older_manifest_says_what_it_does_not_know(info):
    bare = {key: info.manifest[key] for key in ("updated", "encoders")}
    said = origin.provenance(StudyInfo("old", info.address, bare))
    assert "engine not stated" in said
    assert "a machine not stated" in said


def test_the_plan_is_the_file_that_makes_the_study_again(info, tmp_path):
    (tmp_path / "again.toml").write_bytes(origin.plan_file(info))
    assert plan.read(tmp_path / "again.toml").encoders == ("supervised", "simclr", "random")
    (tmp_path / "invented" / "study.toml").write_bytes(b"damaged")
    assert plan.parse(origin.plan_file(info).decode(), "plan") == plan.read(tmp_path / "again.toml")
    older = {key: value for key, value in info.manifest.items() if key != "plan"}
    assert origin.plan_file(StudyInfo("older", info.address, older)) == b"damaged", "all that there is"
    assert origin.plan_file(StudyInfo("gone", f"{tmp_path}/gone", older)) is None
