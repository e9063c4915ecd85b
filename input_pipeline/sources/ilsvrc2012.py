"""ILSVRC-2012: its tars and development kit as downloaded, or any tree made of them."""

import csv
import pathlib
import re
from collections.abc import Sequence

from input_pipeline import errors, files
from input_pipeline.records import manifests
from input_pipeline.sources import entries, ilsvrc, listing, synsets

NAME = 'ilsvrc2012'
EXPECTED = {manifests.TRAIN: 1_281_167, manifests.VALIDATION: 50_000}
TRAIN_TAR, VALIDATION_TAR = 'ILSVRC2012_img_train.tar', 'ILSVRC2012_img_val.tar'
KITS = ('ILSVRC2012_devkit_t12.tar.gz', 'ILSVRC2012_devkit_t12.tar')
GROUND_TRUTH = 'ILSVRC2012_validation_ground_truth.txt'
KAGGLE_WORDS, KAGGLE_LABELS = 'LOC_synset_mapping.txt', 'LOC_val_solution.csv'
WNID_LABELS = 'synset_labels.txt'
_KAGGLE_ROOT = pathlib.Path('ILSVRC/Data/CLS-LOC')
_VALIDATION_NAMES = ('val', 'validation')

_VALIDATION_IMAGE = re.compile(r'ILSVRC2012_val_\d{8}\.(?i:jpe?g)')
_SUFFIXES = ('.jpeg', '.jpg')


def recognize(root: pathlib.Path) -> str:
    """Says why a folder is taken for ILSVRC-2012; '' if it is not."""
    if (root / TRAIN_TAR).is_file():
        return f'{TRAIN_TAR} is in it'
    tree = _find_tree(root)
    train = tree / 'train'
    if train.is_dir() and any(synsets.WNID.fullmatch(path.name) for path in train.iterdir()):
        validation = _find_validation(tree)
        names = _list_some_names(validation) if validation else []
        is_mixed = any(map(ilsvrc.TRAINING_IMAGE.fullmatch, names))  # as in Imagenette
        if any(map(_VALIDATION_IMAGE.fullmatch, names)) and not is_mixed:
            return 'train/ has WNID folders, and validation images are named ILSVRC2012_val_*'
    return ''


def find_images(source_dir: str) -> entries.Source:
    """Finds the images of ILSVRC-2012 in tars or in a tree; every form gives the same entries.

    Args:
        source_dir: Folder of the two tars and the development kit, of the Kaggle tree, or of
            `train/` and `val/`. In a tree, `val/` has WNID folders, or is flat beside a file of
            labels: the ground truth of the kit, `LOC_val_solution.csv` or `synset_labels.txt`.

    Raises:
        DataError: A file is missing, cut short, or of another data set.
        PackageMissing: SciPy is not installed.
    """
    root = files.as_path(source_dir)
    has_tars = (root / TRAIN_TAR).is_file()
    classes, training, validation, form = _read_tars(root) if has_tars else _read_tree(root)
    return entries.Source(
        NAME,
        f'{root}: {form}',
        classes.wnids,
        {manifests.TRAIN: training, manifests.VALIDATION: validation},
        words=classes.words,
        ids=classes.ids,
        expected=EXPECTED,
    )


_Contents = tuple[synsets.Classes, list[entries.Entry], list[entries.Entry], str]


def _read_tars(root: pathlib.Path) -> _Contents:
    kit = _find_file([root], KITS)
    for path, name in ((kit, KITS[0]), (_find_file([root], [VALIDATION_TAR]), VALIDATION_TAR)):
        if path is None:
            raise errors.DataError(f'{root} has {TRAIN_TAR} but no {name}. Download it, too.')
    classes = ilsvrc.read_classes(kit, 2012)
    training = ilsvrc.list_training_images(root / TRAIN_TAR, classes)
    truth = ilsvrc.read_ground_truth(kit, GROUND_TRUTH)
    validation = ilsvrc.list_flat_images(
        root / VALIDATION_TAR, _VALIDATION_IMAGE, classes=classes, truth=truth
    )
    return classes, training, validation, 'the tars of ILSVRC-2012'


def _read_tree(root: pathlib.Path) -> _Contents:
    tree = _find_tree(root)
    train, validation_folder = tree / 'train', _find_validation(tree)
    if not train.is_dir() or validation_folder is None:
        raise errors.DataError(
            f'{root} holds neither {TRAIN_TAR} nor train/ and val/ folders of ILSVRC-2012. Pass '
            'the folder that does as --source_dir.'
        )
    wnids = _list_folders(train)
    classes = _read_classes(root, wnids)
    synsets.check_wnids(wnids, classes, str(train))
    training = _list_training_images(train, classes)
    validation, form = _list_validation_images(root, validation_folder, classes)
    return classes, training, validation, f'a tree of ILSVRC-2012, {form}'


def _list_training_images(train, classes: synsets.Classes) -> list[entries.Entry]:
    images = []
    for label, wnid in enumerate(classes.wnids):
        paths = _list_images(train / wnid, ilsvrc.TRAINING_IMAGE)
        if not paths:
            raise errors.DataError(
                f'{train / wnid} holds no image such as {wnid}_1.JPEG. Extract its tar again.'
            )
        images += [_make_entry('train/' + wnid, path, label) for path in paths]
    return images


def _list_validation_images(root, folder, classes) -> tuple[list[entries.Entry], str]:
    wnids = _list_folders(folder)
    if wnids:
        synsets.check_wnids(wnids, classes, str(folder))
        labelled = [
            (path, label)
            for label, wnid in enumerate(classes.wnids)
            for path in _list_images(folder / wnid, _VALIDATION_IMAGE)
        ]
        form = f'{folder.name}/ in class folders'
    else:
        paths = sorted(path for path in folder.iterdir() if _VALIDATION_IMAGE.fullmatch(path.name))
        labels, file = _read_labels(root, folder, classes, paths)
        labelled = zip(paths, labels, strict=True)
        form = f'{folder.name}/ flat with {file}'
    # Named and sorted as in the tar, so that every form gives the same records.
    images = [_make_entry('val', path, label) for path, label in labelled]
    return sorted(images, key=lambda entry: entry.name), form


def _make_entry(folder: str, path: pathlib.Path, label: int) -> entries.Entry:
    image = entries.ImageFile.from_path(str(path))
    return entries.Entry(f'{folder}/{path.name}', label, image)


def _list_images(folder: pathlib.Path, expected: re.Pattern) -> list[pathlib.Path]:
    """Lists the images of a class, sorted; one of another name shows another data set."""
    visible = [path for path in folder.iterdir() if not path.name.startswith('.')]
    paths = sorted(path for path in visible if path.suffix.lower() in _SUFFIXES)
    for path in paths:
        if not expected.fullmatch(path.name):
            raise errors.DataError(
                f'{path} is not named as the images of ILSVRC-2012 are. Pass --source=folder to '
                'take the class folders as they are.'
            )
    return paths


def _read_labels(root, folder, classes, paths) -> tuple[list[int], str]:
    """Returns labels in the order of paths, and the name of the file that they are from."""
    file = _find_file((root, folder.parent, folder), (KAGGLE_LABELS, WNID_LABELS, GROUND_TRUTH))
    if file is None:
        raise errors.DataError(
            f'{folder} is flat, and its labels are nowhere in {root}. Put {GROUND_TRUTH} of the '
            f'development kit there (with the kit itself), or {KAGGLE_LABELS}, or {WNID_LABELS}.'
        )
    if file.name == GROUND_TRUTH and not any(classes.ids):
        raise errors.DataError(
            f'{file} numbers classes as the development kit does. Put {KITS[0]} beside it.'
        )
    text = synsets.decode_text(file.read_bytes(), str(file))
    if file.name == KAGGLE_LABELS:
        text = '\n'.join(_parse_kaggle_labels(text, file, paths))
    return synsets.parse_ground_truth(text, classes, len(paths), str(file)), file.name


def _parse_kaggle_labels(text: str, file, paths: Sequence[pathlib.Path]) -> list[str]:
    """Parses the WNIDs of images: the first words of their predictions, which also hold boxes."""
    try:
        rows = csv.DictReader(text.splitlines())
        wnids = {row['ImageId']: row['PredictionString'].split()[0] for row in rows}
    except (csv.Error, KeyError, IndexError, AttributeError) as error:
        raise errors.DataError(
            f'{file}: rows need ImageId and PredictionString ({error!r}). Download it again.'
        ) from error
    missing = next((path.stem for path in paths if path.stem not in wnids), None)
    if missing:
        raise errors.DataError(f'{file} has no label for {missing}. Download it again.')
    return [wnids[path.stem] for path in paths]


def _read_classes(root: pathlib.Path, folders: Sequence[str]) -> synsets.Classes:
    """Reads the classes of the kit if it is there, and else takes the class folders of train/."""
    if kit := _find_file((root, _find_tree(root)), KITS):
        return ilsvrc.read_classes(kit, 2012)
    if not folders:
        raise errors.DataError(f'{root}: train/ has no class folders. Extract the tars into it.')
    wrong = next((name for name in folders if not synsets.WNID.fullmatch(name)), None)
    if wrong:
        raise errors.DataError(
            f'{root}: {wrong!r} in train/ is no WordNet id. Remove it, or pass --source=folder.'
        )
    mapping = root / KAGGLE_WORDS
    if not mapping.is_file():
        return synsets.Classes.from_wnids(folders, {})
    text = synsets.decode_text(mapping.read_bytes(), str(mapping))
    words = synsets.parse_words(text, str(mapping))
    return synsets.Classes.from_wnids(words, words)


def _find_tree(root: pathlib.Path) -> pathlib.Path:
    return root / _KAGGLE_ROOT if (root / _KAGGLE_ROOT).is_dir() else root


def _find_validation(tree: pathlib.Path) -> pathlib.Path | None:
    return next((tree / name for name in _VALIDATION_NAMES if (tree / name).is_dir()), None)


def _find_file(folders: Sequence[pathlib.Path], names: Sequence[str]) -> pathlib.Path | None:
    paths = [folder / name for name in names for folder in folders]
    return next((path for path in paths if path.is_file()), None)


def _list_folders(folder: pathlib.Path) -> list[str]:
    paths = folder.iterdir() if folder.is_dir() else ()
    return sorted(path.name for path in paths if path.is_dir() and not listing.is_hidden(path.name))


def _list_some_names(folder: pathlib.Path) -> list[str]:
    """Lists the names in a flat folder, or in its first class folder."""
    class_folders = _list_folders(folder)
    first = folder / class_folders[0] if class_folders else folder
    return [path.name for path in first.iterdir() if not listing.is_hidden(path.name)]
