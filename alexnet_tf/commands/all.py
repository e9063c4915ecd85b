"""Prepares, trains, evaluates, exports and reports, one after the other."""

import pathlib

from alexnet_tf.commands import evaluate, export, prepare, report, train
from alexnet_tf.commands.train import budget, fine_tuning
from alexnet_tf.config import fields, schema, serialization
from alexnet_tf.runs import build, image_index, run_directory, selection, training_data
from input_pipeline import files
from input_pipeline.records import manifests

_TEN_VIEWS_IMAGES = 3  # held-out images for a second of `--minutes`, at most


def run(config: schema.Config) -> tuple[schema.Config, str]:
    """Runs the five modes, reusing prepared records and trained epochs.

    Nothing is prepared if `--data_dir` holds unprepared images.

    Returns:
        The settings and the `--mode` of the command that comes next.
    """
    # Checked first: preparing takes minutes, and training hours.
    if config.training.minutes and not run_directory.holds_run(pathlib.Path(config.run_dir)):
        budget.check_open_end(config)
        recipe = build.resolve_recipe(fine_tuning.choose_settings(config))
        budget.check_schedule(recipe, '--minutes')
    export.check_settings(config)
    training_data.check_outside(config, 'run_dir', config.run_dir)
    # A resumed run no longer needs the source, which may be gone or changed.
    is_asked_for = config.data.source_dir and 'source_dir' in config.given
    if is_asked_for or not _holds_data(config):
        prepare.run(config)
    # Which checkpoint is used, and how many views of an image.
    config = choose_views(fine_tuning.choose_settings(config))
    selection.check_split(training_data.load_manifest(config), config.evaluation.split, '--split')
    for command in (train, evaluate, export, report):
        command.run(config)
    return config, 'predict'


def _holds_data(config: schema.Config) -> bool:
    """Returns whether `--data_dir` holds images, or records that no flag asks to prepare again."""
    data = config.data
    if image_index.detect_images(data):
        return True
    preparing = {
        field.name
        for field in fields.list_settings(schema.Data)
        if 'train' not in fields.get_listed_modes(schema.Data, field)
    }
    is_prepared = (files.as_path(data.data_dir) / manifests.MANIFEST).exists()
    return is_prepared and not preparing & config.given


def choose_views(config: schema.Config) -> schema.Config:
    """Chooses the views in evaluation: one and ten, or one and two if ten would take too long.

    Args:
        config: Settings of the command. Without `--minutes` or with `--views`, nothing is chosen.

    Raises:
        DataError: There are no records.
    """
    if not config.training.minutes or config.evaluation.views:
        return config
    validated = image_index.load_manifest(config).count_examples(manifests.VALIDATION)
    is_few = validated <= _TEN_VIEWS_IMAGES * 60 * config.training.minutes
    return serialization.replace(config, {'views': ('1', '10' if is_few else '2')})
