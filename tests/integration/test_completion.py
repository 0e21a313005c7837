"""Words of all commands are completed in bash, zsh and fish, and every command says its version."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from darts_ensemble.versions import package_version

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
#: What is typed, and words that must be among the answers.
TYPED = {
    "darts we": {"weights"},
    "darts weights ve": {"verify", "verify-orientation"},
    "darts-weights ve": {"verify", "verify-orientation"},
    "darts qc --ou": {"--out"},
    "darts view --reg": {"--region"},
    "darts-view --no": {"--no-browser"},
    "darts-segment --dev": {"--device"},
    "darts-segment --device c": {"cpu", "cuda"},
    "darts reader-study analyse --me": {"--methods"},
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with all commands of this checkout."""
    folder = tmp_path_factory.mktemp("bin")
    for name, target in SCRIPTS.items():
        module, function = target.split(":")
        script = folder / name
        code = f"import sys; from {module} import {function}; sys.argv[0] = '{name}'; {function}()"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')
        script.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def answer(program: list[str], path: str, **more: str) -> list[str]:
    if shutil.which(program[0], path=path) is None:
        pytest.skip(f"no {program[0]} here")
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "200"} | more
    done = subprocess.run(program, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.splitlines()


@pytest.mark.parametrize("typed", TYPED)
def test_bash_completes(typed: str, path: str) -> None:
    words = typed.split()
    function = f"_{words[0].replace('-', '_')}_completion"
    lines = (
        f'eval "$(darts completion bash)"; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; '
        f'{function} {words[0]}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    found = answer(["bash", "--norc", "-c", lines], path)
    assert TYPED[typed] <= set(found)
    assert all(one.startswith(words[-1]) for one in found)


@pytest.mark.parametrize("typed", ["darts we", "darts weights ve", "darts-segment --device c"])
def test_fish_completes(typed: str, path: str, tmp_path: Path) -> None:
    lines = f"darts completion fish | source; complete -C '{typed}'"
    found = answer(["fish", "--no-config", "-c", lines], path, HOME=str(tmp_path))
    assert TYPED[typed] <= {one.split("\t")[0] for one in found}


def test_zsh_asks_each_command_for_its_words(path: str, tmp_path: Path) -> None:
    registered = 'for one in "$@"; do print -r -- $_comps[$one]; done'
    lines = f'autoload -U compinit; compinit -u -D; eval "$(darts completion zsh)"; {registered}'
    found = answer(["zsh", "-f", "-c", lines, "zsh", *SCRIPTS], path, HOME=str(tmp_path))
    assert found == [f"_{name.replace('-', '_')}_completion" for name in SCRIPTS]
    # The function evaluates what the command says: an `_arguments` with the words that fit.
    asked = {"_TYPER_COMPLETE_ARGS": "darts weights ve", "_DARTS_COMPLETE": "complete_zsh"}
    (line,) = [one for one in answer(["darts"], path, **asked) if "_arguments" in one]
    assert all(word in " ".join(answer(["darts"], path, **asked)) for word in TYPED["darts weights ve"])
    assert line.startswith("_arguments")


def test_every_command_says_its_version(path: str) -> None:
    for name in SCRIPTS:
        assert answer([name, "--version"], path) == [f"{name} {package_version('darts-ensemble')}"]


def test_an_unknown_shell_is_refused(path: str) -> None:
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["darts", "completion", "csh"], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (2, "darts completion: csh; expected one of bash, zsh, fish\n")
