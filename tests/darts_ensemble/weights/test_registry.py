"""Weights known by name: downloads from a local server that breaks off, sends wrong data or is gone; registries; sums."""

from __future__ import annotations

import hashlib
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from darts_ensemble.errors import CheckpointError
from darts_ensemble.weights.checkpoints import load_ensemble
from darts_ensemble.weights.checksums import check_folder, read_sums, write_sums
from darts_ensemble.weights.download import download
from darts_ensemble.weights.registry import (
    cache_folder,
    fetch,
    files_there,
    find_entry,
    folder_of,
    known_weights,
    read_registry,
    verify,
)

CONTENT = bytes(range(256)) * 4096
SUM = hashlib.sha256(CONTENT).hexdigest()
#: Whole chunks: of a chunk begun nothing is kept.
CUT = 20 * 16384


class Server:
    """A server of one file that closes the connection after `cut` bytes, as often as `cuts` says.

    Attributes
    ----------
    ranges : bool
        Whether it knows HTTP ranges.
    asked : list of str or None
        The Range of each request.
    sent : int
        Bytes of the file that went out.
    """

    def __init__(self) -> None:
        self.content, self.cut, self.cuts, self.ranges, self.status = CONTENT, CUT, 0, True, 200
        self.asked: list[str | None] = []
        self.sent = 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.answer(self)

            def log_message(self, *_: Any) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/axial.pth"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.asked.append(asked)
        start = int(re.findall(r"\d+", asked)[0]) if asked and self.ranges else 0
        if self.status != 200:
            request.send_error(self.status)
            return
        if start >= len(self.content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(self.content)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        body = self.content[start:]
        request.send_response(206 if asked and self.ranges else 200)
        request.send_header("Content-Length", str(len(body)))
        if asked and self.ranges:
            request.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        request.end_headers()
        if self.cuts:
            self.cuts -= 1
            body = body[: self.cut]
        self.sent += len(body)
        request.wfile.write(body)
        request.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    thread = threading.Thread(target=one.http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield one
    one.http.shutdown()
    one.http.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DARTS_WEIGHTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DARTS_WEIGHTS_REGISTRY", raising=False)
    return tmp_path / "cache"


def registry(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "registry.toml"
    path.write_text(text)
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_connection_cut_again_and_again_is_continued_and_nothing_is_sent_twice(server: Server, tmp_path: Path) -> None:
    server.cuts = 3
    path = download(server.url, tmp_path / "axial.pth", SUM, pause=0)
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, *(f"bytes={k * CUT}-" for k in (1, 2, 3))]
    assert server.sent == len(CONTENT)
    assert names_in(tmp_path) == ["axial.pth"]


def test_a_server_without_ranges_sends_the_file_anew(server: Server, tmp_path: Path) -> None:
    server.cuts, server.ranges = 1, False
    assert download(server.url, tmp_path / "axial.pth", SUM, pause=0).read_bytes() == CONTENT
    assert server.sent == len(CONTENT) + server.cut


def test_what_a_dead_connection_left_is_not_under_the_final_name_and_the_next_run_continues_it(
    server: Server, tmp_path: Path
) -> None:
    server.cuts, server.cut = 4, 0
    (tmp_path / ".axial.pth.part").write_bytes(CONTENT[:1000])
    with pytest.raises(CheckpointError, match=rf"1000 bytes are kept and continued.*by hand: its sha256 must be {SUM}"):
        download(server.url, tmp_path / "axial.pth", SUM, pause=0)
    assert not (tmp_path / "axial.pth").exists()
    server.cuts = 0
    assert download(server.url, tmp_path / "axial.pth", SUM, pause=0).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=1000-"
    assert server.sent == len(CONTENT) - 1000


def test_a_part_that_was_whole_when_the_run_was_killed_is_taken(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".axial.pth.part").write_bytes(CONTENT)
    assert download(server.url, tmp_path / "axial.pth", SUM, pause=0).read_bytes() == CONTENT
    assert server.sent == 0


@pytest.mark.parametrize("left", [b"of another file", CONTENT + b"too much"])
def test_a_part_of_another_file_costs_a_second_download_and_no_wrong_weights(
    server: Server, tmp_path: Path, left: bytes
) -> None:
    (tmp_path / ".axial.pth.part").write_bytes(left)
    assert download(server.url, tmp_path / "axial.pth", SUM, pause=0).read_bytes() == CONTENT


def test_a_file_with_another_sum_is_refused_and_nothing_of_it_stays(server: Server, tmp_path: Path) -> None:
    server.content = b"other weights"
    found = hashlib.sha256(b"other weights").hexdigest()
    with pytest.raises(CheckpointError, match=f"sha256 {found}; expected {SUM}"):
        download(server.url, tmp_path / "axial.pth", SUM, pause=0)
    assert [name for name in names_in(tmp_path) if "lock" not in name] == []


def test_offline_the_error_says_where_to_put_the_file_and_its_sum(server: Server, tmp_path: Path) -> None:
    server.http.socket.close()
    target = tmp_path / "cache" / "axial.pth"
    with pytest.raises(CheckpointError) as error:
        download(server.url, target, SUM, pause=0)
    assert f"put the file at {target} by hand: its sha256 must be {SUM}" in str(error.value)
    assert "\n" not in str(error.value)
    target.write_bytes(CONTENT)
    assert download(server.url, target, SUM, pause=0) == target, "a file put there by hand needs no network"


def test_a_servers_refusal_is_told(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(CheckpointError, match="the server answers 404 Not Found"):
        download(server.url, tmp_path / "axial.pth", SUM, pause=0)


def test_a_damaged_file_in_the_cache_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "axial.pth").write_bytes(CONTENT[:-1])
    assert download(server.url, tmp_path / "axial.pth", SUM, pause=0).read_bytes() == CONTENT


def test_two_downloads_of_one_file_don_t_write_into_each_other(server: Server, tmp_path: Path) -> None:
    from filelock import FileLock

    with FileLock(tmp_path / ".axial.pth.lock"), pytest.raises(CheckpointError, match="another download of it is under way"):
        download(server.url, tmp_path / "axial.pth", SUM, pause=0)
    assert server.asked == []


def test_fetched_weights_load_by_what_fetch_returns_whatever_the_files_are_called(
    server: Server, tmp_path: Path, tiny_weights: Path
) -> None:
    server.content = (tiny_weights / "axial.safetensors").read_bytes()
    sha256 = hashlib.sha256(server.content).hexdigest()
    path = registry(
        tmp_path,
        f'[lab]\nkind = "download"\nabout = "ours"\n'
        f'files = [{{ url = "{server.url}", name = "net-7.safetensors", sha256 = "{sha256.upper()}", view = "axial" }}]\n',
    )
    entry = known_weights(path)["lab"]
    assert files_there(entry) == []
    given = fetch(entry)
    assert given.parent == cache_folder() / "lab"
    assert list(load_ensemble(given).networks) == ["axial"]
    assert [(check.status, check.path.name) for check in verify(entry)] == [("ok", "net-7.safetensors")]
    (given.parent / "net-7.safetensors").write_bytes(b"damaged")
    assert [check.status for check in verify(entry)] == ["changed"]


def test_the_released_files_are_fetched_by_hand_and_the_error_says_how() -> None:
    entry = find_entry("released", known_weights())
    with pytest.raises(CheckpointError, match=r"NYUMedML/DARTS") as error:
        fetch(entry)
    assert str(folder_of(entry)) in str(error.value)
    assert all(file.url is None and file.sha256 is None for file in entry.files), "no address and no sum is known"
    folder_of(entry).mkdir(parents=True)
    (folder_of(entry) / "dense_unet_back2front_finetuned.pth").write_bytes(b"weights")
    assert fetch(entry) == folder_of(entry)
    assert [check.status for check in verify(entry)] == ["not known"]


def test_a_folder_of_a_registry_lies_beside_it(tmp_path: Path, tiny_weights: Path) -> None:
    (tmp_path / "w").symlink_to(tiny_weights)
    entry = known_weights(registry(tmp_path, '[mine]\nkind = "folder"\nfolder = "w"\n'))["mine"]
    assert sorted(load_ensemble(fetch(entry)).networks) == ["axial", "coronal", "sagittal"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[lab]\nkind = 'magnet'\n", "kind 'magnet'; expected folder, download or manual"),
        ("[lab]\nkind = 'bundled'\n", "kind 'bundled'"),
        ("[lab]\nkind = 'folder'\n", "no folder"),
        ("[lab]\nkind = 'folder'\nfolder = 'w'\nfolders = 'w'\n", "unknown key folders"),
        ("['../up']\nkind = 'folder'\nfolder = 'w'\n", "expected a name of letters"),
        ("[lab]\nkind = 'download'\nfiles = []\n", "no files"),
        ("[lab]\nkind = 'download'\nfiles = [{ url = 'https://a/b.pth', view = 'axial' }]\n", "no sha256"),
        ("[lab]\nkind = 'download'\nfiles = [{ url = 'https://a/b.pth', view = 'axial', sha256 = 'abc' }]\n", "64 hexadecimal"),
        ("[lab]\nkind = 'download'\nfiles = [{ url = 'ftp://a/b.pth', view = 'axial', sha256 = 'SUM' }]\n", "http"),
        ("[lab]\nkind = 'download'\nfiles = [{ url = 'https://a/b.pth', view = 'oblique', sha256 = 'SUM' }]\n", "'oblique'"),
        ("[lab]\nkind = 'download'\nfiles = [{ url = 'https://a/b.zip', view = 'axial', sha256 = 'SUM' }]\n", "'b.zip'"),
        ("[lab]\nkind = 'manual'\ninstructions = 'ask'\nfiles = [{ name = '../b.pth', view = 'axial' }]\n", "'../b.pth'"),
        ("[released]\nkind = 'folder'\nfolder = 'w'\n", "the name of weights of the package"),
        ("not toml", "expected a registry"),
    ],
)
def test_a_registry_with_a_mistake_is_refused_by_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = registry(tmp_path, text.replace("SUM", SUM))
    with pytest.raises(CheckpointError, match=re.escape(said)) as error:
        known_weights(path)
    assert str(path) in str(error.value)


def test_the_package_has_its_own_registry_and_the_environment_may_add_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(known_weights()) == ["bundled", "released"]
    monkeypatch.setenv("DARTS_WEIGHTS_REGISTRY", str(registry(tmp_path, '[mine]\nkind = "folder"\nfolder = "w"\n')))
    assert list(known_weights()) == ["bundled", "released", "mine"]
    with pytest.raises(CheckpointError, match="expected one of bundled, released, mine"):
        find_entry("other", known_weights())
    with pytest.raises(CheckpointError, match="No such file"):
        read_registry(tmp_path / "nowhere.toml")


def test_sums_are_those_that_sha256sum_computes(tmp_path: Path) -> None:
    (tmp_path / "axial.safetensors").write_bytes(CONTENT)
    (tmp_path / "coronal.safetensors").write_bytes(b"c")
    (tmp_path / "axial.checkpoint.pt").write_bytes(b"not listed: it changes all the time")
    write_sums(tmp_path)
    done = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "axial.safetensors: OK\ncoronal.safetensors: OK\n")
    assert [check.status for check in check_folder(tmp_path)] == ["ok", "ok"]


def test_a_changed_missing_or_unlisted_file_is_told_from_a_good_one(tmp_path: Path) -> None:
    for name in ("a.pth", "b.pth", "c.pth"):
        (tmp_path / name).write_bytes(name.encode())
    assert {check.status for check in check_folder(tmp_path)} == {"not known"}
    write_sums(tmp_path)
    (tmp_path / "b.pth").write_bytes(b"B.pth")
    (tmp_path / "c.pth").unlink()
    (tmp_path / "d.pth").write_bytes(b"d")
    checks = {check.path.name: check for check in check_folder(tmp_path)}
    assert {name: check.status for name, check in checks.items()} == {
        "a.pth": "ok", "b.pth": "changed", "c.pth": "missing", "d.pth": "unlisted",
    }  # fmt: skip
    assert [name for name, check in checks.items() if check.good] == ["a.pth"]
    assert checks["b.pth"].sha256 == hashlib.sha256(b"B.pth").hexdigest()
    (tmp_path / "SHA256SUMS").write_text("nonsense\n")
    with pytest.raises(CheckpointError, match="line 1 is 'nonsense'"):
        read_sums(tmp_path)


def test_the_bundled_weights_are_those_whose_sums_are_listed() -> None:
    checks = verify(known_weights()["bundled"])
    assert {check.path.suffix for check in checks} >= {".safetensors"}
    assert [check.status for check in checks] == ["ok"] * len(checks)
