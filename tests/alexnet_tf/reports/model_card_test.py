"""Model cards in Markdown."""

import pytest

from alexnet_tf.reports import model_card


@pytest.fixture
def card():
    return model_card.ModelCard(
        name='a_b',
        architecture='AlexNet.',
        classes=[f'class{at}' for at in range(23)],
        data='',
        view='the whole',
        training='',
        results=[],
        calibration='',
        commands={'Train it again': "echo '```'\nrm x"},
        environment={'keras': None},
    )


def test_a_card_without_results_names_the_command(card):
    assert 'None yet. Run `--mode=evaluate`.' in model_card.to_markdown(card)
    assert 'It sees the whole.' in model_card.to_markdown(card)


def test_long_lists_of_classes_are_cut(card):
    assert '23 classes: class0, class1,' in model_card.to_markdown(card)
    assert 'class19 and 3 more.' in model_card.to_markdown(card)


def test_a_command_cannot_end_its_code_block(card):
    assert "````\necho '```'\nrm x\n````" in model_card.to_markdown(card)


def test_markup_is_escaped(card):
    assert model_card.to_markdown(card).startswith('# Model card: a\\_b\n')
