"""What became of files, kept beside the records."""

import json
import os

import numpy as np
import PIL.Image
import pytest

from input_pipeline import errors
from input_pipeline.prepare import outcomes


def test_everything_that_did_not_go_straight_into_the_records_is_counted(
    prepare_folder, folder, tmp_path
):
    (folder / 'cat' / 'README.txt').write_text('read me')
    (folder / 'cat' / '@eaDir').mkdir()
    for name, size in (('wide', (60_000, 1000)), ('tall', (1000, 70_000))):
        header = np.array(size, '>u4').tobytes()
        (folder / 'cat' / f'{name}.png').write_bytes(b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR' + header)
    (folder / 'dog' / os.fsdecode(b'\xff.jpg')).write_bytes(b'')
    (folder / 'dog' / '12.jpg').write_bytes((folder / 'dog' / '00.jpg').read_bytes())
    (folder / 'dog' / '13.jpg').write_bytes((folder / 'cat' / '00.jpg').read_bytes())
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    image = PIL.Image.open(folder / 'cat' / '03.jpg')
    image.save(folder / 'cat' / '03.jpg', exif=exif)
    manifest = prepare_folder(folder, tmp_path / 'out', max_bad_fraction=0.2)
    outcome = outcomes.read(tmp_path / 'out')
    turned = [kind for kind in outcome.files if kind.startswith('turned')]
    assert [outcome.files.pop(kind) for kind in turned] == [(1, 'cat/03.jpg')]
    assert outcome.files == {
        'copied: equal to an image of another label': (1, 'dog/13.jpg'),
        'copied: equal to an image of the same label': (1, 'dog/12.jpg'),
        'ignored: .txt files': (1, 'cat/README.txt'),
        'ignored: system folders': (1, 'cat/@eaDir'),
        'refused: 1000 x 70000 pixels; from 1 to 50,000,000 are read': (2, 'cat/tall.png'),
        'refused: the file is empty': (1, os.fsdecode(b'dog/\xff.jpg')),
    }
    assert {name: sum(counts.values()) for name, counts in outcome.classes.items()} == {
        'cat': 12,
        'dog': 14,
    }
    for split in ('train', 'validation'):
        total = sum(counts[split] for counts in outcome.classes.values())
        assert total == manifest.count_examples(split)
    assert 'first cat/00.jpg (cat) and dog/13.jpg (dog)' in outcome.warnings[0]
    rows = (tmp_path / 'out' / 'conflicts.csv').read_text().splitlines()
    assert rows == ['name,class_name,other,other_class', 'cat/00.jpg,cat,dog/13.jpg,dog']
    written = tmp_path / 'out' / 'preparation.json'
    json.loads(written.read_bytes())
    written.write_bytes(written.read_bytes()[:-9])
    with pytest.raises(errors.DataError, match=r'preparation\.json is damaged .* or delete it'):
        outcomes.read(tmp_path / 'out')


def test_a_class_without_a_readable_training_image_is_refused(prepare_folder, folder, tmp_path):
    (folder / 'eel').mkdir()
    for number in range(2):
        (folder / 'eel' / f'{number}.jpg').write_bytes(b'no image')
    with pytest.raises(errors.DataError, match='class with no readable training images: eel'):
        prepare_folder(folder, tmp_path / 'out', max_bad_fraction=0.5)
    assert not (tmp_path / 'out' / 'manifest.json').exists()


def test_records_of_older_versions_have_no_outcome(tmp_path):
    assert outcomes.read(tmp_path) is None
