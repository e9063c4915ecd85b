"""Learning rates, epoch by epoch."""

import pytest

from alexnet_tf.models import recipes
from alexnet_tf.training import schedule


def test_step_decay_divides_after_each_of_the_epochs():
    rates = [schedule.step_decay(1.0, (2, 4), epoch) for epoch in range(6)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize(
    ('errors', 'rate'),
    [
        ([], 1.0),
        ([0.5, 0.5], 1.0),
        ([0.5, 0.5, 0.5], 0.1),
        ([0.5, 0.5, 0.4, 0.5], 1.0),
        ([0.5, 0.6, 0.6, 0.5, 0.5], 0.01),
        ([0.5] * 7, 0.001),
        ([0.5] * 9, None),
    ],
)
def test_a_plateau_divides_the_learning_rate_and_the_fourth_ends_training(errors, rate):
    expected = rate if rate is None else pytest.approx(rate)
    assert schedule.plateau(1.0, errors, patience=2) == expected


def test_the_last_multiplier_that_applies_to_a_layer_counts():
    rates = ('conv1=0.1@68', 'conv1=0@72', 'fc8=10')
    for epochs_done, expected in [(0, {'fc8': 10}), (68, {'fc8': 10, 'conv1': 0.1})]:
        assert schedule.layer_multipliers(rates, epochs_done) == expected
    assert schedule.layer_multipliers(rates, 72)['conv1'] == 0


def test_the_geometric_schedule_over_95_epochs_has_the_authors_learning_rates():
    """Fact sheet, section 6: 0.01, 0.0015874, 0.00025198, 0.00004; biases 0.02, then 0.002."""
    weights = [0.01, 0.0015874, 0.00025198, 0.00004]
    for epoch in range(95):
        rate = schedule.geometric(0.01, epoch, 95)
        assert rate == pytest.approx(weights[4 * epoch // 95], rel=1e-4)
        biases = rate * schedule.geometric_bias_multiplier(2.0, epoch, 95)
        assert biases == pytest.approx(0.02 if epoch < 47.5 else 0.002)


@pytest.mark.parametrize(
    ('schedule_name', 'epochs_done', 'rate', 'biases'),
    [
        ('list', 1, 0.01, 2.0),
        ('list', 3, 0.001, 2.0),
        ('geometric', 2, 0.01 / 250 ** (1 / 3), 2.0 * 250 ** (1 / 3)),
        ('plateau', 3, 0.001, 2.0),
        ('plateau', 9, None, 2.0),
    ],
)
def test_the_recipe_decides_the_schedule_and_the_multipliers(
    schedule_name, epochs_done, rate, biases
):
    recipe = recipes.PAPER.replace(
        schedule=schedule_name,
        epochs=8,
        drop_epochs=(3,),
        bias_rate_multiplier=2.0,
        layer_rates=('fc8=10@1',),
    )
    errors = [0.5] * epochs_done  # no improvement
    learning_rate = schedule.compute_learning_rate(recipe, errors, patience_epochs=2)
    assert learning_rate == (rate if rate is None else pytest.approx(rate))
    if rate is not None:
        expected = (pytest.approx(biases), {'fc8': 10.0})
        assert schedule.compute_multipliers(recipe, epochs_done) == expected


@pytest.mark.parametrize(('name', 'middle'), [('cosine', 1.0), ('polynomial', 2 * 0.5**3)])
def test_some_schedules_follow_the_share_of_all_steps(name, middle):
    recipe = recipes.PAPER.replace(
        schedule=name, epochs=4, learning_rate=2.0, warmup=0.25, decay_power=3.0
    )
    rates = [
        schedule.compute_learning_rate(recipe, [0.5] * epoch, patience_epochs=5, share_done=share)
        for epoch, share in [(0, 0.0), (0, 0.125), (1, 0.25), (2, 0.625), (3, 1.0)]
    ]
    assert rates == pytest.approx([0, 1, 2, middle, 0], abs=1e-4)


@pytest.mark.parametrize('name', ['plateau', 'list', 'geometric', 'cosine', 'polynomial'])
def test_the_learning_rate_is_in_proportion_to_the_batch_size_if_it_is_for_one(name):
    recipe = recipes.PAPER.replace(schedule=name, learning_rate=0.02, batch_size=1024)
    rates = [
        schedule.compute_learning_rate(
            recipe.replace(base_batch_size=base), [], patience_epochs=5, share_done=0.1
        )
        for base in (0, 1024, 256)
    ]
    assert rates[1:] == pytest.approx([rates[0], 4 * rates[0]])
