"""The API with everything that its schema allows, and what it does not allow: no request ends in an error of the server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from evaluation.serving.security import Guard
from reader_study.app.server import create_api
from reader_study.app.wording import WORDING
from tests.conftest import SOAK
from tests.phantoms.small_study import small_study


@pytest.fixture
def api(tmp_path: Path) -> Any:
    """Schema of a study in which Anna has a session; her current item is used for all items, to get more than 404."""
    study = small_study(tmp_path / "study")
    app = create_api(study.folder)
    http = TestClient(Guard(app, WORDING), base_url="http://127.0.0.1:8000")
    http.post("/api/session", json={"token": study.tokens["anna"]})
    item = http.get("/api/state").json()["current"]["id"]
    http.post(f"/api/items/{item}/view", json={"kind": "shown", "key": "first-shown"})
    cookie = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
    text = json.dumps(app.openapi())
    text = re.sub(r'"pattern": "\^\[0-9a-f\]\{32\}\$"', f'"enum": ["{item}", "{"0" * 32}"]', text)
    schema = schemathesis.openapi.from_dict(json.loads(text))
    schema.app = app
    schema.config.base_url = "http://127.0.0.1:8000"
    return schema, cookie


def test_no_request_within_or_without_the_schema_breaks_the_server(api: Any) -> None:
    schema, cookie = api
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path.startswith("/api/session"):
            continue  # ends the session, or is refused after ten guesses: tested by hand

        @settings(
            max_examples=100 if SOAK else 12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize=True,
        )
        def try_one(case: Any) -> None:
            nonlocal tried
            tried += 1
            response = case.call(headers={"cookie": cookie})
            assert response.status_code < 500, (case.operation.path, response.status_code)
            case.validate_response(
                response,
                checks=[
                    status_code_conformance,
                    content_type_conformance,
                    response_schema_conformance,
                    response_headers_conformance,
                ],
            )

        given(case=operation.as_strategy())(try_one)()
    assert tried > 50
