"""Clients of an export that share no code with this package.

A C program on the session loader that TensorFlow Serving uses; another vendor's client over gRPC,
and our example; a real tensorflow_model_server, if there is one.
"""

import base64
import json
import os
import pathlib
import runpy
import shutil
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(scope='module')
def images(encode):
    return [
        encode('JPEG', size=(120, 80), seed=1),
        encode('PNG', size=(60, 90), seed=2),
        encode('WEBP', seed=3),
    ]


@pytest.fixture(scope='module')
def files(images, tmp_path_factory):
    directory = tmp_path_factory.mktemp('images')
    paths = [directory / str(index) for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(image)
    return list(map(str, paths))


@pytest.fixture(scope='module')
def expected(loaded, images):
    return loaded['serving_default'](images=tf.constant(images))


@pytest.fixture(scope='module')
def loader(tmp_path_factory):
    """The path of the C program, built for the library in TensorFlow's wheel.

    It is linked to an empty library of the same name, since the linker reads the real one, of a
    gigabyte, for longer than all tests here take.
    """
    if shutil.which('gcc') is None:
        pytest.skip('needs gcc')
    directory = tmp_path_factory.mktemp('loader')
    source = pathlib.Path(__file__).with_name('loader.c')

    def run(*command):
        process = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, check=False
        )
        assert process.returncode == 0, process.stderr
        return process.stdout

    include = f'-I{tf.sysconfig.get_include()}'
    run('gcc', '-c', '-Wall', '-Werror', include, source, '-o', 'loader.o')
    names = [line.split()[-1] for line in run('nm', '-u', 'loader.o').splitlines()]
    symbols = [name for name in names if name.startswith(('TF_', '_ZN10tensorflow'))]
    (directory / 'empty.c').write_text(''.join(f'void {name}(void) {{}}\n' for name in symbols))
    soname = '-Wl,-soname,libtensorflow_cc.so.2'
    run('gcc', '-shared', '-fPIC', soname, 'empty.c', '-o', 'empty.so')
    run('gcc', 'loader.o', 'empty.so', '-o', 'loader', f'-Wl,-rpath,{tf.sysconfig.get_lib()}')
    return str(directory / 'loader')


def run_loader(loader, version, signature, *files):
    saved = saved_model_pb2.SavedModel.FromString((version / 'saved_model.pb').read_bytes())
    tensors = saved.meta_graphs[0].signature_def[signature]
    names = tensors.inputs['images'].name, tensors.outputs['scores'].name
    command = [loader, str(version), *names, *files]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


@pytest.mark.slow
def test_a_c_program_gets_the_same_scores(loader, version, files, expected):
    lines = run_loader(loader, version, 'serving_default', *files)
    scores = np.array([line.split() for line in lines[: len(files)]], float)
    np.testing.assert_allclose(scores, expected['scores'], atol=1e-6)


@pytest.mark.slow
def test_a_c_program_gets_the_index_of_an_unreadable_image_and_continues(loader, version, files):
    bad = str(pathlib.Path(__file__))
    lines = run_loader(loader, version, 'serving_default', files[0], bad)
    assert 'images[1]: not an image' in lines[0]
    assert len(lines[-1].split()) == 3  # of the next request
    lines = run_loader(loader, version, 'tolerant', files[0], bad)
    assert np.array(lines[1].split(), float).tolist() == [0, 0, 0]


def test_another_vendors_client_gets_the_same_scores(server, images, expected):
    client = pytest.importorskip('ovmsclient').make_grpc_client(server)
    metadata = client.get_model_metadata('alexnet')
    assert metadata['inputs']['images']['dtype'] == 'DT_STRING'
    # It names no signature, and strips zeros at the end of strings, which a WebP may have.
    predictions = client.predict({'images': images[:2]}, 'alexnet')
    np.testing.assert_allclose(predictions['scores'], expected['scores'][:2], atol=1e-6)
    np.testing.assert_array_equal(predictions['classes'], expected['classes'][:2])


def test_the_example_client_prints_a_line_per_file(server, files, expected, monkeypatch, capsys):
    client = str(ROOT / 'examples' / 'serving_client.py')
    bad, missing = str(pathlib.Path(__file__)), '/missing.jpg'
    monkeypatch.setattr(sys, 'argv', [client, f'--server={server}', *files, missing, bad, files[0]])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(client, run_name='__main__')
    assert exit_.value.code == 0
    *lines, missing_line, bad_line, again = capsys.readouterr().out.splitlines()
    assert missing_line == '/missing.jpg: error: No such file or directory'
    assert len(lines) == len(files)
    top_class = expected['classes'].numpy()[0, 0].decode()
    assert lines[0].startswith(f'{files[0]}: {top_class} ')
    assert bad_line.startswith(f'{bad}: error: not an image')
    assert again == lines[0]


@pytest.mark.slow
def test_a_server_answers_the_warm_up_requests_and_the_example(server, version, loaded):
    grpc = pytest.importorskip('grpc')
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
    from tensorflow_serving.apis import prediction_service_pb2_grpc as services

    path = version / 'assets.extra' / 'tf_serving_warmup_requests'
    logs = [
        prediction_log_pb2.PredictionLog.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(path))
    ]
    requests = [log.predict_log.request for log in logs]
    assert {request.model_spec.signature_name for request in requests} == set(loaded)
    example = version.with_name(f'{version.name}.request.pb').read_bytes()
    requests.append(predict_pb2.PredictRequest.FromString(example))
    with grpc.insecure_channel(server) as channel:
        stub = services.PredictionServiceStub(channel)
        for request in requests:
            assert len(stub.Predict(request).outputs) in (1, 3, 4)


def test_the_rest_example_holds_the_checked_image(version):
    body = json.loads(version.with_name(f'{version.name}.request.json').read_text())
    assert body['signature_name'] == 'serving_default'
    (instance,) = body['instances']
    assert tf.io.decode_image(base64.b64decode(instance['b64'])).shape == (70, 90, 3)


def test_a_real_server_answers_over_rest(version, expected, images):
    """Needs tensorflow_model_server, or TF_SERVING_URL of one that serves this network."""
    url, process = os.environ.get('TF_SERVING_URL'), None
    if not url:
        if shutil.which('tensorflow_model_server') is None:
            pytest.skip('needs tensorflow_model_server on the PATH')
        url = 'http://localhost:8501'
        command = ['tensorflow_model_server', '--rest_api_port=8501', '--model_name=alexnet']
        command.append(f'--model_base_path={version.parent}')
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        _wait_until_ready(process)
    try:
        body = {'instances': [{'b64': base64.b64encode(image).decode()} for image in images]}
        data = json.dumps(body).encode()
        with urllib.request.urlopen(f'{url}/v1/models/alexnet:predict', data, timeout=60) as reply:
            response = json.load(reply)
        scores = [prediction['scores'] for prediction in response['predictions']]
        if process:  # a server at TF_SERVING_URL has other weights
            np.testing.assert_allclose(scores, expected['scores'], atol=1e-5)
        assert len(scores) == len(images)
    finally:
        if process:
            process.terminate()


def _wait_until_ready(process):
    for line in process.stderr:
        if 'Exporting HTTP/REST API' in line:
            return
    raise AssertionError('the server ended before it was ready')
