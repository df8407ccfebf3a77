"""Downloads, from servers of every kind in a thread of this process."""

from __future__ import annotations

import hashlib
import random
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from memapp.errors import DownloadFailed, ModelDamaged, UsageError
from memapp.models import pull
from memapp.models.catalog import Catalog
from memapp.types import Progress

DATA = b"GGUF" + random.Random(1).randbytes(700_000)
SUM = hashlib.sha256(DATA).hexdigest()
CERTIFICATE = Path(__file__).parent / "localhost.pem"


@dataclass
class Shop:
    """What the server offers, and what it was asked."""

    data: bytes = DATA
    etag: str = '"v1"'
    ranges: bool = True
    cut_at: int | None = None
    """Bytes of an answer's body after which the connection breaks."""
    redirect: str = ""
    lengths: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


def handler(shop: Shop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            shop.asked.append((self.path, wanted))
            if self.path.startswith("/gone"):
                return self.send_error(404)
            if self.path.startswith("/moved"):
                self.send_response(302)
                self.send_header("Location", shop.redirect)
                return self.end_headers()
            start = self._start(wanted)
            if start is not None and start >= len(shop.data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(shop.data)}")
                return self.end_headers()
            self._send(start)

        def _start(self, wanted: str | None) -> int | None:
            if not wanted or not shop.ranges or self.headers.get("If-Range") != shop.etag:
                return None
            return int(wanted.removeprefix("bytes=").rstrip("-"))

        def _send(self, start: int | None) -> None:
            body = shop.data[start or 0 :]
            self.send_response(200 if start is None else 206)
            if start is not None:
                self.send_header("Content-Range", f"bytes {start}-{len(shop.data) - 1}/{len(shop.data)}")
            if shop.etag:
                self.send_header("ETag", shop.etag)
            if shop.lengths:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: shop.cut_at])

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def serve() -> Iterator[Callable[..., Shop]]:
    servers: list[ThreadingHTTPServer] = []

    def start(*, tls: bool = False, **offer: object) -> Shop:
        shop = Shop(**offer)  # type: ignore[arg-type]
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler(shop))
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        shop.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        return shop

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "files" / "m.gguf"


def parts(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_fetches_a_file_and_tells_how_far(serve: Callable[..., Shop], target: Path) -> None:
    shop, told = serve(), list[Progress]()
    pull.download(f"{shop.url}/m.gguf", target, expected=SUM.upper(), progress=told.append)
    assert target.read_bytes() == DATA
    assert parts(target) == ["m.gguf"]
    assert [step.done for step in told] == sorted(step.done for step in told)
    assert (told[0].done, told[-1].done, told[-1].total) == (0, len(DATA), len(DATA))


def test_goes_on_after_a_cut(serve: Callable[..., Shop], target: Path) -> None:
    shop = serve(cut_at=300_000)
    with pytest.raises(DownloadFailed, match="300,000 of") as failure:
        pull.download(f"{shop.url}/m.gguf", target, expected=SUM)
    assert "again" in failure.value.hint
    assert not target.exists()
    shop.cut_at = None
    pull.download(f"{shop.url}/m.gguf", target, expected=SUM)
    assert target.read_bytes() == DATA
    assert [wanted for _, wanted in shop.asked] == [None, "bytes=300000-"]
    assert parts(target) == ["m.gguf"]


def test_starts_anew_when_the_file_changed_meanwhile(serve: Callable[..., Shop], target: Path) -> None:
    shop = serve(cut_at=300_000)
    with pytest.raises(DownloadFailed):
        pull.download(f"{shop.url}/m.gguf", target)
    shop.cut_at, shop.etag, shop.data = None, '"v2"', DATA[::-1]
    pull.download(f"{shop.url}/m.gguf", target)
    assert target.read_bytes() == DATA[::-1]


@pytest.mark.parametrize("offer", [{"ranges": False}, {"etag": ""}, {"etag": 'W/"v1"'}])
def test_starts_anew_where_it_cannot_go_on(serve: Callable[..., Shop], target: Path, offer: dict[str, object]) -> None:
    shop = serve(cut_at=1000, **offer)
    with pytest.raises(DownloadFailed):
        pull.download(f"{shop.url}/m.gguf", target)
    shop.cut_at = None
    pull.download(f"{shop.url}/m.gguf", target, expected=SUM)
    assert target.read_bytes() == DATA


def test_a_part_of_another_address_is_not_continued(serve: Callable[..., Shop], target: Path) -> None:
    shop = serve(cut_at=1000)
    with pytest.raises(DownloadFailed):
        pull.download(f"{shop.url}/a", target)
    shop.cut_at = None
    pull.download(f"{shop.url}/b", target, expected=SUM)
    assert shop.asked[-1] == ("/b", None)


def test_a_part_that_is_whole_already_is_taken(serve: Callable[..., Shop], target: Path) -> None:
    shop = serve(cut_at=1000)
    with pytest.raises(DownloadFailed):
        pull.download(f"{shop.url}/m", target)
    target.with_name("m.gguf.part").write_bytes(DATA)
    pull.download(f"{shop.url}/m", target, expected=SUM)
    assert target.read_bytes() == DATA


def test_without_a_length_the_sum_decides(serve: Callable[..., Shop], target: Path) -> None:
    shop = serve(lengths=False, cut_at=5000)
    with pytest.raises(DownloadFailed, match="sha256"):
        pull.download(f"{shop.url}/m", target, expected=SUM)
    shop.cut_at = None
    pull.download(f"{shop.url}/m", target, expected=SUM)
    assert target.read_bytes() == DATA


def test_a_wrong_sum_keeps_nothing(serve: Callable[..., Shop], target: Path) -> None:
    shop = serve(data=DATA + b"!")
    with pytest.raises(DownloadFailed, match=SUM):
        pull.download(f"{shop.url}/m", target, expected=SUM)
    assert parts(target) == []


def test_an_absent_file_and_a_silent_server_are_told(serve: Callable[..., Shop], target: Path) -> None:
    shop = serve()
    with pytest.raises(DownloadFailed, match="404") as failure:
        pull.download(f"{shop.url}/gone", target)
    assert "address" in failure.value.hint
    with pytest.raises(DownloadFailed, match="not received"):
        pull.download("http://127.0.0.1:9/m", target)


def test_follows_some_redirects_and_none_to_plain_http(serve: Callable[..., Shop], target: Path) -> None:
    shop = serve()
    shop.redirect = f"{shop.url}/m"
    pull.download(f"{shop.url}/moved", target, expected=SUM)
    assert target.read_bytes() == DATA
    shop.redirect = f"{shop.url}/moved"
    with pytest.raises(DownloadFailed):
        pull.download(f"{shop.url}/moved", target)
    assert len(shop.asked) < 12
    for elsewhere in ("http://example.org/m", "file:///etc/passwd", "ftp://example.org/m"):
        shop.redirect = elsewhere
        with pytest.raises(DownloadFailed):
            pull.download(f"{shop.url}/moved", target)


def test_https_needs_a_certificate_that_is_trusted(serve: Callable[..., Shop], target: Path) -> None:
    shop = serve(tls=True)
    with pytest.raises(DownloadFailed, match="who it is"):
        pull.download(f"{shop.url}/m", target)
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    pull.download(f"{shop.url}/m", target, expected=SUM, context=trusting)
    assert target.read_bytes() == DATA


@pytest.mark.parametrize(
    "url", ["http://example.org/m.gguf", "file:///m.gguf", "ftp://h/m", "m.gguf", "https://", "http://[x"]
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(UsageError):
        pull.check_address(url)


def test_the_shorthand_of_hugging_face() -> None:
    assert pull.expand("hf:own/repo/a b.gguf") == "https://huggingface.co/own/repo/resolve/main/a%20b.gguf"
    assert pull.expand("hf:own/repo/q/a.gguf").endswith("/repo/resolve/main/q/a.gguf")
    assert pull.expand("https://h/m") == "https://h/m"
    for wrong in ("hf:", "hf:own", "hf:own/repo", "hf:/repo/f"):
        with pytest.raises(UsageError):
            pull.expand(wrong)


def test_the_catalog_takes_what_was_pulled(serve: Callable[..., Shop], tmp_path: Path) -> None:
    shop, catalog = serve(), Catalog(tmp_path / "models")
    url = f"{shop.url}/sub/some-model.gguf?download=1"
    model = catalog.pull(url, sha256=SUM)
    assert (model.name, model.sha256, model.origin, model.active) == ("some-model", SUM, url, False)
    assert model.path.read_bytes() == DATA
    assert catalog.pull(url, sha256=SUM) == model
    assert len(shop.asked) == 1
    with pytest.raises(UsageError, match="already"):
        catalog.pull(url)
    with pytest.raises(UsageError, match="sha256"):
        catalog.pull(url, sha256="abc", name="x")
    assert catalog.use("some-model").active


def test_the_catalog_refuses_what_is_no_model(serve: Callable[..., Shop], tmp_path: Path) -> None:
    shop, catalog = serve(data=b"<html>Please log in to go on.</html>"), Catalog(tmp_path)
    with pytest.raises(ModelDamaged):
        catalog.pull(f"{shop.url}/m.gguf")
    assert [model.origin for model in catalog.list()] == ["bundled"]
    assert list((tmp_path / "files").iterdir()) == []
