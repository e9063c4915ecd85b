"""The cores of a process: of its affinity, and of the quota of a cgroup."""

import os

import pytest

from input_pipeline import cores


def imitate(root, groups, files):
    """Writes proc/self/cgroup, and files of sys/fs/cgroup."""
    (root / 'proc/self').mkdir(parents=True)
    (root / 'proc/self/cgroup').write_text(groups)
    for name, text in files.items():
        path = root / 'sys/fs/cgroup' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ('groups', 'files', 'expected'),
    [
        ('0::/\n', {}, 8),
        ('0::/\n', {'cpu.max': 'max 100000\n'}, 8),
        ('0::/\n', {'cpu.max': '300000 100000\n'}, 3),
        ('0::/a/b\n', {'a/b/cpu.max': 'max 100000\n', 'a/cpu.max': '140000 100000\n'}, 2),
        ('0::/of/the/host\n', {'cpu.max': '20000 100000\n'}, 1),  # without a namespace of its own
        (
            '9:memory:/m\n4:cpuset,cpu,cpuacct:/job\n0::/\n',
            {'cpu/job/cpu.cfs_quota_us': '400000\n', 'cpu/job/cpu.cfs_period_us': '100000\n'},
            4,
        ),
        ('4:cpu:/\n', {'cpu/cpu.cfs_quota_us': '-1\n', 'cpu/cpu.cfs_period_us': '100000\n'}, 8),
        ('4:cpuset:/\n', {'cpu/cpu.cfs_quota_us': '1\n', 'cpu/cpu.cfs_period_us': '100000\n'}, 8),
    ],
)
def test_the_quota_of_a_cgroup_limits_the_cores(tmp_path, monkeypatch, groups, files, expected):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: set(range(8)))
    imitate(tmp_path, groups, files)
    assert cores.count_cores(tmp_path) == expected


def test_the_affinity_limits_the_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'cpu_count', lambda: 64)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: {3, 5})
    assert cores.count_cores(tmp_path) == 2
