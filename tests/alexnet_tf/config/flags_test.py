"""Flags: their values, flagfiles, and what careless hands type."""

import pathlib

import pytest

from alexnet_tf.config import fields, flags, schema

FLAGFILES = sorted((pathlib.Path(__file__).parents[3] / 'flags').glob('*.cfg'))


def parse(*arguments):
    return flags.parse(['program', *arguments])


def test_flags_become_settings_of_their_types():
    config = parse('--mode=train', '--drop_epochs=3,5', '--devices=/CPU:0', '--lrn_k=1', '--debug')
    assert config.training.drop_epochs == (3, 5)
    assert config.network.devices == ('/CPU:0',)
    assert config.network.lrn_k == 1.0
    assert config.debug is True
    assert parse('--nodebug').debug is False


def test_no_flags_give_the_defaults():
    assert parse() == schema.Config()


@pytest.mark.parametrize(
    'arguments',
    [
        ('--inputs=a.jpg', 'b, c.jpg', 'd.jpg'),  # as shells expand --inputs=*.jpg
        ('--inputs', 'a.jpg', 'b, c.jpg', 'd.jpg'),
        ('a.jpg', 'b, c.jpg', 'd.jpg'),
    ],
)
@pytest.mark.parametrize('mode', ['predict', 'retrieve', 'plot'])
def test_files_after_the_flags_are_inputs(mode, arguments):
    settings = flags.parse_settings(['program', f'--mode={mode}', *arguments, '--seed=3'])
    assert settings['inputs'] == ('a.jpg', 'b, c.jpg', 'd.jpg')
    assert settings['seed'] == 3


def test_a_file_whose_name_has_commas_is_one_input(tmp_path):
    file = tmp_path / 'a, b.jpg'
    assert parse('--mode=predict', f'--inputs={file}').predict.inputs == (f'{tmp_path}/a', 'b.jpg')
    file.touch()
    assert parse('--mode=predict', f'--inputs={file}').predict.inputs == (str(file),)


def test_a_tilde_is_the_home_directory(monkeypatch):
    monkeypatch.setenv('HOME', '/home/ann')
    config = parse('--mode=predict', '--run_dir=~/run', '--inputs=~/a.jpg,b~.jpg')
    assert config.run_dir == '/home/ann/run'
    assert config.predict.inputs == ('/home/ann/a.jpg', 'b~.jpg')


def test_only_given_flags_are_returned():
    assert flags.parse_settings(['program', '--seed=0', '--noreshuffle']) == {
        'seed': 0,
        'reshuffle': False,
    }


def test_later_flags_win():
    assert parse('--seed=1', '--seed=2').seed == 2


@pytest.mark.parametrize(
    ('argument', 'message'),
    [
        ('--data_dri=x', 'unknown flag --data_dri. Did you mean --data_dir'),
        ('surplus', "unexpected argument 'surplus': settings are given as --flag=value, and files"),
        ('--flagfile=nowhere.cfg', '--flagfile=nowhere.cfg: no such file, neither here nor in /'),
        ('--flagfile=/no/where.cfg', '--flagfile=/no/where.cfg: no such file.'),
        ('--flagfile=', '--flagfile=: no such file.'),
        ('--flagfile=/', '--flagfile=/: Is a directory.'),
        ('--mode', '--mode: expected a value, as --mode=VALUE. See --help.'),
        ('--nodebug=true', '--nodebug=true does not take an argument. See --help.'),
        ('--source_dir=', '--source_dir is empty. Give a path, or leave the flag out.'),
        ('--run_dir="a b"', '--run_dir="a b": leave the quotes out'),
        ('--drop_epochs=1,x', '--drop_epochs=1,x: expected comma-separated values'),
        (
            '--layer_rates=conv1',
            '--layer_rates=conv1: expected LAYER=MULTIPLE[@EPOCHS] with a layer',
        ),
    ],
)
def test_flags_that_cannot_be_read_are_refused(argument, message):
    with pytest.raises(fields.UsageError) as error:
        parse(argument)
    assert message in str(error.value)


@pytest.mark.parametrize('arguments', [['--inputs=a', '--inputs=b'], ['--inputs', 'a'] * 2])
def test_a_list_is_given_once(arguments):
    with pytest.raises(fields.UsageError, match=r'--inputs is given twice\. Separate'):
        parse('--mode=predict', *arguments)


@pytest.mark.parametrize(
    ('argument', 'expected'),
    [
        ('--debug=maybe', 'true or false'),
        ('--debug=', 'true or false'),
        ('--reshuffle=yes', 'true or false'),
        ('--batch_size=many', 'an integer'),
        ('--ensemble_weights=x', 'numbers of at least 0, as 1,0.5'),
    ],
)
def test_a_value_of_another_type_gives_one_sentence(argument, expected):
    with pytest.raises(fields.UsageError) as error:
        parse(argument)
    assert str(error.value) == f'{argument}: expected {expected}.'


def test_a_flagfile_that_is_not_text_is_refused(tmp_path):
    (tmp_path / 'x.cfg').write_bytes(b'\xff\xfe--seed=1')
    with pytest.raises(fields.UsageError, match='expected a text file with one flag a line'):
        parse(f'--flagfile={tmp_path / "x.cfg"}')


def test_a_flagfile_that_is_installed_is_found(tmp_path, monkeypatch):
    folder = tmp_path / 'share' / 'alexnet_tf' / 'flags'
    folder.mkdir(parents=True)
    (folder / 'x.cfg').write_text('--seed=7\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('sys.prefix', str(tmp_path))
    assert parse('--flagfile=flags/x.cfg').seed == 7


def test_old_spellings_of_modes_act_as_the_new_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse('--mode=draw', '--figure=activations', 'a.jpg').predict.inputs == ('a.jpg',)
    config = parse('--mode=everything', '--source_dir=photos')
    assert (config.mode, config.data.data_dir) == ('all', 'data/photos')


@pytest.mark.parametrize('path', FLAGFILES, ids=lambda path: path.name)
def test_flagfiles_name_their_command_and_result_and_can_be_read(path):
    first, second, *rest = path.read_text().splitlines()
    assert first.startswith('# ')
    assert f'--flagfile=flags/{path.name}' in first
    assert second.startswith('# ')
    assert any(line.startswith('# ') and 'Expected' in line for line in [second, *rest])
    source = ['--source_dir=x'] if '--source_dir' in first else []
    settings = flags.parse_settings(['program', f'--flagfile={path}'])
    assert not {'--mode=everything', '--mode=draw'} & {*rest}
    assert settings.get('source') != 'photographs'
    parse(f'--flagfile={path}', *source)


@pytest.mark.parametrize('path', FLAGFILES, ids=lambda path: path.name)
def test_flagfiles_hold_only_what_their_mode_reads(path):
    settings = flags.parse_settings(['program', f'--flagfile={path}'])
    mode = settings['mode']
    for section in fields.get_sections(schema.Config).values():
        for field in fields.list_settings(section):
            if field.name in settings:
                assert mode in fields.get_modes(section, field), field.name
                assert settings[field.name] != field.default or field.name == 'mode', field.name


def test_a_flagfile_with_a_byte_order_mark_is_named(tmp_path):
    (tmp_path / 'mine.cfg').write_text('# mine\n--mode=train\n', encoding='utf-8-sig')
    with pytest.raises(fields.UsageError, match=r'mine\.cfg: it begins with a byte order mark'):
        flags.parse(['alexnet_tf', f'--flagfile={tmp_path / "mine.cfg"}'])
