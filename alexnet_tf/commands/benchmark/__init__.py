"""Measures the speed of training, inference, input, evaluation and serving on this machine."""

import json

import tensorflow as tf

from alexnet_tf.commands.benchmark import input, network, serving
from alexnet_tf.config import schema
from alexnet_tf.models import placement

_BENCHMARKS = {  # how each is measured, and formatted for people
    'train_step': (network.measure, network.format_table),
    'inference': (network.measure, network.format_table),
    'input': (input.measure, input.format_table),
    'end_to_end': (input.measure_training, input.format_training_table),
    'evaluate': (network.measure_evaluation, network.format_evaluation_table),
    'serving': (serving.measure, serving.format_table),
}


def run(config: schema.Config) -> None:
    """Runs the benchmark that `--benchmark` names, and prints a table or one JSON object."""
    placement.create_logical_cpus(config.network.devices)
    tf.config.experimental.enable_tensor_float_32_execution(config.benchmark.tf32)
    measure, format_table = _BENCHMARKS[config.benchmark.benchmark]
    result = measure(config)
    print(json.dumps(result) if config.predict.output == 'json' else format_table(result))
