"""ILSVRC-2012 by every route: the same labels; and what is refused."""

import csv
import pathlib
import tarfile

import pytest

from input_pipeline import errors
from input_pipeline.sources import ilsvrc2012

TRAIN, VALIDATION = 'ILSVRC2012_img_train.tar', 'ILSVRC2012_img_val.tar'
KIT, TRUTH = 'ILSVRC2012_devkit_t12.tar.gz', 'ILSVRC2012_validation_ground_truth.txt'


def tree(root, made, validation='val', *, flat, prefix=''):
    for name, data in made.train.items():
        path = root / prefix / 'train' / made.wnids[name] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for name, data in made.held_out.items():
        folder = root / prefix / validation / ('' if flat else made.wnids[name])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return root


def class_folders(root, made, imitate):
    return tree(root, made, flat=False)


def class_folders_and_kit(root, made, imitate):
    (class_folders(root, made, imitate) / KIT).write_bytes(imitate.kit(2012, truth=made.truth()))
    return root


def flat_and_kit(root, made, imitate):
    tree(root, made, flat=True)
    (root / KIT).write_bytes(imitate.kit(2012, truth=made.truth()))
    (root / TRUTH).write_text('\n'.join(map(str, made.truth())))
    return root


def flat_and_wnids(root, made, imitate):
    tree(root, made, 'validation', flat=True)
    lines = '\n'.join(made.wnids[name] for name in sorted(made.held_out))
    (root / 'synset_labels.txt').write_text(lines)
    return root


def kaggle(root, made, imitate):
    tree(root, made, flat=True, prefix='ILSVRC/Data/CLS-LOC')
    lines = [f'{wnid} {words}' for wnid, words in sorted(imitate.WORDS.items())]
    (root / 'LOC_synset_mapping.txt').write_text('\n'.join(lines))
    with open(root / 'LOC_val_solution.csv', 'w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(['ImageId', 'PredictionString'])
        for name in sorted(made.held_out, reverse=True):
            box = '255 142 454 329'
            row = [pathlib.Path(name).stem, f'{made.wnids[name]} {box} {made.wnids[name]} {box}']
            writer.writerow(row)
    return root


def check(found, made, labels):
    assert found.classes == tuple(sorted(labels))
    for split, held in [('train', made.train), ('validation', made.held_out)]:
        entries = {each.name.rpartition('/')[2]: each for each in found.splits[split]}
        assert len(entries) == len(found.splits[split])
        assert set(entries) == set(held)
        for name, each in entries.items():
            assert each.label == labels[made.wnids[name]]
            assert each.read() == held[name]
    assert not found.exif_orientation
    assert found.expected == {'train': 1281167, 'validation': 50000}


def test_tars(tars2012, made2012, imitate):
    found = ilsvrc2012.find(str(tars2012))
    check(found, made2012, imitate.LABELS)
    assert found.words == tuple(imitate.WORDS[wnid] for wnid in found.classes)
    assert found.ids == tuple(imitate.IDS[wnid] for wnid in found.classes)


ROUTES = [class_folders, class_folders_and_kit, flat_and_kit, flat_and_wnids, kaggle]


@pytest.mark.parametrize('route', ROUTES)
def test_trees_give_what_the_tars_give(route, tmp_path, tars2012, made2012, imitate):
    found = ilsvrc2012.find(str(route(tmp_path / 'tree', made2012, imitate)))
    check(found, made2012, imitate.LABELS)
    by_tars = ilsvrc2012.find(str(tars2012))
    for split, entries in by_tars.splits.items():
        assert {(each.name, each.label) for each in entries} == {
            (each.name, each.label) for each in found.splits[split]
        }
    if route in (class_folders_and_kit, flat_and_kit, kaggle):
        assert found.words == by_tars.words
    assert ilsvrc2012.recognises(tmp_path / 'tree')


def no_kit(root, made, imitate):
    (root / KIT).unlink()


def kit_of_2010(root, made, imitate):
    (root / KIT).write_bytes(imitate.kit(2010, truth=made.truth()))


def short_truth(root, made, imitate):
    (root / KIT).write_bytes(imitate.kit(2012, truth=made.truth()[:-1]))


def id_of_no_class(root, made, imitate):
    (root / KIT).write_bytes(imitate.kit(2012, truth=[*made.truth()[:-1], 1001]))


def class_missing(root, made, imitate):
    kept = {name: data for name, data in made.train.items() if not name.startswith('n01440764')}
    (root / TRAIN).write_bytes(imitate.nested(kept))


def class_unknown(root, made, imitate):
    more = made.train | {'n99999999_1.JPEG': imitate.picture(7)}
    (root / TRAIN).write_bytes(imitate.nested(more))


def cut_short(root, made, imitate):
    data = (root / TRAIN).read_bytes()
    (root / TRAIN).write_bytes(data[: len(data) // 2])


def inner_damaged(root, made, imitate):
    inner = {f'{wnid}.tar': b'no tar at all' * 100 for wnid in imitate.IDS}
    (root / TRAIN).write_bytes(imitate.tar_of(inner))


def compressed(root, made, imitate):
    (root / VALIDATION).write_bytes(imitate.tar_of(made.held_out, 'w:gz'))


def link(root, made, imitate):
    with tarfile.open(root / VALIDATION, 'a') as archive:
        name = 'ILSVRC2012_val_00000009.JPEG'
        imitate.add(archive, name, b'', type=tarfile.SYMTYPE, linkname='/etc/passwd')


def outside(root, made, imitate):
    with tarfile.open(root / VALIDATION, 'a') as archive:
        imitate.add(archive, '../ILSVRC2012_val_00000009.JPEG', imitate.picture(1))


@pytest.mark.parametrize(
    ('spoil', 'said'),
    [
        (no_kit, 'no ILSVRC2012_devkit_t12'),
        (kit_of_2010, 'kit of another year'),
        (short_truth, '7 labels for 8 pictures'),
        (id_of_no_class, "line 8: '1001' names none"),
        (class_missing, r'1 of 4 classes are missing \(n01440764\)'),
        (class_unknown, r'1 are unknown \(n99999999\)'),
        (cut_short, 'damaged or cut short'),
        (inner_damaged, 'cannot be read as a tar'),
        (compressed, 'cannot be read as a tar'),
        (link, 'no plain file'),
        (outside, 'wants to lie at'),
    ],
)
def test_what_is_not_whole_is_refused(spoil, said, tars2012, made2012, imitate):
    spoil(tars2012, made2012, imitate)
    with pytest.raises(errors.DataError, match=said):
        ilsvrc2012.find(str(tars2012))


def test_a_flat_tree_without_labels_is_refused(tmp_path, made2012):
    with pytest.raises(errors.DataError, match='its labels are nowhere'):
        ilsvrc2012.find(str(tree(tmp_path, made2012, flat=True)))


def test_ids_without_the_kit_are_refused(tmp_path, made2012):
    root = tree(tmp_path, made2012, flat=True)
    (root / TRUTH).write_text('\n'.join(map(str, made2012.truth())))
    with pytest.raises(errors.DataError, match='numbers classes as the development kit does'):
        ilsvrc2012.find(str(root))


def test_a_tree_that_lacks_a_class_of_the_kit_is_refused(tmp_path, made2012, imitate):
    root = class_folders_and_kit(tmp_path, made2012, imitate)
    for path in (root / 'val' / 'n01440764').iterdir():
        path.unlink()
    (root / 'val' / 'n01440764').rmdir()
    with pytest.raises(errors.DataError, match='classes are missing'):
        ilsvrc2012.find(str(root))


def kit_cut_short(root, made, imitate):
    data = (root / KIT).read_bytes()
    (root / KIT).write_bytes(data[: len(data) - 20])


def kit_with_a_flipped_bit(root, made, imitate):
    data = bytearray((root / KIT).read_bytes())
    data[len(data) // 2] ^= 16
    (root / KIT).write_bytes(data)


def twice(root, made, imitate):
    with tarfile.open(root / VALIDATION, 'a') as archive:
        imitate.add(archive, 'again/ILSVRC2012_val_00000001.JPEG', imitate.picture(1))


def no_end(root, made, imitate):
    """Cut where a member ends, as tarfile does not notice."""
    with tarfile.open(root / VALIDATION) as archive:
        last = archive.getmembers()[-1].offset
    (root / VALIDATION).write_bytes((root / VALIDATION).read_bytes()[:last])


def absurd(root, made, imitate):
    with tarfile.open(root / VALIDATION, 'a') as archive:
        headers = {'size': '9' * 30}
        imitate.add(archive, 'ILSVRC2012_val_00000009.JPEG', b'', pax_headers=headers)


@pytest.mark.parametrize('spoil', [kit_cut_short, kit_with_a_flipped_bit, twice, no_end, absurd])
def test_damage_is_refused(spoil, tars2012, made2012, imitate):
    spoil(tars2012, made2012, imitate)
    with pytest.raises(errors.DataError):
        ilsvrc2012.find(str(tars2012))


@pytest.mark.parametrize('text', ['ImageId\na', 'ImageId,PredictionString\na,\n', 'a,b,c', '\xe9'])
def test_bad_solutions_are_refused(tmp_path, made2012, imitate, text):
    root = kaggle(tmp_path, made2012, imitate)
    (root / 'LOC_val_solution.csv').write_bytes(text.encode('latin1'))
    with pytest.raises(errors.DataError, match=r'LOC_val_solution\.csv'):
        ilsvrc2012.find(str(root))


def test_a_choice_of_both_splits_is_another_set(tmp_path, made2012, imitate):
    """Imagenette's class folders mix pictures of both."""
    class_folders(tmp_path, made2012, imitate)
    assert ilsvrc2012.recognises(tmp_path)
    folder = min((tmp_path / 'val').iterdir())
    (folder / f'{folder.name}_7.JPEG').write_bytes(b'picture')
    assert not ilsvrc2012.recognises(tmp_path)
    with pytest.raises(errors.DataError, match=r'_7\.JPEG is not named as.*--source=folder'):
        ilsvrc2012.find(str(tmp_path))


def test_a_tree_with_an_empty_class_is_refused(tmp_path, made2012, imitate):
    root = class_folders(tmp_path, made2012, imitate)
    for path in (root / 'train' / 'n01440764').iterdir():
        path.rename(path.with_suffix('.txt'))
    with pytest.raises(errors.DataError, match='n01440764 holds no picture'):
        ilsvrc2012.find(str(root))
