"""Runs tasks on Apache Beam: DirectRunner here, or Flink, Spark and Dataflow by their options."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from input_pipeline import errors
from input_pipeline.prepare import local_executor


class BeamExecutor:
    """Runs tasks on Apache Beam; all machines must see the same files under the same paths.

    Args:
        options: Options of the pipeline, such as '--runner=FlinkRunner'.

    Raises:
        PackageMissing: Apache Beam is not installed.
    """

    def __init__(self, options: Sequence[str]):
        try:
            import apache_beam  # noqa: F401 - fails early if it is not installed
        except ImportError as error:
            raise errors.PackageMissing(
                '--engine=beam requires Apache Beam: pip install "alexnet_tf[beam]".'
            ) from error
        self._options = list(options)

    def run(
        self,
        function: Callable[[Any, Callable[[], None]], Any],
        tasks: Sequence[Any],
        report: Callable[[int], None] = lambda done: None,
    ) -> Iterator[Any]:
        """Yields the results of `function(task, count)`, in the order of the tasks.

        Results are not sent: after the pipeline, the function is called here and must find what it
        has finished.

        Args:
            function: As of `LocalExecutor.run`.
            tasks: Picklable.
            report: Called after the pipeline, as of `LocalExecutor.run`.

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
                    | 'work' >> beam.Map(functools.partial(_run_task, function))
                )
        except (ValueError, RuntimeError) as error:
            raise errors.DataError(
                f'--engine=beam, --beam_options={" ".join(self._options)}: '
                f'{errors.describe(error)}. Run the same command again after correcting it: '
                'finished shards are kept.'
            ) from error
        yield from local_executor.LocalExecutor().run(function, tasks, report)


def _run_task(function, task) -> None:
    function(task, _ignore_count)


def _ignore_count() -> None:
    pass
