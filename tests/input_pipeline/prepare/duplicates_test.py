"""The same content in two splits."""

from input_pipeline.prepare import duplicates


def test_pictures_of_other_splits_that_training_holds():
    splits = {
        'train': duplicates.Named(['t/b', 't/a', 't/c', 't/d'], ['11', '11', '22', '']),
        'validation': duplicates.Named(['v/a', 'v/b', 'v/c'], ['33', '11', '']),
        'test': duplicates.Named(['x/a', 'x/b'], ['22', '33']),
    }
    found = duplicates.find(splits, 'train')
    assert [(each.train, each.split, each.other) for each in found] == [
        ('t/c', 'test', 'x/a'),
        ('t/a', 'validation', 'v/b'),
    ]


def test_none():
    splits = {'train': duplicates.Named(['a'], ['1']), 'validation': duplicates.Named(['b'], ['2'])}
    assert duplicates.find(splits, 'train') == []
