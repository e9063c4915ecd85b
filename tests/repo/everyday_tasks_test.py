"""docs/how-to/everyday-tasks.md: our snippets run, and none is longer than those beside it."""

import ast
import functools
import pathlib
import re
import shutil

import keras
import numpy as np
import pytest

import alexnet_tf

PAGE = pathlib.Path(__file__).parents[2] / 'docs' / 'how-to' / 'everyday-tasks.md'
TINY = {'width': 1 / 16, 'epochs': 1, 'batch_size': 8, 'schedule': 'list', 'drop_epochs': [1]}


def read_tasks():
    """{title: (our snippet, Keras', torchvision's)}."""
    _, *sections = re.split(r'^## \d+\. ', PAGE.read_text(), flags=re.MULTILINE)
    return {
        section.partition('\n')[0]: re.findall(r'```python\n(.*?)```', section, flags=re.DOTALL)
        for section in sections
    }


TASKS = read_tasks()
SLOW = (
    *('Classify a file with known weights', 'Save, load, serve', 'Fine-tune on a folder'),
    'Train with your own callback',
)


def count_lines(code):
    return sum(bool(line.strip()) for line in code.splitlines())


def test_there_are_twelve_tasks_with_three_snippets_each():
    assert [len(snippets) for snippets in TASKS.values()] == [3] * 12


@pytest.mark.parametrize('snippets', TASKS.values(), ids=TASKS)
def test_ours_is_never_longer(snippets):
    for snippet in snippets:
        ast.parse(snippet)
        assert max(len(line) for line in snippet.splitlines()) <= 100
    ours, *others = map(count_lines, snippets)
    assert ours <= min(others)


def test_the_table_counts_the_lines():
    rows = re.findall(
        r'^\| \[(.+)\]\(.+\) \| (\d+) \| (\d+) \| (\d+) \|$', PAGE.read_text(), re.MULTILINE
    )
    assert {title: tuple(map(int, counts)) for title, *counts in rows} == {
        title: tuple(map(count_lines, snippets)) for title, snippets in TASKS.items()
    }


@pytest.fixture(scope='module')
def workspace(shared_folder, tmp_path_factory):
    """A folder with the files and the trained network that the snippets name, all of them tiny."""
    root = tmp_path_factory.mktemp('tasks')
    shutil.copytree(shared_folder, root / 'photos')
    shutil.copy(root / 'photos' / 'cat' / '00.jpg', root / 'photo.jpg')
    alexnet_tf.prepare(root / 'photos', root / 'data' / 'mine', workers=1)
    alexnet_tf.train(root / 'data' / 'mine', root / 'runs' / 'mine', **TINY)
    np.save(root / 'bvlc_alexnet.npy', create_caffe_weights(), allow_pickle=True)
    return root


def create_caffe_weights():
    """Random weights of a narrow network, in the layout of Caffe's converters."""
    shapes = {
        'conv1': (11, 11, 3, 6), 'conv2': (5, 5, 3, 16), 'conv3': (3, 3, 16, 24),
        'conv4': (3, 3, 12, 24), 'conv5': (3, 3, 12, 16),
        'fc6': (16 * 6 * 6, 256), 'fc7': (256, 256), 'fc8': (256, 1000),
    }  # fmt: skip
    random = np.random.default_rng(0)
    return {
        name: [random.normal(0, 0.05, shape).astype('float32'), np.zeros(shape[-1], 'float32')]
        for name, shape in shapes.items()
    }


@pytest.fixture
def tiny(monkeypatch, workspace, export_little):
    """Makes everything that a snippet trains or builds tiny."""
    monkeypatch.chdir(workspace)
    train, build = alexnet_tf.train, alexnet_tf.AlexNet

    def train_tiny(*args, minutes=None, **settings):  # how much fits depends on the machine
        return train(*args, **settings | TINY)

    monkeypatch.setattr(alexnet_tf, 'train', train_tiny)
    monkeypatch.setattr(alexnet_tf, 'AlexNet', functools.partial(build, width=TINY['width']))
    load_weights = functools.partial(alexnet_tf.load_weights, width=TINY['width'])
    monkeypatch.setattr(alexnet_tf, 'load_weights', load_weights)
    fit = keras.Model.fit
    monkeypatch.setattr(
        keras.Model,
        'fit',
        lambda *args, **options: fit(*args, **options | {'epochs': 1, 'verbose': 0}),
    )


@pytest.mark.filterwarnings('ignore::UserWarning')
@pytest.mark.parametrize(
    'snippets',
    [
        pytest.param(snippets, marks=[pytest.mark.slow] if task in SLOW else [])
        for task, snippets in TASKS.items()
    ],
    ids=TASKS,
)
def test_ours_runs(snippets, tiny):
    exec(snippets[0], {'array': np.zeros((2, 300, 280, 3), np.uint8)})
