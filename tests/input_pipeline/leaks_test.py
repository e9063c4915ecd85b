"""The same content in two splits."""

from input_pipeline import leaks


def test_pictures_of_other_splits_that_training_holds():
    splits = {
        'train': leaks.Named(['t/b', 't/a', 't/c', 't/d'], ['11', '11', '22', '']),
        'validation': leaks.Named(['v/a', 'v/b', 'v/c'], ['33', '11', '']),
        'test': leaks.Named(['x/a', 'x/b'], ['22', '33']),
    }
    found = leaks.find(splits, 'train')
    assert [(each.train, each.split, each.other) for each in found] == [
        ('t/c', 'test', 'x/a'),
        ('t/a', 'validation', 'v/b'),
    ]


def test_none():
    splits = {'train': leaks.Named(['a'], ['1']), 'validation': leaks.Named(['b'], ['2'])}
    assert leaks.find(splits, 'train') == []
