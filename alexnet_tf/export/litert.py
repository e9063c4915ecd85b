"""Runs LiteRT models, and times them."""

import importlib
import os
import statistics
import time

import numpy as np

from input_pipeline import startup


class LiteRTModel:
    """A LiteRT file, run by LiteRT's interpreter.

    Args:
        path: The file; its model has one input and one output.
        threads: Number of threads.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 1):
        litert = importlib.import_module('ai_edge_litert.interpreter')
        with startup.suppress_stderr():  # LiteRT logs which delegate it creates
            self._interpreter = litert.Interpreter(os.fspath(path), num_threads=threads)
            self._interpreter.allocate_tensors()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Computes the outputs for a batch of inputs of the model's dtype."""
        interpreter = self._interpreter
        (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
        if tuple(source['shape']) != images.shape:
            with startup.suppress_stderr():
                interpreter.resize_tensor_input(source['index'], images.shape)
                interpreter.allocate_tensors()
        interpreter.set_tensor(source['index'], images)
        interpreter.invoke()
        return interpreter.get_tensor(result['index'])

    def measure_latency(self, images: np.ndarray, runs: int = 20) -> float:
        """Measures the median time of a batch in milliseconds, after a warm-up.

        Args:
            images: The batch.
            runs: Number of measurements.
        """
        self(images)
        durations = []
        for _ in range(runs):
            start = time.perf_counter()
            self(images)
            durations.append(time.perf_counter() - start)
        return 1e3 * statistics.median(durations)
