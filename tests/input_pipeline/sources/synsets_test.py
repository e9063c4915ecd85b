"""Checks the real tables of classes and ground truths, if they are there."""

import collections
import csv

import pytest

from input_pipeline.sources import synsets


@pytest.fixture
def tables(real_data):
    return real_data / 'imagenet_meta'


def test_the_classes_and_ground_truth_of_2010_agree(tables):
    data = (tables / 'ILSVRC2010_meta.mat').read_bytes()
    classes = synsets.read_development_kit(data, 2010, 'meta.mat')
    assert len(classes.wnids) == 1000
    assert list(classes.wnids) == sorted(classes.wnids)
    assert sorted(classes.ids) == list(range(1, 1001))
    label = classes.wnids.index('n07711080')
    assert classes.ids[label] == 1
    assert classes.words[label].startswith('french fries')
    text = (tables / 'ILSVRC2010_validation_ground_truth.txt').read_text()
    labels = synsets.parse_ground_truth(text, classes, 50_000, 'truth')
    assert set(collections.Counter(labels).values()) == {50}
    ids = [int(line) for line in text.split()[:100]]
    assert [classes.ids[label] for label in labels[:100]] == ids


def test_the_classes_and_ground_truth_of_2012_agree(tables):
    with open(tables / 'meta_clsloc.csv', newline='') as file:
        rows = [
            (row['WNID'], row['name'], int(row['ILSVRC2015_CLSLOC_ID']))
            for row in csv.DictReader(file)
        ]
    classes = synsets.Classes.from_rows(rows)
    words = synsets.parse_words((tables / 'synset_words.txt').read_text(), 'synset_words.txt')
    assert list(classes.wnids) == list(words)  # the file is in the order of labels
    assert (classes.wnids[0], classes.words[0]) == ('n01440764', 'tench, Tinca tinca')
    text = (tables / 'ILSVRC2012_validation_ground_truth.txt').read_text()
    labels = synsets.parse_ground_truth(text, classes, 50_000, 'truth')
    assert set(collections.Counter(labels).values()) == {50}
    # ILSVRC2012_val_00000001 is a sea snake, as every table of its labels says.
    assert classes.wnids[labels[0]] == 'n01751748'
    lines = '\n'.join(classes.wnids[label] for label in labels)
    assert synsets.parse_ground_truth(lines, classes, 50_000, 'truth') == labels


def test_a_line_of_words_without_a_wnid_is_refused():
    with pytest.raises(Exception, match='line 2'):
        synsets.parse_words('n01440764 tench\ntench', 'words')
