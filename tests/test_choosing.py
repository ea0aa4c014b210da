"""Filters, order and table of the catalog."""

import pytest

from core import choosing
from core.choosing import COMMERCIAL, ON_MACHINE, WITH_HEAD, Wanted
from core.encoders.files import weights
from core.encoders.registry import encoder_spec, encoders
from core.heads import store


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))


def ids(facets: dict | None = None, only: tuple = (), query: str = "", sort: str = "default") -> list[str]:
    return [spec.id for spec in choosing.choose(Wanted(facets or {}, only, query), sort)]


def test_nothing_asked_is_everything() -> None:
    assert sorted(ids()) == sorted(encoders())


@pytest.mark.parametrize("facet", choosing.FACETS)
def test_each_value_of_a_facet_finds_its_encoders_and_no_other(facet) -> None:
    found = {value: ids({facet: (value,)}) for value in choosing.values(facet)}
    assert sum(map(len, found.values())) == len(encoders())
    assert [len(part) for part in found.values()] == sorted(map(len, found.values()), reverse=True)
    first, second, *_ = found
    assert set(ids({facet: (first, second)})) == set(found[first]) | set(found[second])


def test_all_words_must_stand_in_a_name() -> None:
    assert "resnet50-dino" in ids(query="DINO resnet-50")
    assert ids(query="dino no-such-word") == []
    assert "vits16-dino" in ids(query="vit_small_patch16_224.dino"), "names of the literature count"


def test_only() -> None:
    assert set(ids(only=(ON_MACHINE,))) == {id for id, spec in encoders().items() if spec.weights.packaged}
    assert set(ids(only=(WITH_HEAD,))) == {id for id, spec in encoders().items() if store.tasks_of(spec)}
    free = ids(only=(COMMERCIAL,))
    assert "resnet50-dino" in free
    for id in ("resnet50-swav-800", "regnety_320.seer", "convnext_tiny.eupe_lvd1689m", "resnet50.bamboo", "simclr"):
        assert id not in free
    assert set(ids(only=(COMMERCIAL, ON_MACHINE))) == set()


def test_state_follows_the_files(tmp_path) -> None:
    spec = encoder_spec("resnet50-dino")
    assert len(spec.files) == 2
    assert choosing.state(spec) == choosing.TO_FETCH
    weights.path_of(spec.weights).write_bytes(b"x")
    assert choosing.state(spec) == choosing.TO_FETCH, "its head is not here"
    weights.path_of(spec.heads[0].weights).write_bytes(b"x")
    assert choosing.state(spec) == choosing.FETCHED
    assert choosing.state(encoder_spec("simclr")) == choosing.PACKAGED


@pytest.mark.parametrize("name", ["linear", "k-NN", "with labels"])
def test_sorting_by_accuracy_puts_unknown_last(name) -> None:
    column = choosing.table(choosing.choose(Wanted({}), name))[name]
    known = column.dropna()
    assert len(known) > 10
    assert list(known) == sorted(known, reverse=True)
    assert column[len(known) :].isna().all()


def test_sorting_by_size_and_name() -> None:
    sizes = choosing.table(choosing.choose(Wanted({}), "size"))["MB"]
    known = sizes.dropna()
    assert list(known) == sorted(known)
    assert sizes[len(known) :].isna().all()
    labels = [encoders()[id].label.casefold() for id in ids(sort="name")]
    assert labels == sorted(labels)


def test_table_marks_what_is_not_for_commerce() -> None:
    table = choosing.table(encoders().values()).set_index("id")
    assert len(table) == len(encoders())
    assert table.loc["resnet50-swav-800", "licence"] == "CC-BY-NC-4.0 (NC)"
    assert table.loc["resnet50-dino", "licence"] == "Apache-2.0"
    assert table.loc["resnet50-dino", ["linear", "k-NN", "epochs", "head", "state"]].tolist() == [
        75.3,
        67.5,
        800,
        "ImageNet-1k",
        "to fetch",
    ]
    assert table.loc["resnet50-moco-v2-800", "head"] == ""
    assert choosing.table([]).empty
