"""Published values of the AlexNets after the paper's, which their recipes must reproduce."""

import dataclasses

from alexnet_tf.fidelity import reference


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublishedNetwork:
    """What the program of a network, or the page of its weights, says.

    Attributes:
        origin: The program and its name of the network.
        errors: Top-1 and top-5 error on ILSVRC-2012's validation images, single-crop, in percent.
        parameters: Numbers of parameters, conv1 to fc8.
        sizes: The sides of the feature maps of conv1, pool1, pool2 and pool5.
        orders: What follows conv1, and conv2.
        norm: k, n, alpha and beta of the normalisation, alpha not divided by n; () for none.
        norm_reads: What norm1 sums over; '' for a network of one column.
        dropped: What dropout sets to 0, as `probes.probe_published` says it.
        kept: The factor of fc6's kept values in training.
        initial_sds: Of conv1 to fc8; '' if they are not constants.
        initial_norms: Of the weights of conv1 to fc8, as rounded in table 2 of the LARS paper (You,
            Gitman and Ginsburg, 2017). The table swaps the labels of weights and biases: its rows
            '.b' are standard deviation * sqrt(count) of the weights.
        initial_biases: As `initial_sds`.
        white: Red, green and blue of a white pixel as conv1 reads them; '' if the mean of the
            training images decides.
    """

    origin: str
    errors: tuple[float, float]
    parameters: tuple[int, ...]
    sizes: str = '55, 27, 13, 6'
    orders: tuple[str, str] = ('relu1, norm1, pool1', 'relu2, norm2, pool2')
    norm: tuple[float, int, float, float] | tuple[()] = ()
    norm_reads: str = ''
    dropped: str = 'outputs of fc6 and fc7'
    kept: float = 2.0
    initial_sds: str = ''
    initial_norms: tuple[float, ...] = ()
    initial_biases: str = ''
    white: str = ''

    def list_values(self) -> list[reference.ReferenceValue]:
        """Lists the values that the network must have."""
        names = [f'{layer} parameters' for layer in reference.LAYERS]
        counts = [*zip(names, self.parameters, strict=True), ('parameters', sum(self.parameters))]
        names = [f'{layer} initial norm' for layer in reference.LAYERS]
        constants = [
            *(zip(('k', 'n', 'alpha', 'beta'), self.norm, strict=True) if self.norm else ()),
            ('kept outputs in training, times', self.kept),
            ('outputs at test time, times', self.kept / 2),
            *(zip(names, self.initial_norms, strict=True) if self.initial_norms else ()),
        ]
        texts = {
            'sides of conv1, pool1, pool2, pool5': self.sizes,
            'after conv1': self.orders[0],
            'after conv2': self.orders[1],
            'norm1 sums over': self.norm_reads,
            'dropped in training': self.dropped,
            'initial sds': self.initial_sds,
            'initial biases': self.initial_biases,
            'a white pixel': self.white,
        }
        return [
            *(reference.ReferenceValue(name, f'{n:,}', '', (n,)) for name, n in counts),
            *(
                reference.ReferenceValue(name, f'{value:g}', '', (value,), tolerance=0.01)
                for name, value in constants
            ),
            *(
                reference.ReferenceValue(name, text, '', (text,))
                for name, text in texts.items()
                if text
            ),
        ]


_FULLY_CONNECTED = (37_752_832, 16_781_312, 4_097_000)
_TWO_COLUMNS = (34_944, 307_456, 885_120, 663_936, 442_624, *_FULLY_CONNECTED)
_ONE_COLUMN = (23_296, 307_392, 663_936, 884_992, 590_080, *_FULLY_CONNECTED)
_WHITE = '2.249, 2.429, 2.640'  # (1 - .485) / .229 and so on

# By recipe. Error rates and constants are those of the programs' own pages and sources.
NETWORKS = {
    'caffe': PublishedNetwork(
        origin="Caffe's bvlc_alexnet",
        errors=(42.9, 19.8),
        parameters=_TWO_COLUMNS,
        norm=(1.0, 5, 1e-4 / 5, 0.75),
        norm_reads='both columns',
        initial_sds='0.010, 0.010, 0.010, 0.010, 0.010, 0.005, 0.005, 0.010',
        initial_norms=(1.867, 5.543, 9.406, 8.146, 6.651, 30.72, 20.48, 20.24),
        initial_biases='0, 0.1, 0, 0.1, 0.1, 0.1, 0.1, 0',
    ),
    'caffenet': PublishedNetwork(
        origin="Caffe's bvlc_reference_caffenet",
        errors=(42.6, 19.6),
        parameters=_TWO_COLUMNS,
        orders=('relu1, pool1, norm1', 'relu2, pool2, norm2'),
        norm=(1.0, 5, 1e-4 / 5, 0.75),
        norm_reads='both columns',
        initial_sds='0.010, 0.010, 0.010, 0.010, 0.010, 0.005, 0.005, 0.010',
        initial_biases='0, 1, 0, 1, 1, 1, 1, 0',
    ),
    'one_weird_trick': PublishedNetwork(
        origin="cuda-convnet2's layers-imagenet-1gpu",
        errors=(42.55, 19.81),
        parameters=_ONE_COLUMN,
        orders=('norm1, pool1, relu1', 'relu2, norm2, pool2'),
        norm=(2.0, 5, 1e-4 / 5, 0.75),
        kept=1.0,
        initial_sds='0.010, 0.010, 0.030, 0.030, 0.030, 0.010, 0.010, 0.010',
        initial_biases='0, 1, 0, 1, 1, 1, 1, -7',
    ),
    'torchvision': PublishedNetwork(
        origin="torchvision's alexnet",
        errors=(43.48, 20.93),
        parameters=_ONE_COLUMN,
        orders=('relu1, pool1', 'relu2, pool2'),
        dropped='inputs of fc6 and fc7',
        white=_WHITE,
    ),
    'tf2cv': PublishedNetwork(
        origin="tf2cv's alexnet",
        errors=(38.06, 16.09),
        parameters=(34_944, 614_656, 885_120, 1_327_488, 884_992, *_FULLY_CONNECTED),
        sizes='54, 27, 13, 6',
        norm=(2.0, 11, 1e-4, 0.75),
        white=_WHITE,
    ),
}
