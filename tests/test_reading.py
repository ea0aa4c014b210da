"""Opening weight files: what is refused and with which words. (`test_weights.py` has what must load.)"""

import argparse
import ast
import zipfile
from pathlib import Path

import pytest
import torch
from malicious import payloads, strangers, written
from safetensors.torch import save_file
from toys import TwoChannels

from core.encoders.files import hashes
from core.encoders.opening import reading
from core.encoders.spec import WeightFile
from core.errors import UnknownName, WeightsInvalid
from core.paths import ROOT

PLAIN = {"conv.weight": torch.full((2, 3, 4, 4), 7.0)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARISCOPE_WEIGHTS", str(tmp_path))
    return tmp_path


def save(content: object, folder: Path, **facts) -> WeightFile:
    torch.save(content, folder / "toy.pth")
    return WeightFile("toy.pth", **facts)


def calls_of(name: str) -> list[tuple[Path, ast.Call]]:
    """Calls in `core` of anything whose last name is `name`."""
    return [
        (path, node)
        for path in (ROOT / "core").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name
    ]


def test_trap_9_4_weights_only_is_never_switched_off() -> None:
    """And pickle itself is never asked to read a file, nor torch.hub, whose default still runs code (9.4, 9.14)."""
    loads = [(path, call) for path, call in calls_of("load") if ast.unparse(call.func) == "torch.load"]
    assert loads
    for path, call in loads:
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert options.get("weights_only") == "True", f"{path}:{call.lineno}"
    assert not calls_of("load_state_dict_from_url")
    assert not [path for path, call in calls_of("load") if ast.unparse(call.func) in ("torch.hub.load", "pickle.load")]


def test_trap_9_4_namespaces_are_read_by_their_own_reader_only(folder: Path) -> None:
    content = {"model": PLAIN, "args": argparse.Namespace(lr=0.1)}
    with pytest.raises(WeightsInvalid, match="holds code and was refused"):
        reading.state_dict(save(content, folder, container=("model",)))
    found = reading.state_dict(save(content, folder, container=("model",), reader="namespace"))
    assert torch.equal(found["conv.weight"], PLAIN["conv.weight"])
    # Nothing stays allowed afterwards.
    with pytest.raises(WeightsInvalid):
        reading.state_dict(save(content, folder, container=("model",)))


@pytest.mark.parametrize("reader", ["torch", "namespace"])
@pytest.mark.parametrize("way", ["torch", "old torch", "0", "2", "4"])
def test_trap_9_4_no_pickle_runs_code(folder: Path, way: str, reader: str) -> None:
    trace = folder / "trace"
    for name, payload in (payloads(trace) | strangers(trace)).items():
        written(folder / "toy.pth", {"conv.weight": payload}, way)
        with pytest.raises(WeightsInvalid, match="refused; nothing ran") as caught:
            reading.state_dict(WeightFile("toy.pth", reader=reader))
        assert "\n" not in str(caught.value), name
        assert not trace.exists(), name


@pytest.mark.parametrize("reader", sorted(reading.READERS))
def test_random_and_truncated_bytes_are_refused(folder: Path, reader: str) -> None:
    save(PLAIN, folder)
    whole = (folder / "toy.pth").read_bytes()
    noise = torch.randint(0, 256, (4096,), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for broken in (noise.numpy().tobytes(), whole[: len(whole) // 2], whole[:-1], b""):
        (folder / "toy.pth").write_bytes(broken)
        with pytest.raises(WeightsInvalid, match=r"toy\.pth .*(damaged|models convert)"):
            reading.load_strictly(TwoChannels(), WeightFile("toy.pth", reader=reader))


def test_trap_9_6_a_swapped_file_of_the_same_layout_is_told_by_its_hash(folder: Path) -> None:
    """Barlow Twins and VICReg are both called resnet50.pth and both fit."""
    file = save(PLAIN, folder)
    path = folder / "toy.pth"
    hashes.ledger_of(path).write_text(hashes.sha256_of(path))
    reading.load_strictly(TwoChannels(), file)
    torch.save({"conv.weight": torch.zeros(2, 3, 4, 4)}, path)
    with pytest.raises(WeightsInvalid, match="not the file that was fetched first"):
        reading.load_strictly(TwoChannels(), file)


def test_trap_6_prefix_is_cut_at_the_start_only(folder: Path) -> None:
    content = {
        "backbone.conv.weight": PLAIN["conv.weight"],
        "student_backbone.conv.weight": torch.zeros(2, 3, 4, 4),
    }
    network = TwoChannels()
    reading.load_strictly(network, save(content, folder, prefix="backbone."))
    assert (network.conv.weight == 7).all()


def test_trap_6_nothing_behind_the_prefix_is_an_error_that_lists_the_beginnings(folder: Path) -> None:
    content = {f"module.encoder_q.layer{n}.weight": torch.ones(1) for n in range(5)} | {"module.queue": torch.ones(1)}
    with pytest.raises(WeightsInvalid, match=r"begins with 'module\.base_encoder\.'.*'module\.encoder_q\.' \(5\)"):
        reading.state_dict(save(content, folder, prefix="module.base_encoder."))


def test_trap_6_a_head_of_another_size_is_dropped_or_an_error_never_loaded(folder: Path) -> None:
    """OBoW's `fc` has 8192 words, no classes."""
    content = PLAIN | {"fc.weight": torch.ones(8192, 2)}
    reading.load_strictly(TwoChannels(), save(content, folder, drop=("fc.",)))
    with pytest.raises(WeightsInvalid, match=r"a head \('fc\.'\) where none is expected"):
        reading.load_strictly(TwoChannels(), save(content, folder))


def test_one_file_gives_encoder_and_head_by_two_prefixes(folder: Path) -> None:
    """As mmpretrain writes them."""
    content = {"state_dict": {"backbone.conv.weight": PLAIN["conv.weight"], "head.fc.weight": torch.ones(3, 2)}}
    reading.load_strictly(TwoChannels(), save(content, folder, container=("state_dict",), prefix="backbone."))
    head = reading.state_dict(save(content, folder, container=("state_dict",), prefix="head."))
    assert set(head) == {"fc.weight"}


def test_what_the_entry_says_is_absent_may_be_missing_and_nothing_else(folder: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    content = {"0.weight": torch.ones(2, 2), "0.bias": torch.ones(2)}
    before = network[1].weight.clone()
    reading.load_strictly(network, save(content, folder, absent=("1.",)))
    assert torch.equal(network[1].weight, before)
    assert (network[0].weight == 1).all()
    with pytest.raises(WeightsInvalid, match=r"1 missing such as 1\.bias"):
        reading.load_strictly(network, save(content, folder, absent=("1.weight",)))


@pytest.mark.parametrize(
    ("tensor", "told"),
    [
        (torch.tensor([1.0, float("nan")]), "1 of 2 numbers in 'conv.weight' that are not finite"),
        (torch.tensor([float("inf")] * 3), "3 of 3 numbers"),
        (torch.eye(3).to_sparse(), "sparse, quantised"),
        (torch.ones(2, dtype=torch.complex64), "no precision of weights"),
        (torch.ones(2).to(torch.float8_e4m3fn), "no precision of weights"),
        (torch.ones(1).expand(1 << 40), "1099511627776 numbers in a memory of fewer"),
        (torch.ones(2, 3, 4, 4, dtype=torch.int8), "quantised, which cannot be undone"),
        (torch.ones(2, 3, 4, 4, device="meta"), "empty shell|cannot be read"),
    ],
    ids=["nan", "inf", "sparse", "complex", "float8", "claims", "int8", "meta"],
)
@pytest.mark.filterwarnings("ignore:.*[Ss]parse")
def test_numbers_that_are_none_are_refused(folder: Path, tensor: torch.Tensor, told: str) -> None:
    with pytest.raises(WeightsInvalid, match=told):
        reading.load_strictly(TwoChannels(), save({"conv.weight": tensor}, folder))


def zipped(folder: Path, inside: dict[str, bytes]) -> WeightFile:
    with zipfile.ZipFile(folder / "toy.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in inside.items():
            archive.writestr(name, data)
    return WeightFile("toy.zip", reader="zip", container=("network",))


def test_archive_with_one_file_of_weights_is_read_in_memory(folder: Path) -> None:
    """Whatever its name, it is no path that anything is written to."""
    save({"network": PLAIN}, folder)
    data = (folder / "toy.pth").read_bytes()
    file = zipped(folder, {"read.me": b"text", "../../escaped.pth.tar": data, "__MACOSX/._a.pth": b"x"})
    assert torch.equal(reading.state_dict(file)["conv.weight"], PLAIN["conv.weight"])
    assert {path.name for path in folder.rglob("*")} == {"toy.pth", "toy.zip"}
    assert not list(folder.parent.glob("escaped*"))
    for wrong, count in (({"read.me": b""}, 0), ({"a.pth": data, "b.pth": data}, 2)):
        with pytest.raises(WeightsInvalid, match=f"exactly one file of weights .* holds {count}"):
            reading.state_dict(zipped(folder, wrong))


def test_archive_that_unpacks_to_too_much_or_holds_code_is_refused(folder: Path) -> None:
    with pytest.raises(WeightsInvalid, match="which no weights need"):
        reading.state_dict(zipped(folder, {"a.pth": bytes(30_000_000)}))
    trace = folder / "trace"
    written(folder / "evil.pth", payloads(trace)["os.system"], "torch")
    with pytest.raises(WeightsInvalid, match="refused; nothing ran"):
        reading.state_dict(zipped(folder, {"a.pth": (folder / "evil.pth").read_bytes()}))
    assert not trace.exists()


def converted(folder: Path, origin: str) -> None:
    target = reading.converted_path(folder / "toy.pth")
    save_file({"state::model::conv.weight": PLAIN["conv.weight"]}, target, metadata={"source_sha256": origin})
    hashes.ledger_of(target).write_text(hashes.sha256_of(target))


@pytest.mark.parametrize("reader", ["converted", "torch"])
def test_a_conversion_stands_for_its_file_and_for_no_other(folder: Path, reader: str) -> None:
    file = save({"state": {"model": PLAIN}, "path": Path("x")}, folder, reader=reader, container=("state", "model"))
    with pytest.raises(WeightsInvalid, match=r"invariscope models convert .*toy\.pth"):
        reading.state_dict(file)
    converted(folder, hashes.sha256_of(folder / "toy.pth"))
    reading.load_strictly(TwoChannels(), file)
    converted(folder, "0" * 64)
    with pytest.raises(WeightsInvalid, match=r"converted from another file than .*convert .*toy\.pth' again"):
        reading.state_dict(file)
    converted(folder, hashes.sha256_of(folder / "toy.pth"))
    target = reading.converted_path(folder / "toy.pth")
    save_file(
        {"state::model::conv.weight": torch.zeros(2, 3, 4, 4)},
        target,
        metadata={"source_sha256": hashes.sha256_of(folder / "toy.pth")},
    )
    with pytest.raises(WeightsInvalid, match="not the file that the conversion wrote"):
        reading.state_dict(file)


def test_names_that_no_registry_holds(folder: Path) -> None:
    with pytest.raises(UnknownName, match="no reader called 'npz'"):
        reading.state_dict(save(PLAIN, folder, reader="npz"))
    with pytest.raises(UnknownName, match="no key map called 'haiku'"):
        reading.state_dict(save(PLAIN, folder, keys="haiku"))


def test_two_names_for_one_place_are_an_error_of_the_file(folder: Path) -> None:
    block = "encoder.layers.encoder_layer_0.mlp."
    content = {f"{block}0.weight": torch.ones(1), f"{block}linear_1.weight": torch.ones(1)}
    with pytest.raises(WeightsInvalid, match=r"toy\.pth does not fit the key map 'torchvision-vit': .* both mean"):
        reading.state_dict(save(content, folder, keys="torchvision-vit"))
