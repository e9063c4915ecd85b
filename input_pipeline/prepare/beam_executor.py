"""Runs tasks on Apache Beam: DirectRunner here, or Dask, Flink, Spark and Dataflow by options."""

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from input_pipeline import errors
from input_pipeline.prepare import local_executor

# Beam 2.77 does not know it by its short name.
_DASK_RUNNER = 'apache_beam.runners.dask.dask_runner.DaskRunner'


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
        self._options = _complete(options)

    def run(
        self,
        function: Callable[[Any, Callable[[], None]], Any],
        tasks: Sequence[Any],
        report: Callable[[int], None] = lambda done: None,
    ) -> Iterator[Any]:
        """Yields the results of `function(task, count)`, in the order of the tasks.

        Results are not sent back: after the pipeline, the function is called again here, and must
        find what it has already finished.

        Args:
            function: See `LocalExecutor.run`.
            tasks: Picklable.
            report: Called after the pipeline, see `LocalExecutor.run`.

        Raises:
            DataError: Beam refuses its options, the runner cannot be reached, or a task failed.
            PackageMissing: The runner's package is not installed.
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
        except ImportError as error:
            raise errors.PackageMissing(
                f'{self._describe()}: {error}. For Dask: pip install "alexnet_tf[dask]".'
            ) from error
        except errors.DataError:  # of a task
            raise
        except Exception as error:  # each runner has its own
            raise errors.DataError(
                f'{self._describe()}: {errors.describe(error).rstrip(".")}. Run the same command '
                'again after correcting it: finished shards are kept.'
            ) from error
        yield from local_executor.LocalExecutor().run(function, tasks, report)

    def _describe(self) -> str:
        return f'--engine=beam, --beam_options={" ".join(self._options)}'


def _complete(options: Sequence[str]) -> list[str]:
    """Names Dask's runner in full, and has it hand out tasks one by one, not 128 together."""
    options = [
        re.sub(r'^(--runner=)?DaskRunner$', rf'\g<1>{_DASK_RUNNER}', text) for text in options
    ]
    is_divided = any(re.match('--dask_(npartitions|partition_size)', text) for text in options)
    if is_divided or not any(text.endswith(_DASK_RUNNER) for text in options):
        return options
    return [*options, '--dask_partition_size=1']


def _run_task(function, task) -> None:
    function(task, _ignore_count)


def _ignore_count() -> None:
    pass
