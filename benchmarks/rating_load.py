"""Twenty readers rate at the same time: how long it takes until a rating is on the disk. Loopback only, limited in size.

python benchmarks/rating_load.py [--readers 20] [--ratings 15] [--pause 1]
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import httpx
import numpy as np

from reader_study.planning.demo_study import lay_out_demo
from reader_study.planning.design import design_of
from reader_study.planning.sources import find_sources
from reader_study.planning.yaml_text import read_yaml
from reader_study.study.folder import write_study


def plan(folder: Path, readers: int) -> tuple[Path, list[str]]:
    """Plan the demo study for this number of readers; return its folder and their tokens."""
    path = lay_out_demo(folder / "demo")
    content = read_yaml(path)
    content |= {"readers": [f"reader-{n}" for n in range(readers)], "modes": ["rating"], "practice": [], "guesses": 0}
    design = design_of(content, path.parent)
    links = write_study(design, find_sources(design), folder / "study")
    return links.folder, list(links.readers.values())


def read(base: str, token: str, ratings: int, pause: float, times: dict[str, list[float]], gate: threading.Barrier) -> None:
    """Rate like a browser: state, images of the item, `shown`, a pause, the rating."""
    with httpx.Client(base_url=base, timeout=60) as http:
        http.post("/api/session", json={"token": token}).raise_for_status()
        item = http.get("/api/state").json()["current"]
        http.get(f"/api/items/{item['id']}/scan").raise_for_status()
        gate.wait()
        for _ in range(ratings):
            begun = time.perf_counter()
            http.get(f"/api/items/{item['id']}/masks/0").raise_for_status()
            times["image of a region"].append(time.perf_counter() - begun)
            http.post(f"/api/items/{item['id']}/view", json={"kind": "shown", "key": uuid.uuid4().hex}).raise_for_status()
            time.sleep(pause * np.random.default_rng().uniform(0.5, 1.5))
            begun = time.perf_counter()
            reply = http.post(f"/api/items/{item['id']}/answer", json={"rating": 3, "key": uuid.uuid4().hex})
            times["rating"].append(time.perf_counter() - begun)
            item = reply.raise_for_status().json()["current"]


def main() -> None:
    """Plan, serve, rate, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--ratings", type=int, default=15, help="of each reader, at most 24")
    parser.add_argument("--pause", type=float, default=1.0, help="mean seconds before a rating; readers need more")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        study, tokens = plan(Path(temporary), given.readers)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = subprocess.Popen(
            [sys.executable, "-m", "reader_study.commands.main", "serve", str(study), "--port", str(port)]
        )
        try:
            base = f"http://127.0.0.1:{port}"
            for _ in range(600):
                try:
                    httpx.get(f"{base}/enter", timeout=5)
                    break
                except httpx.HTTPError:
                    time.sleep(0.1)
            times: dict[str, list[float]] = {"rating": [], "image of a region": []}
            gate = threading.Barrier(given.readers)
            threads = [
                threading.Thread(target=read, args=(base, token, min(24, given.ratings), given.pause, times, gate))
                for token in tokens
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            server.terminate()
            server.wait()
    print("| request | n | median ms | p95 ms | largest ms |\n| --- | --- | --- | --- | --- |")
    for name, seconds in times.items():
        ms = 1000 * np.array(seconds)
        print(f"| {name} | {len(ms)} | {np.median(ms):.0f} | {np.percentile(ms, 95):.0f} | {ms.max():.0f} |")


if __name__ == "__main__":
    main()
