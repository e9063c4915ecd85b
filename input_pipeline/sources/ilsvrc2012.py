"""ILSVRC-2012: its tars and development kit as downloaded, or any of the trees made of them."""

import csv
import pathlib
import re
from collections.abc import Iterable

from input_pipeline import errors, files
from input_pipeline.records import manifests
from input_pipeline.sources import entries, ilsvrc, synsets

NAME = 'ilsvrc2012'
EXPECTED = {manifests.TRAIN: 1_281_167, manifests.VALIDATION: 50_000}
TRAIN_TAR, VALIDATION_TAR = 'ILSVRC2012_img_train.tar', 'ILSVRC2012_img_val.tar'
KITS = ('ILSVRC2012_devkit_t12.tar.gz', 'ILSVRC2012_devkit_t12.tar')
GROUND_TRUTH = 'ILSVRC2012_validation_ground_truth.txt'
KAGGLE_WORDS, KAGGLE_LABELS = 'LOC_synset_mapping.txt', 'LOC_val_solution.csv'
WNID_LABELS = 'synset_labels.txt'
_KAGGLE_ROOT = pathlib.Path('ILSVRC/Data/CLS-LOC')
_VALIDATION_NAMES = ('val', 'validation')

_VALIDATION = re.compile(r'ILSVRC2012_val_\d{8}\.(?i:jpe?g)')
_SUFFIXES = ('.jpeg', '.jpg')


def recognises(root: pathlib.Path) -> str:
    """Why a folder is taken for this set; '' where it is not."""
    if (root / TRAIN_TAR).is_file():
        return f'{TRAIN_TAR} is in it'
    train = _tree(root) / 'train'
    if train.is_dir() and any(synsets.WNID.fullmatch(each.name) for each in train.iterdir()):
        validation = _validation_folder(_tree(root))
        names = [each.name for each in _some(validation)] if validation else []
        mixed = any(map(ilsvrc.TRAINING.fullmatch, names))  # a choice of both, as Imagenette
        if any(map(_VALIDATION.fullmatch, names)) and not mixed:
            return 'train/ has WNID folders, and validation pictures are named ILSVRC2012_val_*'
    return ''


def find(source_dir: str) -> entries.Found:
    """The set in a folder: two tars and the kit; the Kaggle tree; or train/ and val/.

    In trees, val/ has WNID folders, or is flat beside a file of labels: the ground truth of the
    kit, `LOC_val_solution.csv` or `synset_labels.txt`.

    Raises:
        DataError: Something is missing, cut short, or of another set.
    """
    root = files.at(source_dir)
    return _from_tars(root) if (root / TRAIN_TAR).is_file() else _from_tree(root)


def _from_tars(root) -> entries.Found:
    kit = next((root / name for name in KITS if (root / name).is_file()), None)
    for path, what in ((kit, KITS[0]), (root / VALIDATION_TAR, VALIDATION_TAR)):
        if path is None or not path.is_file():
            raise errors.DataError(
                f'{root} has {TRAIN_TAR} but no {what}. Download it into the same folder.'
            )
    classes = ilsvrc.classes_of(kit, 2012)
    training = ilsvrc.training(root / TRAIN_TAR, classes)
    truth = ilsvrc.truth_in(kit, GROUND_TRUTH)
    validation = ilsvrc.flat(root / VALIDATION_TAR, _VALIDATION, 'val', classes, truth)
    return _found(f'{root}: the tars of ILSVRC-2012', classes, training, validation)


def _from_tree(root) -> entries.Found:
    tree = _tree(root)
    validation_folder = _validation_folder(tree)
    if not (tree / 'train').is_dir() or validation_folder is None:
        raise errors.DataError(
            f'{root} holds neither {TRAIN_TAR} nor train/ and val/ folders of ILSVRC-2012.'
        )
    folders = sorted(path.name for path in (tree / 'train').iterdir() if path.is_dir())
    classes = _classes_of_tree(root, folders)
    synsets.check_same(folders, classes, str(tree / 'train'))
    labels = classes.labels()
    training = [
        entries.Entry(f'train/{wnid}/{path.name}', labels[wnid], entries.File.at(str(path)))
        for wnid in classes.wnids
        for path in _pictures(tree / 'train' / wnid, ilsvrc.TRAINING)
    ]
    filled = {each.label for each in training}
    empty = [wnid for wnid, label in labels.items() if label not in filled]
    if empty:
        raise errors.DataError(
            f'{tree / "train" / empty[0]} holds no picture named as {empty[0]}_1.JPEG.'
        )
    validation, how = _validation_of_tree(root, validation_folder, classes)
    return _found(f'{root}: a tree of ILSVRC-2012, {how}', classes, training, validation)


def _validation_of_tree(root, folder, classes) -> tuple[list[entries.Entry], str]:
    inside = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if inside:
        synsets.check_same(inside, classes, str(folder))
        labels = classes.labels()
        pairs = [
            (path, labels[wnid])
            for wnid in inside
            for path in _pictures(folder / wnid, _VALIDATION)
        ]
        how = f'{folder.name}/ in class folders'
    else:
        paths = sorted(path for path in folder.iterdir() if _VALIDATION.fullmatch(path.name))
        truth, file = _truth_of_tree(root, folder, classes, paths)
        pairs = zip(paths, truth, strict=True)
        how = f'{folder.name}/ flat with {file}'
    # Named as in the tar, so that every route gives the same records.
    return sorted(
        (
            entries.Entry(f'val/{path.name}', label, entries.File.at(str(path)))
            for path, label in pairs
        ),
        key=lambda each: each.name,
    ), how


def _pictures(folder, named: re.Pattern) -> list[pathlib.Path]:
    """The pictures of a class, sorted; one of another name shows that this is another set."""
    names = [path for path in folder.iterdir() if not path.name.startswith('.')]
    paths = sorted(path for path in names if path.suffix.lower() in _SUFFIXES)
    strange = next((path for path in paths if not named.fullmatch(path.name)), None)
    if strange:
        raise errors.DataError(
            f'{strange} is not named as the pictures of ILSVRC-2012 are. Give --source=folder to '
            'take the class folders as they are.'
        )
    return paths


def _truth_of_tree(root, folder, classes, paths) -> tuple[list[int], str]:
    """Labels in the order of paths, and the file that they are from."""
    places = (root, folder.parent, folder)
    solution = _first(places, KAGGLE_LABELS)
    if solution:
        wnids = _of_kaggle(solution)
        missing = next((path.stem for path in paths if path.stem not in wnids), None)
        if missing:
            raise errors.DataError(f'{solution} has no label for {missing}.')
        text = '\n'.join(wnids[path.stem] for path in paths)
        return synsets.ground_truth(text, classes, len(paths), str(solution)), KAGGLE_LABELS
    for name in (WNID_LABELS, GROUND_TRUTH):
        if file := _first(places, name):
            if name == GROUND_TRUTH and not any(classes.ids):
                raise errors.DataError(
                    f'{file} numbers classes as the development kit does: put {KITS[0]} beside it.'
                )
            text = synsets.text_of(file.read_bytes(), str(file))
            return synsets.ground_truth(text, classes, len(paths), str(file)), name
    raise errors.DataError(
        f'{folder} is flat, and its labels are nowhere in {root}. Put {GROUND_TRUTH} of the '
        f'development kit there (with the kit itself), or {KAGGLE_LABELS}, or {WNID_LABELS}.'
    )


def _of_kaggle(path) -> dict[str, str]:
    """WNID by picture: the first word of its prediction; the others are boxes."""
    text = synsets.text_of(path.read_bytes(), str(path))
    try:
        rows = list(csv.DictReader(text.splitlines()))
        return {row['ImageId']: row['PredictionString'].split()[0] for row in rows}
    except (csv.Error, KeyError, IndexError, AttributeError) as error:
        raise errors.DataError(
            f'{path}: each row needs ImageId and PredictionString ({error!r}).'
        ) from error


def _classes_of_tree(root, folders: Iterable[str]) -> synsets.Classes:
    """Those of the kit, where it is there; else the folders', with words where they are known."""
    for name in KITS:
        if kit := _first((root, _tree(root)), name):
            return ilsvrc.classes_of(kit, 2012)
    if not folders:
        raise errors.DataError(f'{root}: train/ has no class folders.')
    wrong = [name for name in folders if not synsets.WNID.fullmatch(name)]
    if wrong:
        raise errors.DataError(f'{root}: {wrong[0]!r} in train/ is no WNID.')
    mapping = root / KAGGLE_WORDS
    if not mapping.is_file():
        return synsets.of_names(folders)
    text = synsets.text_of(mapping.read_bytes(), str(mapping))
    words = synsets.words_of(text, str(mapping))
    return synsets.of_names(words, words)


def _found(description, classes, training, validation) -> entries.Found:
    return entries.Found(
        NAME,
        description,
        classes.wnids,
        {manifests.TRAIN: training, manifests.VALIDATION: validation},
        words=classes.words,
        ids=classes.ids,
        expected=EXPECTED,
    )


def _tree(root):
    return root / _KAGGLE_ROOT if (root / _KAGGLE_ROOT).is_dir() else root


def _validation_folder(tree):
    return next((tree / name for name in _VALIDATION_NAMES if (tree / name).is_dir()), None)


def _first(places, name: str):
    return next((place / name for place in places if (place / name).is_file()), None)


def _some(folder):
    """Files of a flat folder, or of its first class folder."""
    inside = [path for path in folder.iterdir() if path.is_dir()]
    return (min(inside) if inside else folder).iterdir()
