"""The commands serve and preview: a study in the browsers of its readers, or of the coordinator alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from darts_ensemble.commands.command_line import errors
from evaluation.serving.extra import needs_app
from reader_study.commands.links import print_links

__all__ = ["register"]

_SERVE = """Examples:

  darts-reader-study serve study/

  darts-reader-study serve study/ --new-links anna --new-links ben

  darts-reader-study serve study/ --behind-proxy --public-host study.example.org

  darts-reader-study serve study/ --behind-proxy --public-host www.example.org --path /study

  darts-reader-study serve study/ --host 0.0.0.0 --proxy 172.18.0.0/16 --public-host study.example.org
"""


_PREVIEW = """Examples:

  darts-reader-study preview study/

  darts-reader-study preview study/ --reader anna --port 8001
"""


def register(app: typer.Typer) -> None:
    """Add the command to the application of darts-reader-study."""
    app.command("serve", epilog=_SERVE)(serve)
    app.command("preview", epilog=_PREVIEW)(preview)


def serve(
    study: Annotated[Path, typer.Argument(help="Folder made by plan.", show_default=False)],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    i_have_tls: Annotated[
        bool,
        typer.Option("--i-have-tls", help="Readers connect through TLS or an encrypted tunnel; needed for other addresses."),
    ] = False,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy (on this machine, or see --proxy) ends HTTPS.")
    ] = False,
    public_host: Annotated[
        list[str] | None, typer.Option(help="Name in the browser's address, with its port if unusual (repeat).")
    ] = None,
    path: Annotated[str, typer.Option(help="Path under which the proxy serves the study, such as /study.")] = "",
    proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Address or network of a proxy elsewhere, such as 172.18.0.0/16 (repeat)."),
    ] = None,
    new_links: Annotated[
        list[str] | None, typer.Option(metavar="READER", help="New personal link for a reader, coordinator or all (repeat).")
    ] = None,
) -> None:
    """Serve a study to its readers. Stop with Ctrl-C at any time: no confirmed rating is lost."""
    console = Console(markup=False, highlight=False, soft_wrap=True)
    with needs_app():
        from dataclasses import replace

        from evaluation.serving.listening import listen, safe_address
        from evaluation.serving.viewer_library import read_viewer_library
        from reader_study.app.run_server import run_server
        from reader_study.study.links import renew_links
        from reader_study.study.storage import open_study, setting

        address = safe_address(
            host, port, i_have_tls=i_have_tls, behind_proxy=behind_proxy, public_hosts=tuple(public_host or ()), path=path,
            proxies=tuple(proxy or ()),
        )  # fmt: skip
        viewer = read_viewer_library()
        connection = open_study(study)
        listening = listen(address)
        address = replace(address, port=listening.getsockname()[1])
        title = setting(connection, "title")
        tokens = renew_links(connection, new_links) if new_links else {}
        connection.close()
        if address.tls and not address.behind_proxy:
            errors.print(f"warning: listening on {host}: readers must come by HTTPS; cookies are not sent otherwise")
        console.print(f"Viewer: NiiVue {viewer.version} ({viewer.licence}), from {viewer.source}")
        if tokens:
            print_links(tokens, address.base_url)
        console.print(f"Serving “{title}” at {address.base_url}; Ctrl-C stops")
        run_server(study, address, listening)


def preview(
    study: Annotated[Path, typer.Argument(help="Folder made by plan.", show_default=False)],
    reader: Annotated[str, typer.Option(help="Whose order to see. Default: the first reader's.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
) -> None:
    """Show a study as a reader sees it, from the beginning, on a copy: nothing is written into the study."""
    console = Console(markup=False, highlight=False, soft_wrap=True)
    with needs_app():
        from evaluation.serving.listening import listen, safe_address
        from reader_study.app.run_server import run_server
        from reader_study.conduct.preview import preview_copy
        from reader_study.study.links import link

        with preview_copy(study, reader) as (copy, token):
            address = safe_address("127.0.0.1", port, i_have_tls=False, behind_proxy=False, public_hosts=())
            listening = listen(address)
            base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            console.print(f"Preview: {link(base_url, token)}\nNothing is written into {study}; Ctrl-C ends the preview")
            run_server(copy, address, listening)
