"""The server of darts-view: images for those who have the token, under this machine's own names, as they are."""

from __future__ import annotations

import io
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from fastapi.testclient import TestClient

from evaluation.serving.security import HEADERS
from evaluation.serving.viewer_library import read_viewer_library
from evaluation.viewer.images import read_viewed
from evaluation.viewer.server import create_app
from evaluation.viewer.shown import Shown
from tests.phantoms.viewed_case import PALLIDUM, PUTAMEN, write_case

TOKEN = "the-token-of-a-test-that-nobody-guesses"
BASE = "http://127.0.0.1:8000"
PRIVATE = ("/api/about", "/api/scan", "/api/maps/0", "/api/agreement", "/api/places/0/1", "/api/places/agreement")


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    case = write_case(tmp_path, "PSR")
    return Shown(read_viewed(case.scan, [case.first, case.second], case.agreement), "left putamen")


@pytest.fixture
def http(shown: Shown) -> TestClient:
    return TestClient(create_app(shown, TOKEN, read_viewer_library()), base_url=BASE, headers={"X-Darts-Token": TOKEN})


def test_nothing_of_a_scan_is_given_without_the_token(http: TestClient) -> None:
    for path in PRIVATE:
        assert http.get(path).status_code == 200, path
        for headers in ({"X-Darts-Token": ""}, {"X-Darts-Token": TOKEN[:-1]}, {"X-Darts-Token": "ü".encode()}):
            assert http.get(path, headers=headers).status_code == 401, path
        assert http.get(f"{path}?token={TOKEN}", headers={"X-Darts-Token": ""}).status_code == 401
    http.headers.pop("X-Darts-Token")
    page = http.get("/").text
    assert "scan.nii.gz" not in page and "putamen" not in page


def test_foreign_names_of_this_machine_and_other_methods_are_refused(http: TestClient) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example:8000", ""):
        refused = http.get("/api/about", headers={"host": host})
        assert refused.status_code == 400 and "open the address that darts-view printed" in refused.json()["detail"]
    assert http.get("/api/about", headers={"host": "localhost:8000"}).status_code == 200
    assert http.post("/api/about", json={}).status_code == 405


def test_every_response_carries_the_headers_and_pages_ask_for_nothing_elsewhere(http: TestClient) -> None:
    for path in ("/", "/static/view.js", "/static/niivue.js", "/static/viewer.js", "/none", *PRIVATE):
        reply = http.get(path)
        assert {name: reply.headers[name] for name in HEADERS} == HEADERS
    page = http.get("/").text
    asked = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert asked and all(address.startswith(("/static/", "#", "data:")) for address in asked)
    assert not re.findall(r"<script(?![^>]* src=)|\son\w+=|\sstyle=", page)
    for script in {address for address in asked if address.endswith(".js")}:
        for imported in re.findall(r'from "\./([^"]+)"', http.get(script).text):
            assert http.get(f"/static/{imported}").status_code == 200, imported


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py", "/static/%2e%2e/%2e%2e/images.py", "/static//etc/passwd", "/api/maps/2", "/api/maps/-1",
        "/api/maps/x", "/api/places/0/2", "/api/places/0/1?region=0", "/api/places/0/1?region=9999",
        "/api/places/0/1?region=x", "/api/places/0/1?region=²", "/openapi.json",
    ],
)  # fmt: skip
def test_what_does_not_exist_is_not_found(http: TestClient, path: str) -> None:
    assert http.get(path).status_code == 404


def test_images_arrive_as_they_are_on_one_grid(http: TestClient, shown: Shown) -> None:
    about = http.get("/api/about").json()
    size = about["size"]
    scan = nib.Nifti1Image.from_stream(io.BytesIO(http.get("/api/scan").content))
    assert np.array_equal(np.asarray(scan.dataobj), shown.viewed.data) and scan.get_data_dtype() == np.uint8
    assert nib.aff2axcodes(scan.affine) == ("R", "A", "S")
    known = [entry["id"] for entry in about["legend"]]
    for number, one in enumerate(shown.viewed.maps):
        places = np.frombuffer(http.get(f"/api/maps/{number}").content, "<u2").reshape(size, order="F")
        assert np.array_equal(np.array([0, *known])[places], one.ids)
    agreement = np.frombuffer(http.get("/api/agreement").content, np.uint8).reshape(size, order="F")
    assert set(np.unique(agreement)) == {0, 85, 255}
    assert known[about["start"] - 1] == PUTAMEN and about["maps"][1]["name"] == "second_dseg.nii.gz"


def test_places_lie_where_the_maps_differ(http: TestClient, shown: Shown) -> None:
    one, two = (viewed.ids for viewed in shown.viewed.maps)
    found = http.get("/api/places/0/1").json()
    for place in found["places"]:
        assert (one[tuple(place["at"])], two[tuple(place["at"])]) == (PUTAMEN, PALLIDUM)
    assert found["mm3"] == pytest.approx((one != two).sum() * 64)
    known = [entry.id for entry in shown.legend]
    for id_, expected in ((PUTAMEN, (one != two).sum() * 64), (17, 0)):
        region = http.get(f"/api/places/0/1?region={known.index(id_) + 1}").json()
        assert region["mm3"] == pytest.approx(expected)
    views = http.get("/api/places/agreement").json()
    assert one[tuple(views["places"][0]["at"])] in (PUTAMEN, PALLIDUM)
    within = http.get(f"/api/places/agreement?region={known.index(PALLIDUM) + 1}").json()
    assert {int(one[tuple(place["at"])]) for place in within["places"]} == {PALLIDUM}


def test_without_label_maps_there_is_a_scan_and_nothing_else(tmp_path: Path) -> None:
    case = write_case(tmp_path)
    alone = Shown(read_viewed(case.scan))
    http = TestClient(create_app(alone, TOKEN, read_viewer_library()), base_url=BASE, headers={"X-Darts-Token": TOKEN})
    about = http.get("/api/about").json()
    assert (about["maps"], about["legend"], about["agreement"], about["start"]) == ([], [], False, None)
    assert [http.get(path).status_code for path in PRIVATE[1:]] == [200, 404, 404, 404, 404]
