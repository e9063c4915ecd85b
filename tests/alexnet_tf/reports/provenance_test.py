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


def test_a_commit_whose_files_were_changed_says_so(tmp_path, monkeypatch):
    def git(*arguments):
        author = ['-c', 'user.name=a', '-c', 'user.email=a@b']
        return subprocess.check_output(['git', *author, *arguments], cwd=tmp_path, text=True)

    module = tmp_path / 'module.py'
    monkeypatch.setattr(provenance, '__file__', str(module))
    git('init', '--quiet')
    module.write_text('1')
    git('add', '.')
    git('commit', '--quiet', '--message=a')
    commit = git('rev-parse', 'HEAD').strip()
    (tmp_path / 'untracked').touch()
    assert provenance.collect()['commit'] == commit
    module.write_text('2')
    assert provenance.collect()['commit'] == f'{commit}+changes'
