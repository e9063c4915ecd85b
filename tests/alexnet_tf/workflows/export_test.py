"""The SavedModel: whole, portable, and of one mind with predict."""

import json

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2


@pytest.fixture(scope='module')
def exported(command, data, trained, tmp_path_factory):
    directory = tmp_path_factory.mktemp('export')
    assert command('export', data, f'--run_dir={trained}', f'--export_dir={directory}') == 0
    return directory / '1'


@pytest.fixture(scope='module')
def signatures(exported):
    return tf.saved_model.load(str(exported)).signatures


def nodes_of(path):
    saved = saved_model_pb2.SavedModel.FromString((path / 'saved_model.pb').read_bytes())
    graph = saved.meta_graphs[0].graph_def
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def test_no_device_and_no_xla_is_asked_for(exported):
    nodes = list(nodes_of(exported))
    assert len(nodes) > 100
    assert {node.device for node in nodes} == {''}
    assert not [node.name for node in nodes if node.attr['_XlaMustCompile'].b]


@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_it_answers_as_predict_does(
    command, trained, shared_folder, signatures, tmp_path, capsys, kind
):
    path = tmp_path / f'picture.{kind.lower()}'
    PIL.Image.open(shared_folder / 'cat' / '03.jpg').save(path, kind)
    capsys.readouterr()
    assert command('predict', f'--run_dir={trained}', f'--inputs={path}', '--output=json') == 0
    expected = json.loads(capsys.readouterr().out)
    answer = signatures['serving_default'](images=tf.constant([path.read_bytes()] * 3))
    for at in range(3):
        assert [each.decode() for each in answer['classes'][at].numpy()] == expected['classes']
        np.testing.assert_allclose(
            answer['probabilities'][at], expected['probabilities'], atol=1e-6
        )


def test_pixels_are_answered_as_their_png_is(signatures):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 270, 300, 3), np.uint8)
    encoded = [tf.io.encode_png(each).numpy() for each in pixels]
    from_bytes = signatures['serving_default'](images=tf.constant(encoded))
    from_pixels = signatures['pixels'](images=tf.constant(pixels))
    np.testing.assert_allclose(from_pixels['scores'], from_bytes['scores'], atol=1e-6)
    np.testing.assert_allclose(tf.reduce_sum(from_pixels['scores'], 1), 1, rtol=1e-5)


def test_versions_count_up_and_are_never_overwritten(command, exported, trained, capsys):
    """And without the data, what was exported is checked on noise."""
    flags = ('--data_dir=nowhere', f'--run_dir={trained}', f'--export_dir={exported.parent}')
    (exported.parent / '7').mkdir()
    assert command('export', *flags, '--export_version=1') == 3
    assert 'exists already' in capsys.readouterr().err
    assert command('export', *flags) == 0
    assert 'scores differ by at most' in capsys.readouterr().out
    assert sorted(path.name for path in exported.parent.iterdir()) == ['1', '7', '8']
