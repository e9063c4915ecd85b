"""The versions of code and packages that a result was produced with."""

import importlib.metadata
import pathlib
import platform
import subprocess
from typing import Any

_CHANGED = '+changes'  # of files, after the commit
_PACKAGES = ('tensorflow', 'keras', 'numpy', 'alexnet_tf')


def collect() -> dict[str, Any]:
    """Collects versions by package, 'python', 'machine' and the git 'commit'; None if unknown.

    A commit whose files have been changed ends in '+changes'.
    """
    return {
        'python': platform.python_version(),
        'machine': platform.machine(),
        'commit': _read_commit(),
        **collect_versions(),
    }


def collect_versions() -> dict[str, str | None]:
    """Collects versions by package; None if unknown."""
    return {name: _read_version(name) for name in _PACKAGES}


def _read_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _read_commit() -> str | None:
    """Reads this package's commit; an installed package may lie inside another repository."""
    path = pathlib.Path(__file__)
    if _run_git(path.parent, 'ls-files', '--error-unmatch', path.name) is None:
        return None
    commit = _run_git(path.parent, 'rev-parse', 'HEAD')
    status = ('--no-optional-locks', 'status', '--porcelain', '--untracked-files=no')
    changes = _run_git(path.parent, *status)
    return f'{commit}{_CHANGED}' if commit and changes else commit


def _run_git(directory: pathlib.Path, *arguments: str) -> str | None:
    try:
        command = ['git', *arguments]
        process = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, check=False
        )
    except OSError:  # git is not installed
        return None
    return process.stdout.strip() if process.returncode == 0 else None
