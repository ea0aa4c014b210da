"""Proxies, endpoints, tokens, redirects and the offline mode of downloads."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from weight_servers import CONTENT, OTHER, SHA256, Server, left, serving, settle

from core.encoders.files import weights
from core.encoders.spec import WeightFile
from core.errors import WeightsInvalid, WeightsUnavailable
from core.fetching import addresses


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return settle(tmp_path, monkeypatch)


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    with ExitStack() as stack:
        yield stack.enter_context(serving()), stack.enter_context(serving())


def test_http_proxy_of_the_environment_is_used(servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", servers[0].root)
    weights.fetch(WeightFile("toy.pth", "http://publisher.invalid/toy.pth"))
    assert [path for _, path, _ in servers[0].requests] == ["http://publisher.invalid/toy.pth"]


def test_no_proxy_of_the_environment_is_heeded(servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, publisher = servers
    monkeypatch.setenv("http_proxy", proxy.root)
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    weights.fetch(WeightFile("first.pth", publisher.url))
    assert (len(proxy.requests), len(publisher.requests)) == (1, 0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    weights.fetch(WeightFile("second.pth", publisher.url))
    assert (len(proxy.requests), len(publisher.requests)) == (1, 1)


def test_https_proxy_of_the_environment_is_used_and_never_sees_the_token(
    servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", servers[0].root)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(WeightsUnavailable, match="403"):
        weights.fetch(WeightFile("toy.pth", "https://huggingface.co/a/b/resolve/main/toy.pth"))
    [(command, path, headers)] = servers[0].requests
    assert (command, path) == ("CONNECT", "huggingface.co:443")
    assert "hf_secret" not in str(headers)


def test_endpoint_stands_in_for_hugging_face(servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", servers[0].root + "/")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    weights.fetch(WeightFile("toy.pth", "https://huggingface.co/timm/x/resolve/main/model.safetensors"))
    weights.fetch(WeightFile("other.pth", servers[1].url))
    [(_, path, headers)] = servers[0].requests
    assert path == "/timm/x/resolve/main/model.safetensors"
    assert headers["Authorization"] is None
    assert addresses.routed("https://huggingface.co.example.org/a") == "https://huggingface.co.example.org/a"


def test_token_goes_to_hugging_face_and_to_no_redirect(
    servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, elsewhere = servers
    monkeypatch.setattr(addresses, "HUB", hub.root)
    monkeypatch.setenv("HF_TOKEN", " hf_secret\n")
    hub.redirects = {"/toy.pth": "/renamed.pth", "/renamed.pth": elsewhere.url}
    assert weights.fetch(WeightFile("toy.pth", hub.url)).read_bytes() == CONTENT
    assert [headers["Authorization"] for _, _, headers in hub.requests] == ["Bearer hf_secret"] * 2
    assert [headers["Authorization"] for _, _, headers in elsewhere.requests] == [None]


def test_login_of_the_hub_counts(
    servers: tuple[Server, Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of `hf auth login`, which keeps the token in a file."""
    monkeypatch.setattr(addresses, "HUB", servers[0].root)
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text("hf_kept\n")
    weights.fetch(WeightFile("toy.pth", servers[0].url))
    assert [headers["Authorization"] for _, _, headers in servers[0].requests] == ["Bearer hf_kept"]


def test_token_goes_to_no_other_publisher(servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "HUB", servers[0].root)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    servers[1].redirects = {"/toy.pth": "/there.pth"}
    weights.fetch(WeightFile("toy.pth", servers[1].url))
    assert [headers["Authorization"] for _, _, headers in servers[1].requests] == [None, None]


@pytest.mark.parametrize("stated", [SHA256, "0" * 64, "not a digest"])
def test_hash_that_hugging_face_announces_is_compared(
    servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch, stated: str
) -> None:
    hub, store = servers
    monkeypatch.setattr(addresses, "HUB", hub.root)
    hub.redirects, hub.redirect_headers = {"/toy.pth": store.url}, {"X-Linked-Etag": f'"{stated}"'}
    file = WeightFile("toy.pth", hub.url)
    if stated.startswith("000"):
        with pytest.raises(WeightsInvalid, match="the server announced"):
            weights.fetch(file)
    else:
        assert weights.fetch(file).read_bytes() == CONTENT


def test_others_announce_nothing(servers: tuple[Server, Server]) -> None:
    servers[0].redirects, servers[0].redirect_headers = {"/toy.pth": servers[1].url}, {"X-Linked-Etag": "0" * 64}
    assert weights.fetch(WeightFile("toy.pth", servers[0].url)).read_bytes() == CONTENT


@pytest.mark.parametrize("scheme", ["file", "ftp", "data"])
def test_only_http_and_https_are_opened(folder: Path, tmp_path: Path, scheme: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(OTHER)
    with pytest.raises(WeightsUnavailable, match="only http and https"):
        weights.fetch(WeightFile("toy.pth", f"{scheme}://{secret}"))
    assert left(folder) == set()


@pytest.mark.parametrize("scheme", ["file", "ftp", "data"])
def test_only_http_and_https_are_followed(
    servers: tuple[Server, Server], folder: Path, tmp_path: Path, scheme: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(OTHER)
    servers[0].redirects = {"/toy.pth": f"{scheme}://{secret}"}
    with pytest.raises(WeightsUnavailable, match=r"only http and https are followed|is not allowed"):
        weights.fetch(WeightFile("toy.pth", servers[0].url))
    assert left(folder) == set()


def test_circle_of_redirects_ends(servers: tuple[Server, Server]) -> None:
    servers[0].redirects = {"/toy.pth": "/toy.pth"}
    with pytest.raises(WeightsUnavailable, match="fetching failed"):
        weights.fetch(WeightFile("toy.pth", servers[0].url))


@pytest.mark.parametrize("variable", ["INVARISCOPE_OFFLINE", "HF_HUB_OFFLINE"])
@pytest.mark.parametrize("value", ["1", "TRUE", "yes", "on"])
def test_offline_tries_nothing_and_says_what_goes_where(
    servers: tuple[Server, Server], folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    file = WeightFile("toy.pth", servers[0].url)
    monkeypatch.setenv(variable, value)
    with pytest.raises(WeightsUnavailable) as caught:
        weights.fetch(file)
    for words in (f"{variable} is set", "nothing was tried", "toy.pth", servers[0].url, str(folder / "toy.pth")):
        assert words in str(caught.value)
    assert not servers[0].requests
    monkeypatch.setenv(variable, "0")
    assert weights.fetch(file).read_bytes() == CONTENT
