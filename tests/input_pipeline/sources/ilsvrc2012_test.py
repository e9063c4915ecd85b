"""Checks that every form of ILSVRC-2012 gives the same entries, and what is refused."""

import csv
import pathlib

import pytest

from input_pipeline import errors
from input_pipeline.sources import ilsvrc2012

TRAIN, VALIDATION = 'ILSVRC2012_img_train.tar', 'ILSVRC2012_img_val.tar'
KIT, TRUTH = 'ILSVRC2012_devkit_t12.tar.gz', 'ILSVRC2012_validation_ground_truth.txt'


def write_tree(root, images, validation='val', *, flat, prefix=''):
    for name, data in images.train.items():
        path = root / prefix / 'train' / images.wnids[name] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for name, data in images.held_out.items():
        folder = root / prefix / validation / ('' if flat else images.wnids[name])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return root


def class_folders(root, images, imitate):
    return write_tree(root, images, flat=False)


def class_folders_and_kit(root, images, imitate):
    (class_folders(root, images, imitate) / KIT).write_bytes(
        imitate.make_kit(2012, truth=images.ground_truth())
    )
    return root


def flat_and_kit(root, images, imitate):
    write_tree(root, images, flat=True)
    (root / KIT).write_bytes(imitate.make_kit(2012, truth=images.ground_truth()))
    (root / TRUTH).write_text('\n'.join(map(str, images.ground_truth())))
    return root


def flat_and_wnids(root, images, imitate):
    write_tree(root, images, 'validation', flat=True)
    lines = '\n'.join(images.wnids[name] for name in sorted(images.held_out))
    (root / 'synset_labels.txt').write_text(lines)
    return root


def kaggle(root, images, imitate):
    write_tree(root, images, flat=True, prefix='ILSVRC/Data/CLS-LOC')
    lines = [f'{wnid} {words}' for wnid, words in sorted(imitate.WORDS.items())]
    (root / 'LOC_synset_mapping.txt').write_text('\n'.join(lines))
    with open(root / 'LOC_val_solution.csv', 'w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(['ImageId', 'PredictionString'])
        for name in sorted(images.held_out, reverse=True):
            box = '255 142 454 329'
            row = [
                pathlib.Path(name).stem,
                f'{images.wnids[name]} {box} {images.wnids[name]} {box}',
            ]
            writer.writerow(row)
    return root


def check_entries(source, images, labels):
    assert source.classes == tuple(sorted(labels))
    for split, contents in [('train', images.train), ('validation', images.held_out)]:
        entries = {entry.name.rpartition('/')[2]: entry for entry in source.splits[split]}
        assert len(entries) == len(source.splits[split])
        assert set(entries) == set(contents)
        for name, entry in entries.items():
            assert entry.label == labels[images.wnids[name]]
            assert entry.read() == contents[name]
    assert not source.rendering.uses_metadata
    assert source.expected == {'train': 1281167, 'validation': 50000}


def test_every_image_of_the_tars_has_its_label_and_content(tars2012, images2012, imitate):
    source = ilsvrc2012.find_images(str(tars2012))
    check_entries(source, images2012, imitate.LABELS)
    assert source.words == tuple(imitate.WORDS[wnid] for wnid in source.classes)
    assert source.ids == tuple(imitate.IDS[wnid] for wnid in source.classes)


FORMS = [class_folders, class_folders_and_kit, flat_and_kit, flat_and_wnids, kaggle]


@pytest.mark.parametrize('write', FORMS)
def test_trees_give_the_entries_of_the_tars(write, tmp_path, tars2012, images2012, imitate):
    source = ilsvrc2012.find_images(str(write(tmp_path / 'tree', images2012, imitate)))
    check_entries(source, images2012, imitate.LABELS)
    of_tars = ilsvrc2012.find_images(str(tars2012))
    for split, entries in of_tars.splits.items():
        assert {(entry.name, entry.label) for entry in entries} == {
            (entry.name, entry.label) for entry in source.splits[split]
        }
    if write in (class_folders_and_kit, flat_and_kit, kaggle):
        assert source.words == of_tars.words
    assert ilsvrc2012.recognize(tmp_path / 'tree')


def no_kit(root, images, imitate):
    (root / KIT).unlink()


def kit_of_2010(root, images, imitate):
    (root / KIT).write_bytes(imitate.make_kit(2010, truth=images.ground_truth()))


def short_truth(root, images, imitate):
    (root / KIT).write_bytes(imitate.make_kit(2012, truth=images.ground_truth()[:-1]))


def id_of_no_class(root, images, imitate):
    (root / KIT).write_bytes(imitate.make_kit(2012, truth=[*images.ground_truth()[:-1], 1001]))


def class_missing(root, images, imitate):
    kept = {name: data for name, data in images.train.items() if not name.startswith('n01440764')}
    (root / TRAIN).write_bytes(imitate.make_nested_tar(kept))


def class_unknown(root, images, imitate):
    more = images.train | {'n99999999_1.JPEG': imitate.make_image(7)}
    (root / TRAIN).write_bytes(imitate.make_nested_tar(more))


def cut_short(root, images, imitate):
    data = (root / TRAIN).read_bytes()
    (root / TRAIN).write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (no_kit, 'no ILSVRC2012_devkit_t12'),
        (kit_of_2010, 'kit of another year'),
        (short_truth, '7 labels for 8 images'),
        (id_of_no_class, "line 8: '1001' names none"),
        (class_missing, r'1 of 4 classes are missing \(n01440764\)'),
        (class_unknown, r'1 are unknown \(n99999999\)'),
        (cut_short, 'damaged or cut short'),
    ],
)
def test_incomplete_or_mixed_downloads_are_refused(damage, message, tars2012, images2012, imitate):
    damage(tars2012, images2012, imitate)
    with pytest.raises(errors.DataError, match=message):
        ilsvrc2012.find_images(str(tars2012))


def test_a_flat_tree_without_labels_is_refused(tmp_path, images2012):
    with pytest.raises(errors.DataError, match='its labels are nowhere'):
        ilsvrc2012.find_images(str(write_tree(tmp_path, images2012, flat=True)))


def test_ids_without_the_kit_are_refused(tmp_path, images2012):
    root = write_tree(tmp_path, images2012, flat=True)
    (root / TRUTH).write_text('\n'.join(map(str, images2012.ground_truth())))
    with pytest.raises(errors.DataError, match='numbers classes as the development kit does'):
        ilsvrc2012.find_images(str(root))


def test_a_tree_that_lacks_a_class_of_the_kit_is_refused(tmp_path, images2012, imitate):
    root = class_folders_and_kit(tmp_path, images2012, imitate)
    for path in (root / 'val' / 'n01440764').iterdir():
        path.unlink()
    (root / 'val' / 'n01440764').rmdir()
    with pytest.raises(errors.DataError, match='classes are missing'):
        ilsvrc2012.find_images(str(root))


@pytest.mark.parametrize('text', ['ImageId\na', 'ImageId,PredictionString\na,\n', 'a,b,c', '\xe9'])
def test_bad_label_files_of_kaggle_are_refused(tmp_path, images2012, imitate, text):
    root = kaggle(tmp_path, images2012, imitate)
    (root / 'LOC_val_solution.csv').write_bytes(text.encode('latin1'))
    with pytest.raises(errors.DataError, match=r'LOC_val_solution\.csv'):
        ilsvrc2012.find_images(str(root))


def test_class_folders_that_mix_the_splits_are_another_data_set(tmp_path, images2012, imitate):
    """Imagenette's class folders do."""
    class_folders(tmp_path, images2012, imitate)
    assert ilsvrc2012.recognize(tmp_path)
    folder = min((tmp_path / 'val').iterdir())
    (folder / f'{folder.name}_7.JPEG').write_bytes(b'image')
    assert not ilsvrc2012.recognize(tmp_path)
    with pytest.raises(errors.DataError, match=r'_7\.JPEG is not named as.*--source=folder'):
        ilsvrc2012.find_images(str(tmp_path))


def test_a_tree_with_an_empty_class_is_refused(tmp_path, images2012, imitate):
    root = class_folders(tmp_path, images2012, imitate)
    for path in (root / 'train' / 'n01440764').iterdir():
        path.rename(path.with_suffix('.txt'))
    with pytest.raises(errors.DataError, match='n01440764 holds no image'):
        ilsvrc2012.find_images(str(root))
