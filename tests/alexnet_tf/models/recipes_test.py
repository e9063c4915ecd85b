"""Recipes: the hyperparameters of the paper and of its source, and overrides."""

import dataclasses

import pytest

from alexnet_tf.models import recipes


def test_recipes_take_overrides_and_nothing_else():
    overridden = recipes.resolve('paper', lrn_k=1.0, momentum=None)
    assert overridden == dataclasses.replace(recipes.PAPER, lrn_k=1.0)
    with pytest.raises(TypeError, match='nonsense'):
        recipes.resolve('paper', nonsense=1)
    with pytest.raises(KeyError):
        recipes.resolve('nonsense')


def test_recipes_hold_the_hyperparameters_of_the_paper_and_of_its_source():
    paper, source = recipes.PAPER, recipes.SOURCE2012
    assert (paper.lrn_k, paper.lrn_n, paper.lrn_alpha, paper.lrn_beta) == (2, 5, 1e-4, 0.75)
    assert (paper.learning_rate, paper.momentum, paper.weight_decay) == (0.01, 0.9, 0.0005)
    assert (paper.batch_size, paper.epochs, paper.dropout, paper.crop_size) == (128, 90, 0.5, 224)
    assert (source.lrn_alpha, source.bias_rate_multiplier) == (pytest.approx(2e-5), 2)
    assert source.initial_sd_middle == 0.03
