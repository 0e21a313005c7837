"""Files appear only when they are complete; an error leaves the old file, no other file, and one line that names it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from darts_ensemble.errors import ScanError, UsageError
from darts_ensemble.whole_files import written_whole


def test_a_file_appears_with_its_whole_content_in_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "new/table.csv"
    with written_whole(path, extension=".csv") as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.suffix == ".csv"
    assert path.read_text() == "half"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyError("a bug")])
def test_an_error_leaves_the_earlier_file_and_nothing_else(tmp_path: Path, failure: Exception) -> None:
    path = tmp_path / "table.csv"
    path.write_text("earlier")
    with pytest.raises((ScanError, KeyError)), written_whole(path) as temporary:
        temporary.write_text("half")
        raise failure
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_the_error_names_the_file_and_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file/table.csv"
    with (
        pytest.raises(UsageError, match=r"file/table.csv: .*; expected a place of yours$"),
        written_whole(path, error=UsageError, expected="a place of yours"),
    ):
        pass


def test_a_name_that_the_system_reads_as_bytes_is_written_too(tmp_path: Path) -> None:
    """As where neither locale nor Python speak UTF-8: such a name holds bytes that stand for no character."""
    script = (
        "import sys, pathlib\n"
        "from darts_ensemble.whole_files import written_whole\n"
        "assert sys.getfilesystemencoding() == 'ascii'\n"
        "name = next(pathlib.Path(sys.argv[1]).iterdir())\n"
        "with written_whole(name.with_suffix('.tsv')) as temporary:\n"
        "    temporary.write_text('whole')\n"
    )
    (tmp_path / "José.mgz").touch()
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, env=plain)
    assert (tmp_path / "José.tsv").read_text() == "whole"
    assert len(list(tmp_path.iterdir())) == 2
