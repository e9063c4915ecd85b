"""Measures this package, ONNX Runtime and OpenVINO: milliseconds for 1 and for 64 images.

    python benchmarks/serving_peers.py --openvino_python PATH_TO_A_PYTHON_WITH_OPENVINO

The full network at random weights takes pixels. Each contender has a process of its own, so that
idle threads of one do not disturb another; they take turns, and the others wait meanwhile.
"""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import measuring

SIZE, CLASSES = 256, 1000
CALLS = {1: 20, 64: 2}  # images a call -> calls a turn
ONNX = 'network.onnx'


def build_network(precision: str):
    """Builds the network, and the preprocessing of its squares."""
    import numpy as np

    from alexnet_tf.models import alexnet, recipes
    from alexnet_tf.runs import build

    model = alexnet.build(recipes.PAPER, num_classes=CLASSES, precision=precision)
    mean_image = np.full((SIZE, SIZE, 3), 120.0, np.float32)
    return model, build.build_preprocessing(mean_image, recipes.PAPER)


def load_in_process(precision: str) -> Callable:
    """Returns what `--mode=predict` calls."""
    import tensorflow as tf

    from alexnet_tf.models import inference, outputs

    model, preprocess = build_network(precision)
    model = inference.build(model)
    squares = tf.TensorSpec([None, SIZE, SIZE, 3], tf.uint8)

    @tf.function(input_signature=[squares], autograph=False, jit_compile=False)
    def score(squares):
        logits = model(preprocess.make_views(squares, 1), training=False)
        return outputs.average_probabilities(logits, 1)

    score = score.get_concrete_function()
    return lambda images: score(tf.constant(images)).numpy()


def load_saved_model(precision: str) -> Callable:
    """Returns the signature of a SavedModel that takes pixels."""
    import tensorflow as tf

    from alexnet_tf.export import saved_model, signatures

    model, preprocess = build_network(precision)
    names = [f'class {label}' for label in range(CLASSES)]
    served = signatures.ServedModel.from_keras(model, names, preprocess)
    with tempfile.TemporaryDirectory() as folder:
        saved_model.save(pathlib.Path(folder), served, signatures.build(served))
        loaded = saved_model.load(pathlib.Path(folder))
    score = loaded.signatures['pixels']
    return lambda images: score(images=tf.constant(images))['scores'].numpy()


def load_onnx_runtime(_: str) -> Callable:
    """Returns a session of ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(ONNX)
    return lambda images: session.run(None, {'images': images})[0]


def load_openvino(precision: str) -> Callable:
    """Returns a request of OpenVINO, compiled for latency."""
    import openvino

    hints = {
        'INFERENCE_PRECISION_HINT': {'float32': 'f32', 'bfloat16': 'bf16'}[precision],
        'PERFORMANCE_HINT': 'LATENCY',
    }
    compiled = openvino.Core().compile_model(ONNX, 'CPU', hints)
    request = compiled.create_infer_request()
    return lambda images: request.infer({0: images})[0]


PEERS = {
    'in process': load_in_process,
    'SavedModel': load_saved_model,
    'ONNX Runtime': load_onnx_runtime,
    'OpenVINO': load_openvino,
}


def serve_turns(peer: str, precision: str) -> None:
    """Prints the milliseconds of each call for each input line 'images calls'."""
    import numpy as np

    call = PEERS[peer](precision)
    print('ready', flush=True)
    for line in sys.stdin:
        batch_size, calls = map(int, line.split())
        images = np.random.default_rng(0).integers(0, 256, (batch_size, SIZE, SIZE, 3), np.uint8)
        call(images)
        durations = []
        for _ in range(calls):
            start = time.perf_counter()
            call(images)
            durations.append(1000 * (time.perf_counter() - start))
        print(json.dumps(durations), flush=True)


def write_onnx(folder: str) -> None:
    """Writes the network for the peers, once for all."""
    import numpy as np
    import tensorflow as tf

    from alexnet_tf.export import formats
    from alexnet_tf.models import outputs

    model, preprocess = build_network('float32')
    squares = np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3), np.uint8)
    logits = tf.function(lambda images: model(preprocess.make_views(images, 1)))(squares)
    scores = outputs.average_probabilities(logits, 1).numpy()
    path = pathlib.Path(folder) / ONNX
    formats.write_model(path, model, preprocess, reference=(squares, scores), tolerance=1e-4)


def start(python: str, folder: str, *arguments: str) -> subprocess.Popen:
    """Starts this script in a process of its own."""
    return subprocess.Popen(
        [python, str(pathlib.Path(__file__).resolve()), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=folder,
        env=measuring.ENVIRONMENT | {'PYTHONPATH': str(measuring.ROOT)},
    )


def measure(processes: dict[str, subprocess.Popen], rounds: int, batch_size: int) -> dict:
    """Measures milliseconds by contender, in turns."""
    durations = {name: [] for name in processes}
    for _ in range(rounds):
        for name, process in processes.items():
            process.stdin.write(f'{batch_size} {CALLS[batch_size]}\n')
            process.stdin.flush()
            durations[name] += json.loads(process.stdout.readline())
    return durations


def format_rows(batch_size: int, durations: dict[str, list[float]]) -> str:
    """Formats minimum, median and maximum of each contender."""
    rows = []
    for name, values in durations.items():
        picked = min(values), statistics.median(values), max(values)
        rows.append(f'| {batch_size} | {name} | ' + ' | '.join(f'{ms:.1f}' for ms in picked) + ' |')
    return '\n'.join(rows)


def main() -> None:
    """Measures all contenders in turns and prints the table."""
    parser = measuring.create_parser(__doc__)
    parser.add_argument('--openvino_python', default='', help='a Python with openvino')
    parser.add_argument('--rounds', type=int, default=5, help='turns of each contender')
    parser.add_argument('--peer', choices=PEERS, help='internal: measure this contender')
    parser.add_argument('--write_onnx', action='store_true', help='internal: write the ONNX file')
    parser.add_argument('--precision', default='float32', help='of the peer')
    args = parser.parse_args()
    if args.peer:
        return serve_turns(args.peer, args.precision)
    if args.write_onnx:
        return write_onnx('.')
    pythons = dict.fromkeys(PEERS, sys.executable) | {'OpenVINO': args.openvino_python}
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own, since the converter keeps 13 GB.
        if start(sys.executable, folder, '--write_onnx').wait():
            raise SystemExit('The ONNX file could not be written; it needs alexnet_tf[formats].')
        processes = {}
        for peer, python in pythons.items():
            for precision in ('float32', 'bfloat16'):
                if python and (peer, precision) != ('ONNX Runtime', 'bfloat16'):
                    process = start(python, folder, '--peer', peer, '--precision', precision)
                    if process.stdout.readline():  # ready
                        processes[f'{peer}, {precision}'] = process
                    else:
                        print(f'{peer}, {precision}: left out, did not start', file=sys.stderr)
        print('| images | | ms, least | median | most |\n|---|---|---|---|---|')
        for batch_size in CALLS:
            print(format_rows(batch_size, measure(processes, args.rounds, batch_size)), flush=True)
        for process in processes.values():
            process.stdin.close()
            process.wait()


if __name__ == '__main__':
    main()
