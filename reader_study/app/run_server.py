"""Run the rating server of a study."""

from __future__ import annotations

import socket
from pathlib import Path

from evaluation.serving.listening import Address, serve_until_interrupted
from evaluation.serving.proxies import Proxies

__all__ = ["run_server"]


def run_server(folder: Path, address: Address, listening: socket.socket) -> None:
    """Serve until interrupted."""
    from reader_study.app.server import create_app

    app = create_app(folder, hosts=address.public_hosts, tls=address.tls, path=address.path, proxies=Proxies(address.proxies))
    serve_until_interrupted(app, listening)
