"""Every set that can be asked for by id: complete facts, and words about how to get what is absent."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets as published
from medmnist.info import INFO
from sklearn.datasets import load_digits

from core.datasets import DATASETS
from core.datasets.address import open_address
from core.datasets.medmnist_sets import MedmnistSet, left_out
from core.datasets.spec import DOMAINS, METRICS
from core.datasets.torchvision_readers import READERS
from core.datasets.torchvision_sets import TorchvisionSet
from core.errors import DataUnavailable, InvalidRequest, UnknownName
from core.paths import ROOT

each = pytest.mark.parametrize("id", DATASETS)
TORCHVISION = {id: a for id, a in DATASETS.items() if isinstance(a, TorchvisionSet)}
MEDMNIST = {id: a for id, a in DATASETS.items() if isinstance(a, MedmnistSet)}


def test_what_was_promised_is_there() -> None:
    assert set(TORCHVISION) == {
        *("cifar10", "cifar100", "stl10", "caltech101", "dtd", "oxford-pets", "flowers102", "food101"),
        *("fgvc-aircraft", "stanford-cars", "sun397", "eurosat", "svhn", "fashion-mnist", "pcam", "imagenette"),
    }
    two_dimensional = {id for id, facts in INFO.items() if "url_224" in facts}
    assert set(MEDMNIST) == two_dimensional - set(left_out())
    assert set(left_out()) == set(INFO) - set(MEDMNIST)
    assert "digits" in DATASETS


@each
def test_facts_are_complete(id: str) -> None:
    spec = DATASETS[id].spec
    assert spec.id == id
    assert spec.domain in DOMAINS
    assert spec.domain != "unknown"
    assert spec.metric in METRICS
    assert (spec.classes or 0) >= 2
    assert spec.source.startswith("http")
    for text in (spec.label, spec.split_rule, spec.licence, spec.citation, spec.images):
        assert text.strip()
    assert "," not in id


def test_mean_per_class_where_that_is_the_custom() -> None:
    customary = {id for id, adapter in DATASETS.items() if adapter.spec.metric == "mean-per-class"}
    assert customary == {"caltech101", "oxford-pets", "flowers102", "fgvc-aircraft"}


@pytest.mark.parametrize("id", [id for id in DATASETS if id != "digits"])
def test_absent_files_say_how_to_get_them(id: str, tmp_path: Path) -> None:
    adapter = DATASETS[id]
    assert not adapter.is_here(tmp_path)
    with pytest.raises(DataUnavailable) as caught:
        adapter.open(tmp_path)
    text = str(caught.value)
    assert adapter.spec.label in text
    assert str(tmp_path) in text
    assert (f"invariscope datasets --fetch {id}" in text.replace('"', "")) != (id == "stanford-cars")
    assert list(tmp_path.iterdir()) == [], "asking leaves nothing behind"


@each
def test_options_that_no_set_has(id: str) -> None:
    with pytest.raises(InvalidRequest, match="no option colour"):
        DATASETS[id].variant({"colour": "red"})
    assert DATASETS[id].variant({}) is DATASETS[id]


@pytest.mark.parametrize("id", TORCHVISION)
def test_downloads_are_those_that_torchvision_checks(id: str) -> None:
    layout = TORCHVISION[id].layout
    assert layout.reader in READERS
    code = inspect.getsource(inspect.getmodule(getattr(published, layout.class_name)))
    for archive in layout.archives:
        assert archive.md5 in code
        assert archive.md5 or id == "fgvc-aircraft", "nobody publishes a checksum of that one"
        # PatchCamelyon comes from its publishers' other address, under the same checksums.
        if id != "pcam":
            assert archive.url.rpartition("/")[2] in code
    assert layout.archives or layout.put


@pytest.mark.parametrize("id", MEDMNIST)
def test_medmnist_facts_are_those_of_the_package(id: str) -> None:
    adapter, facts = MEDMNIST[id], INFO[id]
    assert adapter.counts == facts["n_samples"]
    assert adapter.spec.licence == facts["license"]
    assert adapter.spec.classes == len(facts["label"])
    assert "multi-label" not in facts["task"]
    assert {f"MD5_{size}" for size in adapter.sizes[1:]} < set(facts)


def test_digits_are_always_at_hand(tmp_path: Path) -> None:
    found = open_address("digits", tmp_path)
    train, test = found.parts["train"], found.parts["test"]
    assert len(train) + len(test) == 1797
    assert len(test) == pytest.approx(0.2 * 1797, abs=5)
    assert set(np.unique(test.labels)) == set(range(10))
    assert not set(train.ids) & set(test.ids)
    pixels = test.read(0)
    assert pixels.shape == (8, 8, 3)
    assert pixels.dtype == np.uint8
    assert pixels.max() > 200
    assert found.fingerprint == open_address("digits", tmp_path).fingerprint
    DATASETS["digits"].fetch(tmp_path, lambda done, total: None)
    assert list(tmp_path.iterdir()) == []


def test_digits_are_those_of_scikit_learn_and_need_it_not() -> None:
    found = open_address("digits")
    theirs = load_digits()
    for part in found.parts.values():
        for place, id in enumerate(part.ids[:50]):
            number = int(id.partition("/")[2])
            assert part.labels[place] == theirs.target[number]
            shown = part.read(place)[..., 0] * (16 / 255)
            np.testing.assert_allclose(shown, theirs.images[number], atol=0.04)
    opened = "import sys; from core.datasets.address import open_address; open_address('digits')"
    code = f"{opened}; print('sklearn' in sys.modules)"
    asked = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert asked.stdout.split() == ["False"]


def test_names_that_are_no_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match=r"no data set called 'cifar11'\. Nearest of \d+: .*cifar10"):
        open_address("cifar11", tmp_path)
    with pytest.raises(InvalidRequest, match="14 findings"):
        open_address("chestmnist", tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "birds").mkdir()
    with pytest.raises(InvalidRequest, match="write 'folder:birds'"):
        open_address("birds", tmp_path)
