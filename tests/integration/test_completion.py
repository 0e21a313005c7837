"""Words of all commands are completed in bash, zsh and fish, and every command says its version."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
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


def needs(program: str, path: str) -> None:
    """Skip the test where a shell is not installed."""
    if shutil.which(program, path=path) is None:
        pytest.skip(f"no {program} here: apt-get install {program}")


def answer(program: list[str], path: str, **more: str) -> list[str]:
    needs(program[0], path)
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


#: How a person starts each shell, and the lines of its start file. Quotes within words tell what is printed from what is typed.
INTERACTIVE = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "PS1='rea''dy> '; eval \"$(darts completion bash)\""),
    "zsh": (
        ["zsh", "-f", "-i"],
        "PS1='rea''dy> '; autoload -U compinit; compinit -u -D; eval \"$(darts completion zsh)\"",
    ),
    "fish": (
        ["fish", "--no-config", "-i"],
        "function fish_prompt; echo -n 'rea''dy> '; end; darts completion fish | source",
    ),
}
PATIENCE = 60.0


class Terminal:
    """A shell in a terminal of its own, as a person has it."""

    def __init__(self, end: int) -> None:
        self.end, self.seen = end, ""

    def press(self, keys: str) -> None:
        os.write(self.end, keys.encode())

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Read what is shown until the pattern has come; what was shown up to there is forgotten."""
        until = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < until, f"no {pattern!r} in {self.seen[-2000:]!r}"
            if select.select([self.end], [], [], 0.5)[0]:
                got = os.read(self.end, 65536).decode(errors="replace")
                if "\x1b[c" in got or "\x1b[0c" in got:  # fish asks what kind of terminal this is, and waits for the answer
                    self.press("\x1b[?62;c")
                # Colours and moves of the cursor are no text.
                self.seen += re.sub(r"\x1b(\[[0-9;?<>=]*[A-Za-z]|\][^\x07\x1b]*(\x07|\x1b\\\\)|[=>()][A-Z0-9]?)", "", got)
        self.seen = self.seen[found.end() :]
        return found


@contextmanager
def terminal(shell: str, path: str, home: Path) -> Iterator[Terminal]:
    """A shell that has read the line of the documentation and waits for words."""
    import fcntl
    import pty
    import termios

    needs(shell, path)
    command, setup = INTERACTIVE[shell]
    kept = {name: value for name, value in os.environ.items() if name not in ("EDITOR", "VISUAL", "PS1", "ENV")}
    environment = kept | {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(home), "TERM": "xterm", "COLUMNS": "200"}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # fish ends without a terminal that controls it
    )
    os.close(theirs)
    try:
        shown = Terminal(ours)
        shown.wait_for(r"[$%#>] ?")
        shown.press(setup + "\r")
        shown.wait_for("ready> ")
        yield shown
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.mark.parametrize("shell", INTERACTIVE)
def test_the_tab_key_completes_a_word_and_lists_what_fits(shell: str, path: str, tmp_path: Path) -> None:
    with terminal(shell, path, tmp_path) as shown:
        for typed, line in (("darts we", "darts weights"), ("darts-segment --dev", "darts-segment --device")):
            # The key that goes to the beginning of the line: what stands there after Tab is printed.
            shown.press(f"{typed}\t\x01echo li''ne=\r")
            assert shown.wait_for(r"line=([^\r\n]*)")[1].strip() == line
            shown.wait_for("ready> ")
        # Two words fit: what they share is completed, and the next Tab lists them (in bash the one after).
        shown.press("darts weights ver\t\t\t")
        shown.wait_for("verify-orientation")


def test_every_command_says_its_version(path: str) -> None:
    for name in SCRIPTS:
        assert answer([name, "--version"], path) == [f"{name} {package_version('darts-ensemble')}"]


def test_an_unknown_shell_is_refused(path: str) -> None:
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["darts", "completion", "csh"], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (2, "darts completion: csh; expected one of bash, zsh, fish\n")
