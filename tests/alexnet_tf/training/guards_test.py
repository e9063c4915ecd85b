"""The warning of the plateau, on the losses that the flowers' first epochs really had."""

from alexnet_tf.training import guards


def test_the_papers_start_is_warned_of_its_plateau_and_its_cure():
    losses = [2.5972, 1.6456, 1.5967, 1.5298]
    said = [
        guards.chance_warning(epoch, loss, 5, initial_sd_middle=0.01)
        for epoch, loss in enumerate(losses, 1)
    ]
    assert [bool(each) for each in said] == [False, False, True, False]
    assert '--initial_sd_middle=0.03' in said[2]
    assert 'after 3 epochs' in said[2]


def test_the_sources_start_is_not():
    for epoch, loss in enumerate([2.8295, 1.6136, 1.3884], 1):
        assert guards.chance_warning(epoch, loss, 5, initial_sd_middle=0.03) is None


def test_who_has_the_cure_already_is_told_of_other_causes():
    said = guards.chance_warning(4, 7.0, 1000, initial_sd_middle=0.03)
    assert '--learning_rate' in said
    assert 'initial_sd_middle' not in said
