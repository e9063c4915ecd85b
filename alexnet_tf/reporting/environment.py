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
    here = pathlib.Path(__file__).parent
    command = ['git', 'rev-parse', 'HEAD']
    try:
        found = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None
