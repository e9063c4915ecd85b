"""Every checked value: what the paper and its 2012 source say, and what their recipes must measure.

The source is github.com/computerhistory/AlexNet-Source-Code, network #145: layers-145.cfg,
layer-params-145-2010.cfg with the log of its run, and the code that they configure.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

RECIPES = ('paper', 'source2012')  # in the order of `ReferenceValue.expected`
LAYERS = ('conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7', 'fc8')
_MIDDLE = ('conv3', 'conv4', 'conv5')


@dataclasses.dataclass(frozen=True)
class ReferenceValue:
    """One checked value.

    Attributes:
        name: What is measured; the key of its measurement.
        paper: What the paper says, or a network's own program, as text; '' where it says nothing.
        source: What the 2012 source did, as text.
        expected: The value that each recipe must measure: 'paper' and 'source2012', or another.
        why: Why the paper, the source and the recipes differ, where they do.
        tolerance: The relative tolerance, of measurements with randomness or rounding in them.
    """

    name: str
    paper: str
    source: str
    expected: tuple[Any, ...]
    why: str = ''
    tolerance: float = 0.0

    def agrees(self, measurements: Sequence[Any]) -> bool:
        """Returns whether the measurements of the recipes are as expected."""
        return all(map(self._is_close, measurements, self.expected))

    def _is_close(self, measured: Any, expected: Any) -> bool:
        if isinstance(expected, str) or isinstance(measured, str):
            return measured == expected
        return math.isclose(measured, expected, rel_tol=self.tolerance, abs_tol=1e-12)


# Why the paper, the source and the recipes differ, by the name of the value.
_REASONS = {
    "pixels of conv1's last window past the image": 'So 224 pixels make 55 windows; the missing '
    'pixels count as the mean colour.',
    'parameters': 'The paper rounds. Its "1 % or less" per convolution does not hold for conv3 and '
    'conv4.',
    'conv1 neurons': 'A slip in figure 2: 55 x 55 x 96 is 290,400; 253,440 is 55 x 48 x 96.',
    'neurons': 'The paper rounds.',
    **{
        f'{layer} initial sd': 'At 0.01 the signal shrinks tenfold by fc8, and training starts '
        'with a plateau.'
        for layer in _MIDDLE
    },
    'alpha': "The source divides the paper's 1e-4 by n = 5.",
    'norm1 sums over': 'Sums over all maps would send 12 MB more between devices in each step; the '
    'source does not form them.',
    'after conv1': 'Normalisation keeps signs, so only its sum of squares differs: before the ReLU '
    'it includes negative outputs.',
    'same-map alpha': 'An extra layer after norm2, over 5x5 neighbours; the paper does not mention '
    'it.',
    'weight decay of biases': 'The paper does not say.',
    'learning rate of biases, as a multiple': 'The paper has one learning rate for all layers and '
    'does not mention biases. The source started at 0.02, twice the rate of the weights, and '
    'lowered it once, to 0.002; the recipe keeps the multiple, so that it ends at 2e-5 (conv1: 0).',
    'crops and mirrors of an image': 'Offsets 0 to 32 are 33 x 33 positions; the paper counts 32 x '
    '32.',
    'images that share a crop': 'This saved time in the source; the paper does not mention it.',
    'sd of the colour shift, in sds of a component': 'Eigenvalues would shift by over a thousand '
    'grey levels, so the recipes use their square roots. The source then divides the image by 1.1.',
    'learning rate divided by 10 after epochs': 'By hand in both; in the paper three times, when '
    'the validation error stopped improving.',
    'order of examples': 'The source shuffled once, when it wrote the files. The paper does not '
    'say.',
    'learning rate of conv1, late': 'Lowered by hand in the source; the paper has one learning '
    'rate for all layers.',
    'epochs with the colour shift': '0 stands for all. The source turned it off by hand, late in '
    'its run.',
    'anything else': 'Column b also reads the images, as it must.',
}


def _value(name: str, paper: str, source: str, expected: tuple, **tolerance) -> ReferenceValue:
    return ReferenceValue(name, paper, source, expected, _REASONS.get(name, ''), **tolerance)


def _agreed(name: str, text: str, value: Any, **tolerance) -> ReferenceValue:
    """A value that the paper and the source agree on."""
    return _value(name, text, text, (value, value), **tolerance)


def _counted(name: str, value: int, paper: str = '') -> ReferenceValue:
    """A number that both recipes must count."""
    return _value(name, paper, f'{value:,}', (value, value))


def _list_connectivity() -> list[ReferenceValue]:
    own, both = 'own column', 'both columns'
    reads = ('the image', own, both, own, own, both, both, both)
    pairs = zip(LAYERS, reads, strict=True)
    return [_agreed(f'{layer} reads', text, text) for layer, text in pairs]


def _list_windows() -> list[ReferenceValue]:
    return [
        _agreed('conv1 windows', '11 wide, 4 apart', '11 wide, 4 apart'),
        _counted("pixels of conv1's last window past the image", 3),
        _agreed('pooling windows', '3 wide, 2 apart', '3 wide, 2 apart'),
    ]


def _list_parameters() -> list[ReferenceValue]:
    counts = (34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 4_097_000)
    values = [_counted(f'{layer} parameters', n) for layer, n in zip(LAYERS, counts, strict=True)]
    return [*values, _counted('parameters', sum(counts), '60 million')]


def _list_neurons() -> list[ReferenceValue]:
    counts = (290_400, 186_624, 64_896, 64_896, 43_264, 4_096, 4_096, 1_000)
    caption = (253_440, *counts[1:])
    return [
        _counted('image neurons', 150_528, '150,528'),
        *(
            _counted(f'{layer} neurons', count, f'{paper:,}')
            for layer, count, paper in zip(LAYERS, counts, caption, strict=True)
        ),
        _counted('neurons', sum(counts), '650,000'),
    ]


def _list_initial_values() -> list[ReferenceValue]:
    values = []
    for layer in LAYERS:
        sd = 0.03 if layer in _MIDDLE else 0.01
        values.append(_value(f'{layer} initial sd', '0.01', f'{sd}', (0.01, sd), tolerance=0.03))
    for layer in LAYERS:
        bias = 0.0 if layer in ('conv1', 'conv3', 'fc8') else 1.0
        values.append(_agreed(f'{layer} initial bias', f'{bias:g}', bias))
    return values


def _list_normalisation() -> list[ReferenceValue]:
    own, orders = 'own column', ('relu1, norm1, pool1', 'norm1, pool1, relu1')
    return [
        _agreed('k', '2', 2.0, tolerance=0.01),
        _agreed('n', '5', 5),
        _value('alpha', '1e-4', '2e-5', (1e-4, 2e-5), tolerance=0.01),
        _agreed('beta', '0.75', 0.75, tolerance=0.01),
        _value('norm1 sums over', 'all maps of the layer', own, (own, own)),
        _value('after conv1', *orders, orders),
        _value('same-map alpha', 'none', '4e-5', (0.0, 4e-5), tolerance=0.01),
    ]


def _list_training() -> list[ReferenceValue]:
    biases = 'learning rate of biases, as a multiple'
    return [
        _agreed('momentum', '0.9', 0.9, tolerance=1e-5),
        _agreed('weight decay of weights', '0.0005', 0.0005, tolerance=1e-3),
        _value('weight decay of biases', '', '0', (0.0, 0.0)),
        _value(biases, '1', '2', (1.0, 2.0), tolerance=1e-5),
        _agreed('dropped in training', '0.5', 0.5, tolerance=0.03),
        _agreed('kept outputs in training, times', '1', 1.0),
        _agreed('outputs at test time, times', '0.5', 0.5),
    ]


def _list_images() -> list[ReferenceValue]:
    views = '(0, 0) (0, 32) (32, 0) (32, 32) (16, 16), each plain and mirrored'
    shift = 'sd of the colour shift, in sds of a component'
    return [
        _counted('crops and mirrors of an image', 2178, '2,048'),
        _value('images that share a crop', '', '32', (1, 32)),
        _value(shift, '0.1 eigenvalues', '0.1 / 1.1', (0.1, 0.1 / 1.1), tolerance=0.05),
        _agreed('views', 'corners and centre, mirrored too', views),
        _agreed('averaged over views', 'probabilities', 'probabilities'),
    ]


def _list_hyperparameters() -> list[ReferenceValue]:
    drops, same = ('on a plateau', '23, 51, 78'), 'as all layers'
    return [
        _agreed('learning rate at the start', '0.01', 0.01),
        _value('learning rate divided by 10 after epochs', *drops, drops),
        _value('epochs', 'roughly 90', '93', (90, 93)),
        _agreed('batch size', '128', 128),
        _value('order of examples', '', 'as stored', ('another in each epoch', 'as stored')),
        _value(
            'learning rate of conv1, late',
            same,
            'a tenth after 68 epochs, 0 after 72',
            (same, 'conv1=0.1@68, conv1=0@72'),
        ),
        _value('epochs with the colour shift', 'all', '68', (0, 68)),
    ]


def _list_traffic() -> list[ReferenceValue]:
    sizes = {'pool2': 13 * 13 * 128, 'pool5': 6 * 6 * 128, 'fc6': 2048, 'fc7': 2048}
    values = []
    for layer, size in sizes.items():
        directions = 1 if layer == 'fc7' else 2  # fc8 is on column a's device
        for kind in ('outputs', 'gradients'):
            values.append(_counted(f'{layer} {kind}', 4 * 128 * size * directions))
    return [*values, _value('anything else', '', 'none', ('none', 'none'))]


SECTIONS = {
    'Connectivity': _list_connectivity(),
    'Windows, in pixels': _list_windows(),
    'Parameters': _list_parameters(),
    'Neurons': _list_neurons(),
    'Initial values': _list_initial_values(),
    'Normalisation': _list_normalisation(),
    'Training': _list_training(),
    'Images': _list_images(),
    'Hyperparameters, read from the recipe': _list_hyperparameters(),
    'Between devices, in bytes per step of 128 images in float32': _list_traffic(),
}
