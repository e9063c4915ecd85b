"""Runs that are made of weight files: of other programs, and of this one's exports."""

import contextlib
import hashlib
import io
import json
import re
import types

import keras
import numpy as np
import onnx
import pytest
import safetensors.numpy

from alexnet_tf import main
from alexnet_tf.commands import export
from alexnet_tf.commands.import_weights import contents
from alexnet_tf.config import fields, flags
from alexnet_tf.models.weights import readers
from alexnet_tf.runs import build, description, initial_weights, loading
from input_pipeline import errors

WIDTH, CROP, CLASSES = 1 / 16, 67, ('cat', 'dog', 'eel')
NARROW = (f'--width={WIDTH}', f'--crop_size={CROP}')
# (out, in, rows, columns) and (out, in), of both columns.
SHAPES = {
    'conv1': (6, 3, 11, 11),
    'conv2': (16, 3, 5, 5),
    'conv3': (24, 16, 3, 3),
    'conv4': (24, 12, 3, 3),
    'conv5': (16, 12, 3, 3),
    'fc6': (256, 16),
    'fc7': (256, 256),
    'fc8': (3, 256),
}
ORDERS = {'caffe': ('LRN', 'MaxPool'), 'caffenet': ('MaxPool', 'LRN')}


@pytest.fixture(scope='module')
def weights():
    """(kernel, bias) by layer, in Caffe's layout."""
    random = np.random.default_rng(0)
    return {
        name: (random.normal(0, 0.1, shape).astype('f4'), np.full(shape[0], 0.1, 'f4'))
        for name, shape in SHAPES.items()
    }


@pytest.fixture(scope='module')
def save(weights):
    """Saves the weights as `.onnx` with a list of layers, or as bare arrays; returns the path."""

    def write(folder, recipe='', changes=None):
        arrays = {
            f'{name}_{kind}_0': array
            for name, pair in (weights | (changes or {})).items()
            for kind, array in zip('wb', pair, strict=False)
        }
        path = folder / (f'{recipe}.onnx' if recipe else 'bare.npz')
        if not recipe:
            np.savez(path, **arrays)
            return path
        kinds = ['Conv', 'Relu', *ORDERS[recipe], 'Conv', 'Relu', *ORDERS[recipe]]
        nodes = [onnx.helper.make_node(kind, [], []) for kind in kinds]
        tensors = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
        graph = onnx.helper.make_graph(nodes, 'graph', [], [], tensors)
        path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
        return path

    return write


def import_(path, run_dir, *more):
    """Runs `--mode=import`; returns its exit status."""
    argv = ['alexnet_tf', '--mode=import', f'--weights={path}', f'--run_dir={run_dir}', *more]
    return main.main(argv)


def name_classes(folder):
    """Writes a file with the classes; returns the flag that names it."""
    (folder / 'classes.txt').write_text('\n'.join(CLASSES) + '\n')
    return f'--class_names={folder / "classes.txt"}'


def load(run_dir):
    return loading.load_run(flags.parse(['alexnet_tf', '--mode=export', f'--run_dir={run_dir}']))


@pytest.fixture(scope='module')
def imported(save, tmp_path_factory):
    """By recipe the weight file, the run that was made of it, and the output; Caffe's mean image.

    The second run gets the mean image, and images that are cropped instead of warped.
    """
    folder, runs = tmp_path_factory.mktemp('imported'), {}
    mean_image = np.random.default_rng(1).uniform(90, 130, (3, 256, 256))
    np.save(folder / 'mean.npy', mean_image)
    more = {'caffenet': [f'--mean_image={folder / "mean.npy"}', '--resize=crop'], 'caffe': []}
    for recipe in ORDERS:
        path, run_dir = save(folder, recipe), folder / recipe
        with contextlib.redirect_stdout(io.StringIO()) as out:
            flag = name_classes(folder)
            assert import_(path, run_dir, *NARROW, flag, *more[recipe]) == 0
        runs[recipe] = path, run_dir, out.getvalue()
    return runs, mean_image


@pytest.mark.parametrize('recipe', ORDERS)
def test_the_layers_of_a_file_decide_the_recipe_and_what_it_was_taken_for_is_printed(
    recipe, imported, weights
):
    path, run_dir, output = imported[0][recipe]
    assert f'{recipe}.onnx: ONNX file with the names and axes of Caffe, such as conv1_w_0' in output
    assert '6, 16, 24, 24, 16 filters; conv2 reads 3 of the 6 of conv1' in output
    assert f'network: --recipe={recipe}, ' in output
    assert 'classes: cat; dog and 1 more' in output
    assert f'--mode=predict --run_dir={run_dir} IMAGE.jpg' in output
    config, data = (
        json.loads((run_dir / f'{name}.json').read_text()) for name in ('config', 'data')
    )
    assert (config['mode'], config['recipe'], config['width']) == ('import', recipe, WIDTH)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (data['weights']['sha256'], data['weights']['file']) == (digest, path.name)
    after = {'caffe': 'normalization, max_pool', 'caffenet': 'max_pool, normalization'}
    assert data['weights']['recognised'][2] == f'after conv1: {after[recipe]}'
    trained = load(run_dir)
    assert (trained.classes, trained.step, trained.recipe.name) == (CLASSES, 0, recipe)
    kernel = trained.model.get_layer('conv1_b').kernel.numpy()  # RGB; Caffe's is BGR
    np.testing.assert_array_equal(kernel, weights['conv1'][0][3:, ::-1].transpose(2, 3, 1, 0))


def test_preprocessing_is_caffes_unless_flags_say_otherwise(imported):
    runs, bgr = imported
    outputs = {recipe: output for recipe, (_, _, output) in runs.items()}
    assert ', resized to 256, central 67 x 67, minus (123, 117, 104)' in outputs['caffe']
    assert ', shorter side resized to 256, central 67 x 67, minus a mean im' in outputs['caffenet']
    shown = [json.loads((runs[recipe][1] / 'data.json').read_text()) for recipe in ORDERS]
    assert ['warp' in data for data in shown] == [True, False]
    mean_image = np.load(runs['caffenet'][1] / 'mean_image.npy')
    assert (mean_image.shape, mean_image.dtype) == ((256, 256, 3), np.float32)
    np.testing.assert_allclose(mean_image[7, 9], bgr[::-1, 7, 9], rtol=1e-6)


@pytest.mark.parametrize(
    ('recipe', 'changes', 'more', 'message'),
    [
        ('', {}, (), 'fits several networks .* Give --recipe=caffe or --recipe=caffenet, which'),
        ('caffenet', {}, ('--recipe=caffe',), 'has the weights of recipe caffenet. That of recip'),
        ('caffe', {}, ('--recipe=paper',), 'has the weights of recipe caffe. That of recipe paper'),
        ('caffe', {}, ('--class_names=',), r'it has 3 classes, but not their names\. Give --class'),
        ('caffe', {}, ('--width=0.1',), r'conv1_a/kernel would have the shape \(11, 11, 3, 3\)'),
        (
            'caffe',
            {'fc8': (np.ones((2, 256)), np.ones(2))},
            (),
            'names 3 classes, but fc8 .* has 2',
        ),
        ('caffe', {'conv5': (np.ones((16, 12, 3, 3)),) * 2}, (), 'conv5 has a kernel of shape'),
        ('caffe', {'fc8': ()}, (), 'it lacks fc8'),
        ('caffe', {}, ('--mean_image=none.npy',), r'none\.npy: no such file'),
        (
            '',
            {},
            ('--recipe=caffe', '--input_mean=1,2,3', '--mean_image=m.npy'),
            'caffe subtracts --input_mean=1,2,3',
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    recipe, changes, more, message, save, tmp_path, capsys
):
    path, flag = save(tmp_path, recipe, changes), name_classes(tmp_path)
    assert import_(path, tmp_path / 'run', *NARROW, flag, *more) in (2, 3)
    assert not (tmp_path / 'run').exists()
    assert re.search(message, capsys.readouterr().err)


def test_weights_that_list_the_layers_of_another_network_are_no_initial_weights(save, tmp_path):
    """--init_weights, as --mode=import, whatever the shapes."""
    config = flags.parse(['alexnet_tf', '--mode=train', '--recipe=caffe', *NARROW])
    recipe, path = build.resolve_recipe(config), save(tmp_path, 'caffenet')
    model = build.build_model(config, recipe, len(CLASSES), devices=(), compiled=False)

    def load(path, **options):
        return initial_weights.load(model, readers.read(path), recipe=recipe, **options)

    with pytest.raises(errors.DataError, match=r'caffenet\.onnx: after conv1 .* --recipe=caffenet'):
        load(path)
    assert load(path, layers=('conv1',))[0] == ['conv1_a', 'conv1_b']
    assert load(save(tmp_path))[1] == []  # bare arrays may be of either
    # Training changes no layers: that recipe has other ones. Another dropout is fine.
    with pytest.raises(
        fields.UsageError, match=r'bare\.npz has the weights of recipe caffe or caf'
    ):
        initial_weights.load(
            model,
            readers.read(tmp_path / 'bare.npz'),
            recipe=recipe.replace(name='paper', lrn_k=2),
            trains=True,
        )
    same = recipe.replace(name='mine', dropout=0.1, width=1)
    assert (
        initial_weights.load(model, readers.read(tmp_path / 'bare.npz'), recipe=same, trains=True)[
            1
        ]
        == []
    )


def test_a_checkpoint_of_a_run_is_no_file_to_import(imported, tmp_path, capsys):
    run_dir = imported[0]['caffe'][1]
    (path,) = run_dir.glob('checkpoints/*/variables.npz')
    assert import_(path, tmp_path / 'run', '--recipe=caffe') == 2
    assert f'is of the run {run_dir}, which needs no import' in capsys.readouterr().err


def test_a_run_directory_that_exists_is_left_alone(tmp_path, capsys):
    (tmp_path / 'kept').touch()
    assert import_('none.npy', tmp_path) == 2
    assert f'--run_dir={tmp_path} exists already' in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ['kept']


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['--mode=import'], '--mode=import needs --weights=FILE'),
        (['--mode=train', '--weights=a.npy'], '--weights belongs to --mode=import, not to train'),
        (['--mode=train', '--recipe=auto'], '--recipe=auto belongs to --mode=import, not to train'),
    ],
)
def test_flags_of_the_mode_belong_to_it(argv, message, capsys):
    assert main.main(['alexnet_tf', *argv]) == 2
    assert message in capsys.readouterr().err


# Exported and imported again.


@pytest.fixture(scope='module')
def exported(trained, tmp_path_factory):
    """The run that was trained, and the folder with its weights in both formats."""
    folder, run = tmp_path_factory.mktemp('weights'), load(trained)
    for kind, write in export._WEIGHT_WRITERS.items():
        write(folder / f'1.{kind}', run)
    return run, folder


@pytest.mark.parametrize('suffix', ['.safetensors', '.keras'])
def test_a_run_that_was_exported_and_imported_is_the_same_to_the_bit(suffix, exported, tmp_path):
    run, folder = exported
    assert import_(folder / f'1{suffix}', tmp_path / 'run') == 0
    again = load(tmp_path / 'run')
    for name in ('classes', 'words', 'names', 'ids', 'rendering', 'precision'):
        assert getattr(again, name) == getattr(run, name), name
    for name in (*initial_weights.NETWORK_FIELDS, 'name', 'dropout', 'view_size', 'input_mean'):
        assert getattr(again.recipe, name) == getattr(run.recipe, name), name
    np.testing.assert_array_equal(again.mean_image, run.mean_image)
    for before, after in zip(run.model.weights, again.model.weights, strict=True):
        assert before.path == after.path
        np.testing.assert_array_equal(before.numpy(), after.numpy())
    squares = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), np.uint8)
    logits, again = (each.model(each.preprocess.make_views(squares, 1)) for each in (run, again))
    np.testing.assert_array_equal(logits, again)


def test_weights_that_describe_their_run_are_no_initial_weights_of_another_network(exported):
    run, folder = exported
    other = run.recipe.replace(conv1_order='relu_pool_norm')
    message = (
        r'1\.safetensors is from a run of recipe paper, which has another network \(conv1_order'
    )
    for classes in ((), run.classes, ('ant', 'bee')):
        with pytest.raises(fields.UsageError, match=message):
            initial_weights.load(
                run.model, readers.read(folder / '1.safetensors'), recipe=other, classes=classes
            )
    assert (
        initial_weights.load(run.model, readers.read(folder / '1.safetensors'), recipe=run.recipe)[
            1
        ]
        == []
    )


def test_the_last_layer_of_a_file_that_describes_a_run_on_other_classes_is_not_loaded(exported):
    run, folder = exported
    for classes, missing in ((run.classes, []), (('ant', 'bee'), ['fc8'])):
        assert (
            missing
            == (
                initial_weights.load(
                    run.model,
                    readers.read(folder / '1.safetensors'),
                    recipe=run.recipe,
                    classes=classes,
                )[1]
            )
        )


def test_a_keras_file_is_a_model_with_its_preprocessing(exported, tmp_path):
    run, folder = exported
    model = keras.models.load_model(folder / '1.keras')
    square = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    probabilities = model(run.preprocess.cut_view(square)[None].astype(np.float32))
    logits = run.model(run.preprocess.make_views(square[None], 1))
    np.testing.assert_allclose(probabilities, keras.ops.softmax(logits), rtol=1e-5)
    model.save(tmp_path / 'older.h5')
    file, older = (readers.read(path) for path in (folder / '1.keras', tmp_path / 'older.h5'))
    assert older.layers == file.layers
    means = (description.find_mean_image(each) for each in (file, older))
    np.testing.assert_array_equal(*means)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ('{', 'its description of the run is broken (Expecting property name'),
        ({'settings': []}, 'its description of the run is broken'),
        ({'rendering': {'warp': 'yes'}}, 'warp is yes, expected true or false'),
        ({'words': ['a']}, 'words or ids that are not of the classes'),
        ({'mean_size': 10}, 'a mean image of 10 pixels, fewer than the crop has'),
        ({'settings': {'recipe': 'paper', 'filters': [1, 2]}}, 'its description of the run is'),
        ({'mean_size': 1 << 20}, 'its mean image has 13,194,139,533,312 bytes'),
        ({'mean_colour': [0, 0, 'nan']}, 'values outside 0 to 255'),
        ({'mean_colour': None, 'mean_image': 'AAAA'}, 'its mean image has 3 bytes'),
        ({'settings': {}}, 'settings without a recipe'),
        ({'settings': {'recipe': 'none'}}, '--recipe=none'),
        ({'settings': {'recipe': 'paper', 'hidden_units': 1 << 23}}, 'far fewer than a layer'),
        (
            {'settings': {'recipe': 'paper', 'filters': [20_000] * 5, 'hidden_units': 2}},
            'far fewer',
        ),
        (
            {
                'settings': {
                    **{'recipe': 'paper', 'columns': 1, 'filters': [1, 1, 1, 1, 1_600_000]},
                    'hidden_units': 1264,
                }
            },
            'far fewer',
        ),
        (
            {'settings': {'recipe': 'cifar13', 'width': 16, 'crop_size': 256}},
            'far fewer',
        ),
        ({'settings': {'run_dir': '/etc'}}, 'unknown settings run_dir'),
        ({'classes': ['cat', 3]}, 'classes that are not text'),
        ({'classes': ['cat', '\ud800']}, 'surrogates not allowed'),
        ({'classes': ['cat']}, 'names 1 classes, but fc8 of the weights has 2 outputs'),
    ],
)
def test_a_description_that_is_broken_is_refused(change, message, exported, tmp_path, capsys):
    run, _ = exported
    ((key, text),) = description.to_metadata(run).items()
    if change == '{':
        text = change
    else:
        text = json.dumps({**json.loads(text), 'mean_colour': [1, 2, 3], **change})
    arrays = {
        f'{layer.name}/{variable.name}': variable.numpy()
        for layer in run.model.layers
        for variable in layer.weights
        if 'seed' not in variable.path
    }
    safetensors.numpy.save_file(arrays, tmp_path / 'a.safetensors', {key: text})
    assert import_(tmp_path / 'a.safetensors', tmp_path / 'run') == 3
    assert not (tmp_path / 'run').exists()
    assert message in capsys.readouterr().err


# As any run.


def test_an_imported_run_is_reported_with_the_hash_of_its_weights(imported):
    path, run_dir, _ = imported[0]['caffe']
    argv = ['alexnet_tf', '--mode=report', f'--run_dir={run_dir}', '--data_dir=none']
    assert main.main(argv) == 0
    card = (run_dir / 'MODEL_CARD.md').read_text()
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    assert 'Import it again' in card


@pytest.mark.parametrize(('flag', 'precision'), [((), 'bfloat16'), (('float32',), 'float32')])
def test_a_precision_that_is_given_counts_before_that_of_the_file(flag, precision):
    argv = ['alexnet_tf', '--mode=import', '--weights=x']
    config = flags.parse([*argv, *(f'--precision={value}' for value in flag)])
    settings = {'recipe': 'paper', 'precision': 'bfloat16'}
    described = types.SimpleNamespace(settings=settings)
    completed = contents.complete(config, contents.Contents(None, None, described))
    assert completed.network.precision == precision
