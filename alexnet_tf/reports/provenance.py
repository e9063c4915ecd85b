"""What a run was made with."""

import importlib.metadata
import pathlib
import platform
import subprocess
from typing import Any


def found() -> dict[str, Any]:
    """Versions and commit, for whoever wants to repeat the run."""
    packages = ('tensorflow', 'keras', 'numpy', 'alexnet_tf')
    return {
        'python': platform.python_version(),
        'machine': platform.machine(),
        'commit': _commit(),
        **{name: _version(name) for name in packages},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Of this program's own repository: an installed one may lie inside somebody else's."""
    here = pathlib.Path(__file__)
    if _git(here.parent, 'ls-files', '--error-unmatch', here.name) is None:
        return None
    return _git(here.parent, 'rev-parse', 'HEAD')


def _git(directory: pathlib.Path, *command: str) -> str | None:
    """What git prints; None where it fails, or is not there."""
    try:
        found = subprocess.run(
            ['git', *command], cwd=directory, capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return found.stdout.strip() if found.returncode == 0 else None
