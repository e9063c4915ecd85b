"""Programs that are not ours ask what we exported.

A C program on the session loader that TensorFlow Serving uses; a client of another maker over gRPC,
and our example; a real tensorflow_model_server, where there is one.
"""

import base64
import json
import os
import pathlib
import runpy
import shutil
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(scope='module')
def pictures(encode):
    return [
        encode('JPEG', size=(120, 80), seed=1),
        encode('PNG', size=(60, 90), seed=2),
        encode('WEBP', seed=3),
    ]


@pytest.fixture(scope='module')
def files(pictures, tmp_path_factory):
    directory = tmp_path_factory.mktemp('pictures')
    paths = [directory / str(at) for at in range(len(pictures))]
    for path, each in zip(paths, pictures, strict=True):
        path.write_bytes(each)
    return list(map(str, paths))


@pytest.fixture(scope='module')
def expected(loaded, pictures):
    return loaded['serving_default'](images=tf.constant(pictures))


@pytest.fixture(scope='module')
def loader(tmp_path_factory):
    """The C program, for the library in TensorFlow's wheel.

    It is linked to an empty library of the same name: to look through the real one, of a gigabyte,
    takes the linker longer than all tests here.
    """
    if shutil.which('gcc') is None:
        pytest.skip('needs gcc')
    directory = tmp_path_factory.mktemp('loader')
    source = pathlib.Path(__file__).with_name('loader.c')

    def run(*command):
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    include = f'-I{tf.sysconfig.get_include()}'
    run('gcc', '-c', '-Wall', '-Werror', include, source, '-o', 'loader.o')
    names = [line.split()[-1] for line in run('nm', '-u', 'loader.o').splitlines()]
    wanted = [name for name in names if name.startswith(('TF_', '_ZN10tensorflow'))]
    (directory / 'empty.c').write_text(''.join(f'void {name}(void) {{}}\n' for name in wanted))
    soname = '-Wl,-soname,libtensorflow_cc.so.2'
    run('gcc', '-shared', '-fPIC', soname, 'empty.c', '-o', 'empty.so')
    run('gcc', 'loader.o', 'empty.so', '-o', 'loader', f'-Wl,-rpath,{tf.sysconfig.get_lib()}')
    return str(directory / 'loader')


def run_loader(loader, version, signature, *files):
    saved = saved_model_pb2.SavedModel.FromString((version / 'saved_model.pb').read_bytes())
    names = saved.meta_graphs[0].signature_def[signature]
    ends = names.inputs['images'].name, names.outputs['scores'].name
    command = [loader, str(version), *ends, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_c_program_gets_the_same_scores(loader, version, files, expected):
    lines = run_loader(loader, version, 'serving_default', *files)
    scores = np.array([line.split() for line in lines[: len(files)]], float)
    np.testing.assert_allclose(scores, expected['scores'], atol=1e-6)


@pytest.mark.slow
def test_a_c_program_is_told_which_picture_is_bad_and_goes_on(loader, version, files):
    bad = str(pathlib.Path(__file__))
    lines = run_loader(loader, version, 'serving_default', files[0], bad)
    assert 'images[1]: not a picture' in lines[0]
    assert len(lines[-1].split()) == 3  # the next request is answered
    lines = run_loader(loader, version, 'tolerant', files[0], bad)
    assert np.array(lines[1].split(), float).tolist() == [0, 0, 0]


def test_a_client_of_another_maker_is_answered(server, pictures, expected):
    client = pytest.importorskip('ovmsclient').make_grpc_client(server)
    metadata = client.get_model_metadata('alexnet')
    assert metadata['inputs']['images']['dtype'] == 'DT_STRING'
    # It names no signature, and takes zeros off the end of strings, as a WebP may have.
    answer = client.predict({'images': pictures[:2]}, 'alexnet')
    np.testing.assert_allclose(answer['scores'], expected['scores'][:2], atol=1e-6)
    np.testing.assert_array_equal(answer['classes'], expected['classes'][:2])


def test_our_example_client_prints_rows(server, files, expected, monkeypatch, capsys):
    client = str(ROOT / 'examples' / 'serving_client.py')
    bad, missing = str(pathlib.Path(__file__)), '/missing.jpg'
    monkeypatch.setattr(sys, 'argv', [client, f'--server={server}', *files, missing, bad, files[0]])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(client, run_name='__main__')
    assert ended.value.code == 0
    *lines, said, last, again = capsys.readouterr().out.splitlines()
    assert said == '/missing.jpg: error: No such file or directory'
    assert len(lines) == len(files)
    best = expected['classes'].numpy()[0, 0].decode()
    assert lines[0].startswith(f'{files[0]}: {best} ')
    assert last.startswith(f'{bad}: error: not a picture')
    assert again == lines[0]


@pytest.mark.slow
def test_warm_up_requests_and_the_example_are_answered(server, version, loaded):
    grpc = pytest.importorskip('grpc')
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
    from tensorflow_serving.apis import prediction_service_pb2_grpc as services

    path = version / 'assets.extra' / 'tf_serving_warmup_requests'
    logs = [
        prediction_log_pb2.PredictionLog.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(path))
    ]
    requests = [each.predict_log.request for each in logs]
    assert {each.model_spec.signature_name for each in requests} == set(loaded)
    example = version.with_name(f'{version.name}.request.pb').read_bytes()
    requests.append(predict_pb2.PredictRequest.FromString(example))
    with grpc.insecure_channel(server) as channel:
        stub = services.PredictionServiceStub(channel)
        for each in requests:
            assert len(stub.Predict(each).outputs) in (1, 3, 4)


def test_the_example_for_rest_is_the_checked_picture(version):
    body = json.loads(version.with_name(f'{version.name}.request.json').read_text())
    assert body['signature_name'] == 'serving_default'
    (instance,) = body['instances']
    assert tf.io.decode_image(base64.b64decode(instance['b64'])).shape == (70, 90, 3)


def test_a_real_server_answers_over_rest(version, expected, pictures, tmp_path):
    """Where TF_SERVING_URL names one that serves this network, or its program is there."""
    url, process = os.environ.get('TF_SERVING_URL'), None
    if not url:
        if shutil.which('tensorflow_model_server') is None:
            pytest.skip('needs tensorflow_model_server on the PATH')
        url = 'http://localhost:8501'
        command = ['tensorflow_model_server', '--rest_api_port=8501', '--model_name=alexnet']
        process = subprocess.Popen([*command, f'--model_base_path={version.parent}'])
    try:
        body = {'instances': [{'b64': base64.b64encode(each).decode()} for each in pictures]}
        answer = _posted(f'{url}/v1/models/alexnet:predict', json.dumps(body).encode())
        scores = [each['scores'] for each in answer['predictions']]
        if process:  # another's network is another
            np.testing.assert_allclose(scores, expected['scores'], atol=1e-5)
        assert len(scores) == len(pictures)
    finally:
        if process:
            process.terminate()


def _posted(url, body, tries=30):
    for _ in range(tries):
        try:
            with urllib.request.urlopen(url, body, timeout=60) as answer:
                return json.load(answer)
        except OSError:
            time.sleep(1)
    raise AssertionError(f'{url} does not answer')
