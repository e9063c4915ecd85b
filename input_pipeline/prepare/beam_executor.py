"""Runs tasks on Apache Beam: DirectRunner here, Flink, Spark or Dataflow by their own options."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from input_pipeline import errors
from input_pipeline.prepare import local_executor


class BeamEngine:
    """As `engine.Engine`, for functions that find what is finished when they are called again.

    All machines must see the files of tasks under the same paths.

    Args:
        options: Of the pipeline, as '--runner=FlinkRunner'.

    Raises:
        PackageMissing: Apache Beam is not installed.
    """

    def __init__(self, options: Sequence[str]):
        try:
            import apache_beam  # noqa: F401 - to say at once that it is not there
        except ImportError as error:
            raise errors.PackageMissing(
                '--engine=beam needs Apache Beam: pip install "alexnet_tf[beam]".'
            ) from error
        self._options = list(options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run(
        self,
        function: Callable[[Any, Callable[[], None]], Any],
        tasks: Sequence[Any],
        report: Callable[[int], None] = lambda done: None,
    ) -> Iterator[Any]:
        """The results of `function(task, count)`, in the order of tasks.

        They are not sent: after the pipeline, the function is called here, and finds them.

        Raises:
            DataError: Beam refuses its options, or a task failed.
        """
        import apache_beam as beam
        from apache_beam.options import pipeline_options

        try:
            options = pipeline_options.PipelineOptions(self._options)
            with beam.Pipeline(options=options) as pipeline:
                (
                    pipeline
                    | 'tasks' >> beam.Create(list(tasks), reshuffle=True)
                    | 'work' >> beam.Map(functools.partial(_done, function))
                )
        except (ValueError, RuntimeError) as error:
            raise errors.DataError(
                f'--engine=beam, --beam_options={" ".join(self._options)}: {errors.reason(error)}. '
                'What is finished stays.'
            ) from error
        return local_executor.Engine(workers=1).run(function, tasks, report)


def _done(function, task) -> None:
    function(task, _uncounted)


def _uncounted() -> None:
    pass
