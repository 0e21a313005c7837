"""Personal links on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

import typer

__all__ = ["BASE_URL", "print_links"]

#: Start of the links if no other address is given: this machine only.
BASE_URL = "http://127.0.0.1:8000"


def print_links(tokens: Mapping[str, str], base_url: str) -> None:
    """Print a link for each name; it is printed only this once."""
    from rich.cells import cell_len

    from reader_study.study.links import link

    typer.echo("Personal links: shown only this once, stored only as hashes.")
    width = max(map(cell_len, tokens))
    for name, token in tokens.items():
        typer.echo(f"  {name}{' ' * (width - cell_len(name))}  {link(base_url, token)}")
