"""The settings of data and input, as `sections` has the others'. Standard library only."""

import dataclasses

from alexnet_tf import settings


@dataclasses.dataclass(frozen=True)
class Data(settings.Checked):
    """Pictures and records."""

    data_dir: str = settings.setting('data/default', 'Directory of the prepared records.')
    source: str = settings.setting(
        'auto',
        'Where prepare takes pictures from: docs/data.md. auto looks at --source_dir and says '
        'what it found; without one, the photographs in the scikit-image wheel.',
        choices=(
            'auto',
            'photographs',
            'folder',
            'csv',
            'ilsvrc2010',
            'ilsvrc2012',
            'fall2011',
            'imagenet10k',
            'cifar10',
            'tfds',
            'records',
        ),
    )
    source_dir: str = settings.setting(
        '',
        'Folder of pictures in class folders, of archives as downloaded, or of records of other '
        'programs; or a CSV file of path,label.',
    )
    dataset: str = settings.setting('', 'For --source=tfds: a set of tensorflow-datasets.')
    train_split: str = settings.setting(
        '', "For --source=tfds: what to train on, as 'train[:80%]'; '': train."
    )
    validation_split: str = settings.setting(
        '', "For --source=tfds: what to hold out; '': validation, or test, or a share of train."
    )
    exif_orientation: str = settings.setting(
        'auto',
        'Whether to turn pictures as their EXIF orientation says; auto: folders and lists yes, '
        "ImageNet no, as in all published numbers. Kept with the data and with what's trained.",
        choices=('auto', 'on', 'off'),
    )
    fail_on_leak: bool = settings.setting(
        False, 'Refuse a data set of which pictures are in training and in another split.'
    )
    dry_run: bool = settings.setting(False, 'Have prepare say what it would do, and write nothing.')
    validation_fraction: float = settings.setting(
        0.2, 'Share held out where the source has no split of its own.', low=0.001, high=0.9
    )
    record_encoding: str = settings.setting(
        'jpeg', 'How records hold their 256x256 pictures.', choices=('jpeg', 'raw')
    )
    shard_examples: int = settings.setting(1024, 'Most records in one file.', low=1)
    max_bad_fraction: float = settings.setting(
        0.01,
        'Share of pictures that may be unreadable before prepare, or training, gives up.',
        low=0,
        high=1,
    )
    workers: int = settings.setting(
        0,
        'Processes that prepare works on; 0: one a core, and fewer for few pictures. The records '
        'are the same.',
        low=0,
        high=1024,
    )
    engine: str = settings.setting(
        'local',
        'What prepare works on: processes here, or Apache Beam; docs/data.md.',
        choices=('local', 'beam'),
    )
    beam_options: str = settings.setting(
        '', "For --engine=beam: its runner's own options, as '--runner=DirectRunner'."
    )
    verify_only: bool = settings.setting(
        False, 'Have prepare check every byte of --data_dir and change nothing.'
    )


@dataclasses.dataclass(frozen=True)
class Input(settings.Checked):
    """How records become batches."""

    augment_on: str = settings.setting(
        'cpu',
        'Where pictures are mirrored, shifted and centred: the CPU, as in the paper, or the '
        "training step's device, which gets a quarter of the bytes. The numbers are the same.",
        choices=('cpu', 'accelerator'),
    )
    on_bad_record: str = settings.setting(
        'stop',
        'When a training record cannot be read: stop and name it, or skip and count it, up to '
        '--max_bad_fraction of an epoch. Skipping decodes a third slower.',
        choices=('stop', 'skip'),
    )
    cache: str = settings.setting(
        'none',
        'Copy the records to this memory or local disk first, for slow storage.',
        choices=('none', 'memory', 'disk'),
    )
    data_service: str = settings.setting(
        '',
        'Decode on the hosts of a tf.data service, grpc://HOST:PORT. Each example once an epoch, '
        'in no promised order; a run that was stopped begins its epoch again.',
    )
    service_role: str = settings.setting(
        'worker', 'What --mode=data_service is.', choices=('dispatcher', 'worker')
    )
    service_port: int = settings.setting(
        0, 'Port it listens on; 0: any free one.', low=0, high=65535
    )
    service_host: str = settings.setting('localhost', "A worker's name, as trainers reach it.")
    service_dispatcher: str = settings.setting(
        'localhost:5050', "The dispatcher's HOST:PORT, for a worker."
    )
