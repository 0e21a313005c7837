"""The control groups of Linux that limit what this process may use: cores on a cluster node, memory in a container."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["control_groups"]


def control_groups(controller: str, root: Path = Path("/")) -> Iterator[tuple[int, Path]]:
    """Yield the folders of the control groups of this process and of all groups above them, each with its version, 1 or 2.

    Parameters
    ----------
    controller : str
        Such as "cpu" or "memory": which hierarchies of version 1 count. Version 2 has a single one.
    root : Path
        Folder under which `proc/` and `sys/` lie; another one for tests.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux, or a container that hides them
        lines = []
    # In a container the path in /proc is often the host's: the container's own group is the folder's root.
    for line in [*lines, "0::/", f":{controller}:/"]:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            version, mounts = 2, ["sys/fs/cgroup"]
        elif controller in controllers.split(","):
            version, mounts = 1, [f"sys/fs/cgroup/{controllers}", f"sys/fs/cgroup/{controller}"]
        else:
            continue
        for mount in mounts:
            group = (root / mount).joinpath(*[part for part in path.split("/") if part not in ("", "..")])
            for folder in (group, *group.parents):
                yield version, folder
                if folder == root / mount:
                    break
