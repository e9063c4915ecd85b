"""The commands `--mode=prepare`, `--mode=train` and `--mode=import` as functions."""

import contextlib
import os
import pathlib
import shutil
import tempfile
import weakref
from typing import Any

from alexnet_tf.api import classifier
from alexnet_tf.api import settings as settings_lib
from alexnet_tf.commands import import_weights as import_command
from alexnet_tf.commands import prepare as prepare_command
from alexnet_tf.commands import train as train_command
from alexnet_tf.config import environment, fields
from alexnet_tf.runs import run_directory


@settings_lib.name_arguments()
def prepare(
    source_dir: str | os.PathLike[str] | None,
    data_dir: str | os.PathLike[str],
    **settings: Any,
) -> str:
    """Converts images to records for `train`, as `--mode=prepare` does.

    If the records exist already, they are checked and kept.

    Args:
        source_dir: A folder with one subfolder per class, or with such subfolders in train/ and
            val/; a CSV file; a folder of ImageNet's archives; see the setting `source`. None for
            the sample images of scikit-image.
        data_dir: Directory for the records.
        **settings: Settings of `--mode=prepare`, named after its flags: `source`,
            `validation_fraction`, ...

    Returns:
        The directory of the records, for `train`.

    Raises:
        UsageError: A setting cannot be used; the message says what is expected.
        DataError: The images cannot be used, or `data_dir` holds something else.
        OSError: The disk is full or not writable.

    Example:
    >>> import contextlib, tempfile
    >>> import tensorflow as tf
    >>> folder = tempfile.mkdtemp()
    >>> for number in range(4):
    ...     image = tf.fill([40, 60, 3], tf.cast(number, tf.uint8))
    ...     path = f'{folder}/images/{"cat" if number % 2 else "dog"}/{number}.png'
    ...     tf.io.write_file(path, tf.io.encode_png(image))
    >>> with contextlib.redirect_stdout(None):
    ...     data_dir = prepare(f'{folder}/images', f'{folder}/data', validation_fraction=0.5)
    >>> [file for file in sorted(os.listdir(data_dir)) if file.endswith('.tfrecord')]
    ['train-00000-of-00001.tfrecord', 'validation-00000-of-00001.tfrecord']
    """
    merged = {'source_dir': source_dir, 'data_dir': data_dir} | settings
    config = settings_lib.build_config('prepare', merged, name='prepare')
    prepare_command.run(config)
    return config.data.data_dir


@settings_lib.name_arguments()
def train(
    data_dir: str | os.PathLike[str] | None = None,
    run_dir: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> classifier.Classifier:
    """Trains a network on prepared records, as `--mode=train` does.

    The same call resumes a run that was interrupted; so does `train(run_dir=..., resume=True)`,
    with the settings of the run. Training works in any thread; in the main thread the first Ctrl-C,
    or a notebook's interrupt, saves a checkpoint before training stops.

    Args:
        data_dir: Directory of the records that `prepare` wrote; or unprepared images, see
            `dataset_from_records`. None, with `resume`, for the data of the run.
        run_dir: Directory for the run: config, checkpoints, metrics, logs for TensorBoard.
        **settings: Settings of `--mode=train`, named after its flags: `recipe` (a name or a
            `Recipe`), `epochs` and `batch_size` (by default the recipe's, for 'source2012' 93 and
            128), `learning_rate`, `init_weights`, `precision`, ... With `recipe='modern'` and
            `minutes`, training chooses the network that this machine trains best in that time.

    Returns:
        The trained network at the newest checkpoint; or, with `checkpoint='best'` (implied by
        `minutes` with `init_weights`), at the one with the lowest validation error.

    Raises:
        UsageError: A setting cannot be used, or the run was started with other settings.
        DataError: The records cannot be used.
        Stopped: Ctrl-C, or SIGTERM; the run can be resumed.
        KeyboardInterrupt: A second Ctrl-C.
        NonFiniteError, DivergedError: The loss is NaN or infinite.

    Example:
    >>> import contextlib, tempfile
    >>> import tensorflow as tf
    >>> folder = tempfile.mkdtemp()
    >>> images = tf.random.stateless_uniform([16, 40, 40, 3], [0, 0], 0, 256, tf.int32)
    >>> images = tf.cast(images, tf.uint8).numpy()
    >>> for number, image in enumerate(images):
    ...     path = f'{folder}/images/{"cat" if number % 2 else "dog"}/{number}.png'
    ...     tf.io.write_file(path, tf.io.encode_png(image))
    >>> tiny = {'width': 0.05, 'crop_size': 67, 'epochs': 1, 'batch_size': 4}
    >>> with contextlib.redirect_stdout(None):
    ...     data_dir = prepare(f'{folder}/images', f'{folder}/data', validation_fraction=0.5)
    ...     classifier = train(data_dir, f'{folder}/run', **tiny)
    >>> classifier.class_names
    ('cat', 'dog')
    >>> prediction = classifier.predict(images[0])[0]
    >>> sorted(name for name, probability in prediction.top)
    ['cat', 'dog']
    >>> classifier.features(images, 'pool5').shape
    (16, 1, 1, 12)
    >>> classifier.evaluate(data_dir)['top5_error']
    0.0
    """
    environment.restart_clock()  # the limit `minutes` starts here
    if run_dir is None or (data_dir is None and not settings.get('resume')):
        raise fields.UsageError('train() needs data_dir and run_dir, or run_dir and resume=True.')
    merged = {'data_dir': data_dir, 'run_dir': run_dir} | settings
    config = settings_lib.build_config('train', merged, name='train')
    train_command.run(config)
    trained = run_directory.read_config(pathlib.Path(config.run_dir))  # with what training chose
    return classifier.load_run(config.run_dir, trained.evaluation.checkpoint)


@settings_lib.name_arguments()
def load_weights(
    weights: str | os.PathLike[str],
    run_dir: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> classifier.Classifier:
    """Makes a classifier from a weight file of any program, as `--mode=import` does.

    It prints which network it recognised in the file, and why. The classifier has the preprocessing
    that the weights were trained with, and the names of their classes.

    Args:
        weights: A .caffemodel, .h5, .keras, .mat, .npy, .npz, .onnx, .pt, .pth, .safetensors or
            .tar file.
        run_dir: Directory for the run, which must not exist. None for a temporary one, which
            is deleted with the classifier.
        **settings: Settings of `--mode=import`, named after its flags: `recipe` if the file does
            not identify its network, `class_names`, `mean_image`, `resize`, `precision`, ...

    Returns:
        The network.

    Raises:
        UsageError: A setting cannot be used, or `run_dir` exists.
        DataError: The file is broken, or does not identify its network or its classes.

    Example:
    >>> classifier = load_weights('alexnet.pth')  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    input_pipeline.errors.DataError: alexnet.pth: no such file...
    """
    with contextlib.ExitStack() as unless_loaded:
        if run_dir is None:
            folder = tempfile.mkdtemp(prefix='alexnet_tf-')
            unless_loaded.callback(shutil.rmtree, folder, ignore_errors=True)
            run_dir = os.path.join(folder, 'run')
        merged = {'weights': weights, 'run_dir': run_dir} | settings
        config = settings_lib.build_config('import', merged, name='load_weights')
        import_command.run(config)
        loaded = classifier.load_run(config.run_dir)
        weakref.finalize(loaded, unless_loaded.pop_all().close)
    return loaded
