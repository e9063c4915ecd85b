"""The real tables of classes and ground truths, where they are at hand."""

import collections
import csv

import pytest

from input_pipeline.sources import synsets


@pytest.fixture
def tables(real_data):
    return real_data / 'imagenet_meta'


def test_the_table_of_2010(tables):
    data = (tables / 'ILSVRC2010_meta.mat').read_bytes()
    classes = synsets.of_development_kit(data, 2010, 'meta.mat')
    assert len(classes.wnids) == 1000
    assert list(classes.wnids) == sorted(classes.wnids)
    assert sorted(classes.ids) == list(range(1, 1001))
    at = classes.wnids.index('n07711080')
    assert classes.ids[at] == 1
    assert classes.words[at].startswith('french fries')
    text = (tables / 'ILSVRC2010_validation_ground_truth.txt').read_text()
    labels = synsets.ground_truth(text, classes, 50_000, 'truth')
    assert set(collections.Counter(labels).values()) == {50}
    first = [int(line) for line in text.split()[:100]]
    assert [classes.ids[label] for label in labels[:100]] == first


def test_the_tables_of_2012(tables):
    with open(tables / 'meta_clsloc.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    given = [(row['WNID'], row['name'], int(row['ILSVRC2015_CLSLOC_ID'])) for row in rows]
    classes = synsets.of(given)
    words = synsets.words_of((tables / 'synset_words.txt').read_text(), 'synset_words.txt')
    assert list(classes.wnids) == list(words)  # the file is in the order of labels
    assert (classes.wnids[0], classes.words[0]) == ('n01440764', 'tench, Tinca tinca')
    text = (tables / 'ILSVRC2012_validation_ground_truth.txt').read_text()
    labels = synsets.ground_truth(text, classes, 50_000, 'truth')
    assert set(collections.Counter(labels).values()) == {50}
    # ILSVRC2012_val_00000001 is a sea snake, as every table of its labels says.
    assert classes.wnids[labels[0]] == 'n01751748'
    assert (
        synsets.ground_truth(
            '\n'.join(classes.wnids[label] for label in labels), classes, 50_000, 'truth'
        )
        == labels
    )


def test_words_need_a_wnid():
    with pytest.raises(Exception, match='line 2'):
        synsets.words_of('n01440764 tench\ntench', 'words')
