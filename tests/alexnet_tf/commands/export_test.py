"""The SavedModel is portable, complete, and predicts what `--mode=predict` predicts."""

import contextlib
import importlib
import io
import json
import re
import shutil
import sys

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from alexnet_tf.config import flags as flags_lib
from alexnet_tf.export import formats, saved_model
from alexnet_tf.export import signatures as signatures_lib
from alexnet_tf.runs import loading, predictor


@pytest.fixture(scope='module')
def export(command, trained, tmp_path_factory):
    """(directory of a version, output of the command); it is checked on noise, without data."""
    directory = tmp_path_factory.mktemp('export')
    flags = (f'--run_dir={trained}', f'--export_dir={directory}', '--data_dir=nowhere')
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert command('export', *flags) == 0
    return directory / '1', out.getvalue()


@pytest.fixture(scope='module')
def exported(export):
    return export[0]


@pytest.fixture(scope='module')
def signatures(exported):
    return tf.saved_model.load(str(exported)).signatures


def iterate_nodes(path):
    saved = saved_model_pb2.SavedModel.FromString((path / 'saved_model.pb').read_bytes())
    graph = saved.meta_graphs[0].graph_def
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def test_the_graph_requires_no_device_and_no_xla(exported):
    nodes = list(iterate_nodes(exported))
    assert len(nodes) > 100
    assert {node.device for node in nodes} == {''}
    assert not [node.name for node in nodes if node.attr['_XlaMustCompile'].b]


# All that the graph may do. No Python, no file but the saver's own, no variable is assigned.
ARITHMETIC = """
    Abs AddN AddV2 All Any ArgMin AvgPool BatchMatMulV2 BiasAdd Bitcast BitwiseAnd
    Cast ConcatV2 Const Conv2D
    Cumsum DenseBincount EnsureShape Equal ExpandDims Fill FloorDiv FloorMod GatherV2 Greater
    GreaterEqual Identity IdentityN LeftShift Less LessEqual LogicalAnd LogicalNot LogicalOr
    LowerBound MatMul MatrixDiagV3 Max MaxPool Maximum Mean Min Minimum Mul Neg NoOp
    NotEqual Pack Pad Placeholder Pow Prod Range RealDiv Relu Reshape ResizeArea ResizeBicubic
    ReverseV2 RightShift Round Rsqrt
    Select SelectV2 Shape Size Softmax Split SplitV Sqrt Square Squeeze StridedSlice Sub Sum
    TensorScatterUpdate TopKV2 Transpose Unpack Where ZerosLike
"""
IMAGES = """
    AsString DecodeCompressed DecodeGif DecodeImage DecodeJpeg DecodePng DecodeRaw DecodeWebP
    ExtractJpegShape StaticRegexFullMatch StaticRegexReplace StringJoin StringLength StringSplitV2
    StringToNumber Substr
"""
FLOW = """
    Assert If PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile
    BatchDatasetV2 ConcatenateDataset DatasetToSingleElement IgnoreErrorsDataset OptionsDataset
    ParallelMapDatasetV2 TensorDataset TensorSliceDataset
    TensorListFromTensor TensorListGetItem TensorListReserve TensorListSetItem TensorListStack
"""
SAVER = """
    AssignVariableOp DisableCopyOnRead MergeV2Checkpoints ReadVariableOp RestoreV2 SaveV2
    ShardedFilename StringJoin VarHandleOp VarIsInitializedOp
"""


@pytest.mark.slow
def test_a_network_of_bfloat16_is_exported_in_float32_on_demand(
    command, trained, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(saved_model, '_measure_difference', lambda *_: 0.0)  # others test it
    run = shutil.copytree(trained, tmp_path / 'run', ignore=shutil.ignore_patterns('export'))
    config = json.loads((run / 'config.json').read_text())
    (run / 'config.json').write_text(json.dumps(config | {'precision': 'bfloat16'}))
    flags = (f'--run_dir={run}', '--data_dir=nowhere')
    for given, precision in (((), 'bfloat16'), (('--export_precision=float32',), 'float32')):
        assert command('export', *flags, *given) == 0
        printed = capsys.readouterr().out
        assert ('it computes in bfloat16, as it was trained' in printed) == (not given)
        path = max((run / 'export').glob('*.signature.json'))
        assert json.loads(path.read_text())['source']['computes_in'] == precision


def test_the_graph_has_only_allowed_operations(exported):
    operations = {node.op for node in iterate_nodes(exported)}
    allowed = ' '.join((ARITHMETIC, IMAGES, FLOW, SAVER)).split()
    assert ' '.join(sorted(operations - set(allowed))) == ''


def test_the_signatures_are_described_beside_the_version(exported):
    description = json.loads(exported.with_name('1.signature.json').read_text())
    signatures = description['signatures']
    assert set(signatures) == {'serving_default', 'pixels', 'ten_views', 'tolerant', 'features'}
    assert signatures['pixels']['inputs']['images'] == {'dtype': 'uint8', 'shape': [-1, -1, -1, 3]}
    outputs = {name for signature in signatures.values() for name in signature['outputs']}
    assert not [name for name in outputs if name.endswith('_bytes')]  # REST would encode them
    assert signatures['tolerant']['outputs']['scores'] == {'dtype': 'float32', 'shape': [-1, 2]}
    assert description['limits']['images_per_request'] == 256
    source = json.loads((exported / 'assets.extra' / 'source.json').read_text())
    assert source == description['source']
    assert (source['step'], source['recipe'], source['computes_in']) == (4, 'paper', 'float32')
    assert source['as_in_checkpoint']
    assert len(source['variables_sha256']) == 64
    assert (exported / 'assets' / 'classes.txt').read_text() == 'cat\ndog\n'


@pytest.mark.slow
@pytest.mark.parametrize('precision', ['bfloat16', 'float16'])
def test_weights_are_stored_in_half_the_bytes(
    command, data, exported, signatures, trained, tmp_path, capsys, precision
):
    flags = (data, f'--run_dir={trained}', f'--export_dir={tmp_path}')
    assert command('export', *flags, f'--export_precision={precision}') == 0
    line = (
        rf'(weights|activations) as {precision} change the scores by at most \S+; .* 10 of 10 held'
    )
    assert re.search(line, capsys.readouterr().out)

    def size(version):
        return sum(file.stat().st_size for file in (version / 'variables').iterdir())

    # In float32 the kernels of convolutions are constants of the graph, and not counted.
    assert size(tmp_path / '1') < 0.6 * size(exported)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 256, 256, 3), np.uint8)
    reduced = tf.saved_model.load(str(tmp_path / '1')).signatures
    exact, scores = (
        functions['pixels'](images=tf.constant(pixels))['scores']
        for functions in (signatures, reduced)
    )
    assert 0 < np.abs(scores - exact).max() < 0.01


@pytest.mark.slow
def test_no_version_is_left_if_another_format_differs(
    command, data, trained, tmp_path, monkeypatch, capsys
):
    def score_zero(path, squares):
        return np.zeros((len(squares), 2), np.float32)

    def build_two(served):
        return {name: build(served)[name] for name in ('serving_default', 'pixels')}

    pytest.importorskip('ai_edge_litert')
    build = signatures_lib.build
    monkeypatch.setattr(signatures_lib, 'build', build_two)
    monkeypatch.setattr(formats, '_run_litert', score_zero)
    monkeypatch.setattr(saved_model, '_measure_difference', lambda *_: 0.0)  # see other tests
    (tmp_path / '.3.tmp-1-0123abcd').mkdir()  # from a killed process
    for name in ('1.onnx', '1.signature.json'):
        (tmp_path / name).write_bytes(b'from an older version that was deleted')
    (tmp_path / '1.txt').write_bytes(b'a file of the user')
    flags = (data, f'--run_dir={trained}', f'--export_dir={tmp_path}', '--export_also=litert')
    assert command('export', *flags) == 3
    assert 'scores of 2.tflite differ from those of the SavedModel' in capsys.readouterr().err
    names = {path.name for path in tmp_path.iterdir() if path.name[0] != '.' or 'tmp' in path.name}
    assert names == {'1.onnx', '1.signature.json', '1.txt'}


def test_a_missing_package_of_a_format_is_named(command, data, trained, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'tf2onnx', None)
    assert command('export', data, f'--run_dir={trained}', '--export_also=onnx') == 2
    assert 'pip install "alexnet_tf[formats]"' in capsys.readouterr().err


def test_the_export_predicts_what_predict_predicts(
    command, trained, shared_folder, signatures, tmp_path, capsys
):
    paths = [tmp_path / f'image.{kind}' for kind in ('jpeg', 'png')]
    for path in paths:
        PIL.Image.open(shared_folder / 'cat' / '03.jpg').save(path)
    capsys.readouterr()
    assert command('predict', f'--run_dir={trained}', f'--inputs={tmp_path}', '--output=json') == 0
    encoded = tf.constant([path.read_bytes() for path in paths])
    predictions = signatures['serving_default'](images=encoded)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(paths)
    for row, line in enumerate(lines):
        expected = json.loads(line)
        classes = [name.decode() for name in predictions['classes'][row].numpy()]
        assert classes == expected['classes']
        np.testing.assert_allclose(
            predictions['probabilities'][row], expected['probabilities'], atol=1e-6
        )


def test_features_are_those_of_the_export_and_of_retrieval(
    command, trained, shared_folder, signatures, tmp_path
):
    path, images = tmp_path / 'fc7.npy', sorted((shared_folder / 'cat').glob('*.jpg'))[:5]
    inputs = ','.join(map(str, images))
    flags = (f'--run_dir={trained}', f'--inputs={inputs}', f'--output_file={path}')
    assert command('predict', *flags, '--features=fc7') == 0
    features = np.load(path)
    encoded = tf.constant([image.read_bytes() for image in images])
    np.testing.assert_allclose(
        signatures['features'](images=encoded)['features'], features, rtol=1e-4, atol=1e-5
    )
    config = flags_lib.parse(['alexnet_tf', '--mode=retrieve', *flags[:2]])
    run = loading.load_run(config, compiled=True)
    extract = predictor.build_feature_function(run)
    outputs = predictor.Predictor(run, extract, batch_size=10)(list(map(str, images)))
    np.testing.assert_array_equal([output.values for output in outputs], features)


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['litert', 'onnx'])
def test_other_formats_are_written_beside_the_version(command, trained, tmp_path, kind, capsys):
    if package := formats.find_missing_package(kind):
        pytest.skip(f'needs {package}')
    flags = (f'--run_dir={trained}', f'--export_dir={tmp_path}', '--data_dir=nowhere')
    assert command('export', *flags, f'--export_also={kind}') == 0
    assert 'checked on the same images: scores differ by' in capsys.readouterr().out
    path = formats.name_file(tmp_path / '1', kind)
    assert path.stat().st_size > 1e5
    if kind == 'litert':
        interpreter = importlib.import_module('ai_edge_litert.interpreter').Interpreter(str(path))
        (signature,) = interpreter.get_signature_list().values()
        assert (signature['inputs'], signature['outputs']) == (['images'], ['scores'])


@pytest.mark.slow
def test_an_int8_model_is_measured_beside_the_float32_one(command, data, trained, tmp_path, capsys):
    pytest.importorskip('ai_edge_litert')
    flags = (data, f'--run_dir={trained}', f'--export_dir={tmp_path}', '--export_also=litert_int8')
    assert command('export', *flags) == 0
    assert '1.int8.tflite: accuracy ' in capsys.readouterr().out
    description = json.loads((tmp_path / '1.signature.json').read_text())
    measured = description['formats']['1.int8.tflite']
    assert measured['images'] > 5
    assert measured['int8']['bytes'] == (tmp_path / '1.int8.tflite').stat().st_size
    assert measured['int8']['bytes'] < 0.5 * measured['float32']['bytes']
    assert measured['int8']['top1_error'] == pytest.approx(
        measured['float32']['top1_error'], abs=0.2
    )


def test_an_int8_model_without_records_is_refused_before_the_network_is_loaded(
    command, trained, monkeypatch, tmp_path, capsys
):
    pytest.importorskip('ai_edge_litert')
    monkeypatch.setattr(loading, 'load_run', lambda *_, **__: pytest.fail('the network was loaded'))
    flags = ('--data_dir=nowhere', f'--run_dir={trained}', f'--export_dir={tmp_path / "export"}')
    assert command('export', *flags, '--export_also=litert_int8') == 3
    message = capsys.readouterr().err
    assert '--export_also=litert_int8 needs the records of the run' in message
    assert 'nowhere' in message
    assert not (tmp_path / 'export').exists()


def test_descriptions_and_requests_are_written_beside_the_version(export):
    version, output = export
    assert 'scores differ by at most' in output
    names = {path.name for path in version.parent.iterdir()}
    assert names >= {'1', '1.signature.json', '1.request.json'}
    assert {name for name in names if name.startswith('.')} == {'.lock'}


def test_versions_count_up_and_are_never_overwritten(
    command, exported, trained, tmp_path, monkeypatch, capsys
):
    flags = ('--data_dir=nowhere', f'--run_dir={trained}', f'--export_dir={exported.parent}')
    monkeypatch.setattr(loading, 'load_run', lambda *_, **__: pytest.fail('the network was loaded'))
    assert command('export', *flags, '--export_version=1') == 3
    assert 'exists already' in capsys.readouterr().err
    assert saved_model.resolve_path(tmp_path, None).name == '1'
    (tmp_path / '7').mkdir()
    assert saved_model.resolve_path(tmp_path, None).name == '8'


@pytest.mark.parametrize('name', ['Photos [2024]', 'a\\b'])
def test_a_path_that_tensorflow_cannot_load_from_is_refused_first(command, tmp_path, name, capsys):
    """It takes the name of a checkpoint for a pattern."""
    (tmp_path / name).mkdir()
    variable = tf.Module()
    variable.value = tf.Variable(1.0)
    tf.saved_model.save(variable, str(tmp_path / name))
    with pytest.raises(FileNotFoundError):
        tf.saved_model.load(str(tmp_path / name))
    flags = (f'--run_dir={tmp_path / "none"}', f'--export_dir={tmp_path / name}')
    assert command('export', *flags) == 2
    assert 'loads no SavedModel from a path with [' in capsys.readouterr().err
