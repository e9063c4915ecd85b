"""Counts the cores that this process may use, perhaps fewer than the machine's."""

import contextlib
import math
import os
import pathlib
from collections.abc import Iterator

_CGROUPS = 'sys/fs/cgroup'


def count_cores(root: pathlib.Path = pathlib.Path('/')) -> int:
    """Counts the cores that this process may use.

    Its affinity (taskset, a batch system) and the quota of its cgroup (a container) both limit it.
    A quota of one and a half cores counts as two.

    Args:
        root: Where proc/ and sys/ are.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        cores = os.cpu_count() or 1
    return max(1, min([cores, *map(math.ceil, _read_quotas(root))]))


def _read_quotas(root: pathlib.Path) -> Iterator[float]:
    """Reads the quotas of this process's cgroups, versions 1 and 2, in cores."""
    with contextlib.suppress(OSError):
        for line in (root / 'proc/self/cgroup').read_text().splitlines():
            _, controllers, path = line.split(':', 2)
            if controllers and 'cpu' not in controllers.split(','):
                continue
            mount = root / _CGROUPS / ('cpu' if controllers else '')
            group = mount / path.strip('/')
            for folder in (group, *group.parents):  # a parent's quota counts, too
                yield from _read_quota(folder)
                if folder == mount:
                    break


def _read_quota(folder: pathlib.Path) -> list[float]:
    with contextlib.suppress(OSError, ValueError):  # 'max' raises ValueError: there is no quota
        if (folder / 'cpu.max').is_file():
            quota, period = map(int, (folder / 'cpu.max').read_text().split())
        else:
            quota = int((folder / 'cpu.cfs_quota_us').read_text())
            period = int((folder / 'cpu.cfs_period_us').read_text())
        return [quota / period] if quota > 0 and period > 0 else []
    return []
