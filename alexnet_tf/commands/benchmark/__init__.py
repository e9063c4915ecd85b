"""Measures the speed of training, inference, input, evaluation and serving on this machine."""

import json

import tensorflow as tf

from alexnet_tf.commands.benchmark import end_to_end, evaluation, input, network, serving
from alexnet_tf.config import schema
from alexnet_tf.models import placement

_BENCHMARKS = {
    'train_step': network,
    'inference': network,
    'input': input,
    'end_to_end': end_to_end,
    'evaluate': evaluation,
    'serving': serving,
}


def run(config: schema.Config) -> None:
    """Runs the benchmark that `--benchmark` names, and prints a table or one JSON object."""
    placement.create_logical_cpus(config.network.devices)
    tf.config.experimental.enable_tensor_float_32_execution(config.benchmark.tf32)
    benchmark = _BENCHMARKS[config.benchmark.benchmark]
    result = benchmark.measure(config)
    print(json.dumps(result) if config.predict.output == 'json' else benchmark.format_table(result))
