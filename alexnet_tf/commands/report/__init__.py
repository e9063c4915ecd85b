"""`--mode=report`: a summary, an HTML page and a model card of a run; or the paper's tables."""

import pathlib
import shlex
from collections.abc import Mapping
from typing import Any

from alexnet_tf.commands.report import (
    documents,
    findings,
    next_steps,
    paper_comparison,
    step,
    validation,
)
from alexnet_tf.config import schema
from alexnet_tf.export import saved_model
from alexnet_tf.models import outputs, recipes
from alexnet_tf.plots import availability
from alexnet_tf.reports import model_card, tables
from alexnet_tf.runs import results, run_directory
from input_pipeline import errors, escaping, files

_LOWEST_RECALLS = 3  # that are printed


def run(config: schema.Config) -> None:
    """Prints the summary of a run; writes `report.html`, `MODEL_CARD.md` and `curves.png`.

    Raises:
        DataError: The run has not finished an epoch, and is not of imported weights.
    """
    if config.report.paper_tables:
        return paper_comparison.run(config)
    directory = pathlib.Path(config.run_dir)
    epochs = run_directory.read_epochs(directory)
    if not epochs and not run_directory.read_data(directory).get(run_directory.IMPORTED_KEY):
        raise errors.DataError(
            f'--run_dir={directory} holds no finished epoch. Run --mode=train first, or name '
            'another --run_dir.'
        )
    analysis = validation.analyse(config)
    rows = results.read_newest(directory)
    print(_summarize(config, epochs, rows, analysis))
    steps, analysis = _collect_steps(config, analysis, epochs)
    if analysis.skipped:
        print(f'report: no error analysis: {analysis.skipped}')
    plots = availability.load_plots()
    if plots and epochs:
        plots.save_figure(plots.plot_curves(epochs), directory / 'curves.png')
    elif not plots:
        print('report: no plots: they need matplotlib. pip install "alexnet_tf[plots]"')
    card = documents.build_card(directory, analysis, rows, config.evaluation.checkpoint)
    path = directory / 'report.html'
    former = path.read_text(encoding='utf-8') if analysis.skipped and path.is_file() else ''
    if documents.shows_errors(former):
        print(
            f'report: kept {path}, which shows errors, and MODEL_CARD.md. Delete the page to write '
            'both without errors.'
        )
        return
    text = model_card.to_markdown(card).encode(errors='backslashreplace')  # of paths not in UTF-8
    files.write_atomically(directory / 'MODEL_CARD.md', text)
    page = documents.build_page(card, analysis, epochs=epochs, steps=steps, plots=plots)
    files.write_atomically(path, page.encode())
    print(f'report: wrote {path} and {directory / "MODEL_CARD.md"}')


def _collect_steps(
    config: schema.Config, analysis: validation.ValidationAnalysis, epochs
) -> tuple[list[step.Step], validation.ValidationAnalysis]:
    """Prints and returns what to do next; drops the analysis if a record is damaged."""
    if not analysis.errors:
        return [], analysis
    try:
        steps = next_steps.collect(findings.gather(config, analysis, epochs))
    except errors.DataError as error:  # its prediction was kept
        return [], validation.ValidationAnalysis(analysis.trained, skipped=str(error))
    print(step.to_text(steps))
    return steps, analysis


def _summarize(config: schema.Config, epochs, rows, analysis: validation.ValidationAnalysis) -> str:
    directory = pathlib.Path(config.run_dir)
    data = run_directory.read_data(directory)
    lines = _describe_training(directory, epochs, data, analysis.trained.recipe)
    for row in rows:
        same_records = run_directory.may_be_of(data, row['manifest_sha256'])
        if row['split'] == validation.SPLIT and same_records and not row['weights']:
            lines.append(f'  validation accuracy  {_describe_result(row, analysis, epochs)}')
    if analysis.errors:
        counts = analysis.errors.confusion.sum(1)
        share = tables.format_percent(counts.max() / counts.sum())
        lines.append(f'  chance               {share} (always the commonest class)')
        lines.append(f'  recall by class      {_describe_recalls(analysis)}')
    exports = run_directory.get_export_dir(config)
    if versions := saved_model.list_versions(exports):
        lines.append(f'  SavedModel           {exports / str(versions[-1])}')
    if epochs:
        lines.append(f'  TensorBoard          tensorboard --logdir {shlex.quote(str(directory))}')
    return '\n'.join(lines)


def _describe_training(
    directory: pathlib.Path, epochs, data: Mapping[str, Any], recipe: recipes.Recipe
) -> list[str]:
    if not epochs:
        return [f'report: {directory}, {data["source"]}']
    last = epochs[-1]
    parts = {
        'random crops': recipe.random_crops,
        'CutMix': recipe.cutmix,
        'dropout': recipe.dropout,
    }
    how = ' and '.join(part for part, is_used in parts.items() if is_used)
    with_what = f', with {how}' if how else ''
    return [
        f'report: {directory} after epoch {last["epoch"]}, step {last["step"]}',
        f'  training accuracy    {tables.format_accuracy(float(last["train_top1_error"]))} '
        f'(last epoch{with_what})',
    ]


def _describe_recalls(analysis: validation.ValidationAnalysis) -> str:
    lowest = (
        f'{escaping.to_printable(name)} {tables.format_percent(recall)} ({right:,} of {images:,})'
        for name, images, right, recall, _ in analysis.errors.rank_recalls()[:_LOWEST_RECALLS]
    )
    mean = tables.format_percent(analysis.errors.compute_mean_recall())
    return f'{mean} on average; lowest: {", ".join(lowest)}'


def _describe_result(row, analysis: validation.ValidationAnalysis, epochs) -> str:
    accuracy, views = tables.format_accuracy(float(row['top1_error'])), int(row['views'])
    text = f'{accuracy}, {tables.format_views(views)}, {row["examples"]} images'
    if epochs and row['step'] != epochs[-1]['step']:
        text += f', at step {row["step"]}'
    if len(analysis.trained.classes) > outputs.TOP_K:
        text += f', top-5 error {tables.format_percent(float(row["top5_error"]))}'
    return text
