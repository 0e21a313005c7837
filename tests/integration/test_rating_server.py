"""The rating server as a process: if it is killed during ratings, nothing confirmed is lost and nothing is stored twice."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from reader_study.study.links import renew_links
from reader_study.study.storage import open_study
from reader_study.study.tables import event_table
from tests.conftest import SOAK
from tests.phantoms.small_study import SmallStudy, small_study

KILLS = 200 if SOAK else 4


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`darts-reader-study serve` in a process of its own."""

    def __init__(self, study: SmallStudy, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "-m", "reader_study.commands.main", "serve", str(study.folder), "--port", str(port)]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(600):
            try:
                httpx.get(f"{self.base}/enter", timeout=5)
                return
            except httpx.HTTPError:
                if self.process.poll() is not None:
                    raise AssertionError(self.process.communicate()[0]) from None
                time.sleep(0.1)
        raise AssertionError("the server does not start")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def served(tmp_path: Path) -> Any:
    study = small_study(tmp_path / "study")
    server = Server(study, free_port())
    yield study, server
    server.kill()


class PersistentReader(threading.Thread):
    """Rates, changes and undoes without end, and sends again under the same key if the server does not answer."""

    def __init__(self, base: str, token: str, round_number: int) -> None:
        super().__init__(daemon=True)
        self.round_number = round_number
        self.http = httpx.Client(base_url=base, timeout=60)
        self.token, self.random = token, random.Random(round_number)
        self.confirmed: list[tuple[str, str, int | None]] = []  # key, item, rating
        self.stopped = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._persist("/api/session", {"token": self.token})
            number = 0
            while not self.stopped.is_set():
                number += 1
                state = self._get("/api/state")
                item = state["changeable"][0] if state["changeable"] and self.random.random() < 0.8 else state["current"]
                if item["part"] not in ("practice", "rating"):
                    item = state["changeable"][0]
                self._send(item["id"], "view", number, kind="shown")
                if number % 5 == 0:
                    self._send(item["id"], "mark", number, marked=bool(number % 2))
                # The other window's answer does not exist here, so a change is never refused.
                rating = self.random.randint(1, 5)
                self._send(
                    item["id"], "answer", number, rating=rating, **({"previous": item["answer"]} if item["answer"] else {})
                )
        except BaseException as error:
            self.failure = error

    def _send(self, item: str, what: str, number: int, **body: Any) -> None:
        key = f"{self.round_number:03d}-{what}-{number:06d}"
        if self._persist(f"/api/items/{item}/{what}", {**body, "key": key}):
            self.confirmed.append((key, item, body.get("rating")))

    def _persist(self, path: str, body: dict[str, Any]) -> bool:
        while not self.stopped.is_set():
            try:
                reply = self.http.post(path, json=body)
            except httpx.HTTPError:
                time.sleep(0.02)
                continue
            if reply.status_code == 409 and "no more are accepted" in reply.text:
                return False
            assert reply.status_code == 200, (path, body, reply.status_code, reply.text)
            return True
        return False

    def _get(self, path: str) -> Any:
        while True:
            try:
                return self.http.get(path).raise_for_status().json()
            except httpx.TransportError:
                if self.stopped.is_set():
                    raise SystemExit from None
                time.sleep(0.02)


@pytest.mark.timeout(3600)
def test_nothing_confirmed_is_lost_and_nothing_stands_twice_when_the_server_is_killed(served: Any) -> None:
    study, server = served
    connection = open_study(study.folder)
    confirmed: dict[str, list[tuple[str, str, int | None]]] = {name: [] for name in study.tokens}
    tokens = study.tokens
    moment = random.Random(1)
    for round_number in range(KILLS):
        # Fresh keys each round, the same study: a reader opens the link again after every crash.
        readers = {name: PersistentReader(server.base, token, round_number) for name, token in tokens.items()}
        for reader in readers.values():
            reader.start()
        time.sleep(moment.uniform(0.15, 0.5))
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.communicate()
        server.start()
        time.sleep(0.1)  # what was not confirmed is asked again, under the same key
        for name, reader in readers.items():
            reader.stopped.set()
            reader.join(timeout=180)
            assert not reader.is_alive()
            assert reader.failure is None or isinstance(reader.failure, SystemExit), reader.failure
            confirmed[name] += reader.confirmed
        stored = connection.execute(
            "SELECT reader.name, idempotency_key, item_id, rating FROM event JOIN reader ON reader.id = reader_id"
        ).fetchall()
        found = {(row["name"], row["idempotency_key"]): (row["item_id"], row["rating"]) for row in stored}
        assert len(found) == len(stored)
        marks = connection.execute(
            "SELECT reader.name, idempotency_key, item_id FROM mark JOIN reader ON reader.id = reader_id"
        ).fetchall()
        found |= {(row["name"], row["idempotency_key"]): (row["item_id"], None) for row in marks}
        for name, events in confirmed.items():
            for key, item, rating in events:
                assert found[name, key] == (item, rating)
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert sum(map(len, confirmed.values())) > KILLS
    events = event_table(connection)
    assert not events[events["kind"] == "rated"].duplicated("item").any()
    changes = events.loc[events["kind"] == "changed", "previous"]
    assert not changes.duplicated().any()
    print(f"{KILLS} kills, {sum(map(len, confirmed.values()))} confirmed events, all there, once")


def test_the_command_serves_makes_new_links_and_says_what_it_does(tmp_path: Path) -> None:
    study = small_study(tmp_path / "study")
    connection = open_study(study.folder)
    token = renew_links(connection, ["anna"])["anna"]
    server = Server(study, port := free_port())
    try:
        reply = httpx.post(f"{server.base}/api/session", json={"token": token})
        assert reply.json() == {"go": "/read"}
        assert "server" not in reply.headers
        taken = subprocess.run(server._command, capture_output=True, text=True, check=False)
        assert (taken.returncode, taken.stderr.strip().count("\n")) == (1, 0)
        assert f"127.0.0.1:{port}: Address already in use; expected a free port" in taken.stderr
    finally:
        server.process.send_signal(signal.SIGINT)
        told = server.process.communicate(timeout=180)[0]
    assert "NiiVue 0.68.1 (BSD 2-Clause), from nilearn 0.14.1" in told
    assert f"Serving “Small study” at http://127.0.0.1:{port}" in told
    assert "Traceback" not in told
