"""The SavedModel: whole, portable, and of one mind with predict."""

import contextlib
import io
import json
import re
import sys

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from alexnet_tf.commands import export
from alexnet_tf.export import formats, saved_model


@pytest.fixture(scope='module')
def said(command, trained, tmp_path_factory):
    """(version, what was printed); without the data, it is checked on noise."""
    directory = tmp_path_factory.mktemp('export')
    flags = (f'--run_dir={trained}', f'--export_dir={directory}', '--data_dir=nowhere')
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert command('export', *flags) == 0
    return directory / '1', out.getvalue()


@pytest.fixture(scope='module')
def exported(said):
    return said[0]


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


# All that the graph may do. No Python, no file but the saver's own, no variable that changes.
ARITHMETIC = """
    Abs AddN AddV2 All Any AvgPool BiasAdd BitwiseAnd Cast ConcatV2 Const Conv2D EnsureShape Equal
    ExpandDims Fill FloorDiv GatherV2 Greater GreaterEqual Identity IdentityN LeftShift Less
    LessEqual LogicalAnd LogicalNot LogicalOr MatMul MaxPool Maximum Mean Min Minimum Mul NoOp
    NotEqual Pack Pad Placeholder Prod Range RealDiv Relu Reshape ResizeArea ResizeBicubic ReverseV2
    Round Rsqrt
    Select SelectV2 Shape Size Softmax Sqrt Square Squeeze StridedSlice Sub Sum
    TensorScatterUpdate TopKV2 Transpose Unpack Where ZerosLike
"""
PICTURES = """
    AsString DecodeImage DecodeJpeg DecodeRaw ExtractJpegShape StringJoin StringLength Substr
    StaticRegexFullMatch
"""
FLOW = """
    Assert StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile
    BatchDatasetV2 ConcatenateDataset DatasetToSingleElement IgnoreErrorsDataset OptionsDataset
    ParallelMapDatasetV2 TensorDataset TensorSliceDataset
    TensorListFromTensor TensorListGetItem TensorListReserve TensorListSetItem TensorListStack
"""
SAVER = """
    AssignVariableOp DisableCopyOnRead MergeV2Checkpoints ReadVariableOp RestoreV2 SaveV2
    ShardedFilename StringJoin VarHandleOp VarIsInitializedOp
"""


def test_its_operations_are_these(exported):
    found = {node.op for node in nodes_of(exported)}
    allowed = ' '.join((ARITHMETIC, PICTURES, FLOW, SAVER)).split()
    assert sorted(found - set(allowed)) == []


def test_beside_the_version_stands_how_to_ask_it(exported):
    beside = exported.with_name('1.signature.json')
    description = json.loads(beside.read_text())
    signatures = description['signatures']
    assert set(signatures) == {'serving_default', 'pixels', 'ten_views', 'tolerant', 'features'}
    assert signatures['pixels']['inputs']['images'] == {'dtype': 'uint8', 'shape': [-1, -1, -1, 3]}
    outputs = {name for each in signatures.values() for name in each['outputs']}
    assert not [name for name in outputs if name.endswith('_bytes')]  # REST would encode them
    assert signatures['tolerant']['outputs']['scores'] == {'dtype': 'float32', 'shape': [-1, 2]}
    assert description['limits']['pictures_a_request'] == 256
    assert (exported / 'assets' / 'classes.txt').read_text() == 'cat\ndog\n'


@pytest.mark.slow
@pytest.mark.parametrize('precision', ['bfloat16', 'float16'])
def test_weights_of_half_the_bytes(
    command, data, exported, signatures, trained, tmp_path, capsys, precision
):
    flags = (data, f'--run_dir={trained}', f'--export_dir={tmp_path}')
    assert command('export', *flags, f'--export_precision={precision}') == 0
    said = rf'weights as {precision} move the scores by at most \S+; .* for 12 of 12 held-out pict'
    assert re.search(said, capsys.readouterr().out)

    def size(version):
        return sum(each.stat().st_size for each in (version / 'variables').iterdir())

    assert size(tmp_path / '1') < 0.55 * size(exported)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 256, 256, 3), np.uint8)
    narrow = tf.saved_model.load(str(tmp_path / '1')).signatures
    scores = [each['pixels'](images=tf.constant(pixels))['scores'] for each in (signatures, narrow)]
    assert 0 < np.abs(scores[0] - scores[1]).max() < 0.01


@pytest.mark.slow
def test_what_another_format_refuses_leaves_no_version(
    command, data, trained, tmp_path, monkeypatch, capsys
):
    def wrong(path, squares):
        return np.zeros((len(squares), 2), np.float32)

    def two_signatures(network):
        return {name: build(network)[name] for name in ('serving_default', 'pixels')}

    pytest.importorskip('ai_edge_litert')
    build = export.signatures.build
    monkeypatch.setattr(export.signatures, 'build', two_signatures)
    monkeypatch.setattr(formats, '_run_litert', wrong)
    monkeypatch.setattr(saved_model, '_difference', lambda *_: 0.0)  # others read theirs back
    (tmp_path / '.3.tmp-1').mkdir()  # of a process that was killed
    (tmp_path / '1.onnx').write_bytes(b'of an older version that was taken away')
    (tmp_path / '1.txt').write_bytes(b"somebody's")
    flags = (data, f'--run_dir={trained}', f'--export_dir={tmp_path}', '--export_also=litert')
    assert command('export', *flags) == 3
    assert '1.tflite answers otherwise than the SavedModel' in capsys.readouterr().err
    left = {each.name for each in tmp_path.iterdir()}
    assert not left & {'1', '1.tflite', '1.onnx', '.3.tmp-1'}
    assert '1.txt' in left


def test_a_format_that_is_not_installed_is_named(command, data, trained, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'tf2onnx', None)
    assert command('export', data, f'--run_dir={trained}', '--export_also=onnx') == 2
    assert 'pip install "alexnet_tf[formats]"' in capsys.readouterr().err


def test_it_answers_as_predict_does(command, trained, shared_folder, signatures, tmp_path, capsys):
    paths = [tmp_path / f'picture.{kind}' for kind in ('jpeg', 'png')]
    for path in paths:
        PIL.Image.open(shared_folder / 'cat' / '03.jpg').save(path)
    capsys.readouterr()
    assert command('predict', f'--run_dir={trained}', f'--inputs={tmp_path}', '--output=json') == 0
    answer = signatures['serving_default'](images=tf.constant([p.read_bytes() for p in paths]))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(paths)
    for at, line in enumerate(lines):
        expected = json.loads(line)
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


@pytest.mark.slow
@pytest.mark.parametrize('kind', sorted(formats.SUFFIXES))
def test_other_formats_stand_beside_the_version(command, trained, tmp_path, kind, capsys):
    if lacking := formats.missing(kind):
        pytest.skip(f'needs {lacking}')
    flags = (f'--run_dir={trained}', f'--export_dir={tmp_path}', '--data_dir=nowhere')
    assert command('export', *flags, f'--export_also={kind}') == 0
    assert 'run on the same pictures: scores differ by' in capsys.readouterr().out
    assert (tmp_path / f'1{formats.SUFFIXES[kind]}').stat().st_size > 1e5


def test_what_is_written_beside_the_version(said):
    version, printed = said
    assert 'scores differ by at most' in printed
    names = {each.name for each in version.parent.iterdir()}
    assert names >= {'1', '1.signature.json', '1.request.json'}
    assert {name for name in names if name.startswith('.')} == {'.lock'}


def test_versions_count_up_and_are_never_overwritten(
    command, exported, trained, tmp_path, monkeypatch, capsys
):
    flags = ('--data_dir=nowhere', f'--run_dir={trained}', f'--export_dir={exported.parent}')
    monkeypatch.setattr(export.runs, 'load', None)  # it is refused before
    assert command('export', *flags, '--export_version=1') == 3
    assert 'exists already' in capsys.readouterr().err
    assert saved_model.free(tmp_path, None).name == '1'
    (tmp_path / '7').mkdir()
    assert saved_model.free(tmp_path, None).name == '8'
