"""What a result was produced with."""

import importlib.metadata
import subprocess

from alexnet_tf.reports import provenance


def test_versions_are_those_of_the_installed_packages():
    collected = provenance.collect()
    assert collected['keras'] == importlib.metadata.version('keras')
    assert collected['python'].startswith('3.')


def test_without_git_the_commit_is_unknown(monkeypatch):
    def fail(*_, **__):
        raise FileNotFoundError('git')

    monkeypatch.setattr(subprocess, 'run', fail)
    assert provenance.collect()['commit'] is None
