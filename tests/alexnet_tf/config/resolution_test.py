"""What follows from given settings: a run's own, and directories named for a source."""

import pytest

from alexnet_tf.config import fields, resolution, schema, serialization
from input_pipeline import errors


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory, so that names of directories are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_run(directory, **settings):
    directory.mkdir()
    text = serialization.to_json(serialization.from_settings(settings))
    (directory / serialization.CONFIG_FILE).write_text(text)


def resolve(**settings):
    return serialization.from_settings(resolution.complete(settings))


@pytest.mark.parametrize('mode', ['prepare', 'train', 'all'])
def test_a_source_names_the_directories_of_records_and_run(here, mode):
    (here / 'my photos').mkdir()
    config = resolve(mode=mode, source_dir='my photos/')
    assert (config.data.data_dir, config.run_dir) == ('data/my photos', 'runs/my photos')


@pytest.mark.parametrize(
    ('source', 'name'),
    [('labels.csv', 'labels'), ('flowers.tar.gz', 'flowers'), ('.hidden', '.hidden')],
)
def test_of_a_file_the_suffixes_are_left_out(here, source, name):
    (here / source).touch()
    assert resolve(source_dir=source).run_dir == f'runs/{name}'


def test_a_folder_keeps_its_whole_name(here):
    (here / 'v1.2').mkdir()
    assert resolve(source_dir='v1.2').data.data_dir == 'data/v1.2'


def test_directories_that_are_given_stay(here):
    config = resolve(source_dir='photos', data_dir='mine')
    assert (config.data.data_dir, config.run_dir) == ('mine', 'runs/photos')
    assert resolve(source_dir='photos', run_dir='mine').data.data_dir == 'data/photos'


def test_records_are_not_put_among_the_images_of_their_name(here):
    (here / 'data' / 'photos').mkdir(parents=True)
    config = resolve(source_dir='data/photos')
    assert (config.data.data_dir, config.run_dir) == ('data/photos-records', 'runs/photos')


@pytest.mark.parametrize(
    ('source', 'directories'),
    [
        ('data', ('data-records', 'runs/data')),
        ('runs', ('data/runs', 'runs-run')),
        ('runs/photos', ('data/photos', 'runs/photos-run')),
    ],
)
def test_images_in_folders_of_these_names_stay_alone(here, source, directories):
    (here / source).mkdir(parents=True)
    config = resolve(source_dir=source)
    assert (config.data.data_dir, config.run_dir) == directories


@pytest.mark.parametrize('source', ['.', '../photos', '{here}/photos/'])
def test_from_among_the_images_both_directories_are_beside_them(here, source, monkeypatch):
    (here / 'photos').mkdir()
    monkeypatch.chdir(here / 'photos')
    config = resolve(source_dir=source.format(here=here))
    assert (config.data.data_dir, config.run_dir) == ('../data/photos', '../runs/photos')


def test_without_a_source_or_in_other_modes_nothing_is_named(here):
    assert resolve(mode='train') == schema.Config(mode='train')
    assert resolve(mode='export').run_dir == 'runs/default'


@pytest.mark.parametrize('mode', ['evaluate', 'export', 'report', 'retrieve', 'plot'])
def test_a_run_is_evaluated_and_shown_on_its_own_records(here, mode):
    write_run(here / 'run', mode='train', data_dir='mine', validation_fraction=0.5)
    settings = {'mode': mode, 'retrieve': 'index'}
    data = resolve(**settings, run_dir='run').data
    assert (data.data_dir, data.validation_fraction) == ('mine', 0.5)
    assert resolve(**settings, run_dir='run', data_dir='other').data == schema.Data('other')
    assert resolve(**settings, run_dir='none').data == schema.Data()


def test_an_ensemble_has_the_records_of_its_first_run_and_other_modes_have_theirs(here):
    write_run(here / 'run', mode='train', data_dir='mine')
    (here / 'damaged').mkdir()
    (here / 'damaged' / serialization.CONFIG_FILE).write_text('{')
    assert resolve(mode='evaluate', ensemble=('run', 'none')).data.data_dir == 'mine'
    assert resolve(mode='train', run_dir='run').data == schema.Data()
    assert resolve(mode='plot', run_dir='damaged').data == schema.Data()


@pytest.mark.parametrize('mode', ['evaluate', 'experiment', 'benchmark'])
def test_a_mode_that_reads_records_takes_no_source(here, mode):
    with pytest.raises(fields.UsageError, match=r'--source_dir belongs to .* give it as --data'):
        resolve(mode=mode, source_dir='photos')


def test_a_run_is_evaluated_on_the_records_that_are_named(here):
    assert resolve(mode='evaluate', source_dir='photos', data_dir='mine').data.data_dir == 'mine'


def test_a_run_resumes_with_its_own_settings(here):
    settings = {'mode': 'train', 'width': 0.25, 'data_dir': 'mine', 'seed': 7, 'epochs': 9}
    write_run(here / 'run', **settings, run_dir='/where/it/was')
    config = resolve(run_dir='run', resume=True)
    assert config == serialization.from_settings(settings | {'run_dir': 'run'})


@pytest.mark.parametrize(
    ('name', 'directories'),
    [('data', ('../data-records', '../runs/data')), ('runs', ('../data/runs', '../runs-run'))],
)
def test_so_they_do_seen_from_inside(here, name, directories, monkeypatch):
    (here / name).mkdir()
    monkeypatch.chdir(here / name)
    config = resolve(source_dir='.')
    assert (config.data.data_dir, config.run_dir) == directories


def test_training_resumes_a_run_that_was_to_be_exported_too(here):
    write_run(here / 'run', mode='all', export_also=('onnx',), run_dir='run')
    assert resolve(mode='train', run_dir='run', resume=True).export.export_also == ()
    assert resolve(run_dir='run', resume=True).export.export_also == ('onnx',)


def test_without_a_directory_the_default_run_resumes(here):
    (here / 'runs').mkdir()
    write_run(here / 'runs' / 'default', mode='train', seed=7, run_dir='/where/it/was')
    config = resolve(resume=True)
    assert (config.run_dir, config.seed) == ('runs/default', 7)


def test_settings_that_are_given_win_over_those_of_the_run(here):
    write_run(here / 'run', mode='all', epochs=9, width=0.25)
    config = resolve(run_dir='run', resume=True, epochs=12)
    assert (config.mode, config.training.epochs, config.network.width) == ('all', 12, 0.25)
    assert resolve(run_dir='run', resume=True, mode='train').mode == 'train'


def test_resuming_nothing_or_in_another_mode_is_refused(here):
    with pytest.raises(errors.DataError, match=r'^none is not a run directory: .* --mode=train'):
        resolve(run_dir='none', resume=True)
    with pytest.raises(fields.UsageError, match='--resume belongs to --mode=train or all, not to'):
        resolve(run_dir='none', resume=True, mode='evaluate')


def test_imported_weights_have_the_recipe_of_their_file_and_do_not_resume(here):
    assert resolve(mode='import', weights='a.pth').network.recipe == 'auto'
    assert resolve(mode='import', weights='a.pth', recipe='caffe').network.recipe == 'caffe'
    write_run(here / 'run', mode='import', weights='a.pth', recipe='caffe')
    with pytest.raises(fields.UsageError, match='Give --init_weights=run and another --run_dir'):
        resolve(run_dir='run', resume=True)


@pytest.mark.parametrize(
    ('place', 'directory'),
    [
        ('photos', 'data/photos-index'),
        ('rows.csv', 'data/rows-index'),
        ('data/photos', 'data/photos-index'),
        ('data', 'data-index'),  # not among the images
        ('.', '../data/{here}-index'),
        ('tfds:mnist/3.0.1', 'data/mnist-3.0.1-index'),
    ],
)
def test_an_index_is_named_for_its_images_and_not_among_them(here, place, directory):
    (here / 'data' / 'photos').mkdir(parents=True)
    (here / 'rows.csv').touch()
    assert resolution.name_index(place) == directory.format(here=here.name)
