"""Imitations of ImageNet's archives and trees: a few classes, small pictures, the traps in them."""

import dataclasses
import gzip
import io
import pathlib
import tarfile
import types

import numpy as np
import PIL.Image
import pytest

# Ids are not in the order of WNIDs, as in 2010 and 2012.
IDS = {'n02119789': 1, 'n01440764': 2, 'n07711080': 3, 'n01443537': 4}
WORDS = {
    'n01440764': 'tench, Tinca tinca',
    'n01443537': 'goldfish',
    'n02119789': 'kit fox',
    'n07711080': 'french fries, chips',
}
LABELS = {wnid: label for label, wnid in enumerate(sorted(IDS))}
EACH, HELD_OUT = 5, 8  # training pictures a class, validation and test pictures


def picture(number: int, kind: str = 'JPEG', mode: str = 'RGB') -> bytes:
    colour = np.random.default_rng(number).integers(0, 256, 3).tolist()
    buffer = io.BytesIO()
    PIL.Image.new('RGB', (24, 20), tuple(colour)).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def add(archive: tarfile.TarFile, name: str, data: bytes, **changed) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in changed.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(data))


def tar_of(members: dict[str, bytes], mode: str = 'w') -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in members.items():
            add(archive, name, data)
    return buffer.getvalue()


def kit(year: int, ids=None, truth: list[int] | None = None) -> bytes:
    """A development kit: meta.mat with a class that is none, and the ground truth."""
    scipy_io = pytest.importorskip('scipy.io')
    ids = IDS if ids is None else ids
    field = f'ILSVRC{year}_ID'
    rows = [(number, wnid, WORDS.get(wnid, wnid), '', 0) for wnid, number in ids.items()]
    rows.append((1001, 'n00001740', 'entity', 'that which is', len(rows)))
    kinds = [(field, object), *((name, object) for name in ('WNID', 'words', 'gloss'))]
    table = np.array(rows, dtype=[*kinds, ('num_children', object)]).reshape(-1, 1)
    buffer = io.BytesIO()
    scipy_io.savemat(buffer, {'synsets': table})
    root = 'devkit-1.0' if year == 2010 else 'ILSVRC2012_devkit_t12'
    members = {f'{root}/data/meta.mat': buffer.getvalue(), f'{root}/readme.txt': b'read me'}
    if truth is not None:
        name = f'ILSVRC{year}_validation_ground_truth.txt'
        members[f'{root}/data/{name}'] = '\n'.join(map(str, truth)).encode() + b'\n'
    return tar_of(members, 'w:gz')


@dataclasses.dataclass
class Pictures:
    """What an imitation holds: encoded pictures by split and base name, and their WNIDs."""

    train: dict[str, bytes]
    held_out: dict[str, bytes]
    wnids: dict[str, str]

    def truth(self) -> list[int]:
        return [IDS[self.wnids[name]] for name in sorted(self.held_out)]


def pictures(year: int, part: str = 'val') -> Pictures:
    train, wnids = {}, {}
    for wnid in IDS:
        for at in range(EACH):
            name = f'{wnid}_{7 * at + 3}.JPEG'
            train[name], wnids[name] = picture(len(train)), wnid
    first = sorted(train)[0]
    train[first] = picture(1, 'PNG')
    train[sorted(train)[1]] = picture(2, mode='CMYK')
    train[sorted(train)[2]] = picture(3, mode='L')
    held_out, order = {}, list(IDS)
    for at in range(HELD_OUT):
        name = f'ILSVRC{year}_{part}_{at + 1:08d}.JPEG'
        held_out[name] = picture(500 + at + (100 if part == 'test' else 0))
        wnids[name] = order[(at * 3 + at // 4) % len(order)]
    return Pictures(train, held_out, wnids)


def nested(train: dict[str, bytes], prefix: str = '') -> bytes:
    inner = {}
    for name, data in train.items():
        inner.setdefault(name.partition('_')[0], {})[prefix + name] = data
    return tar_of({f'{wnid}.tar': tar_of(members) for wnid, members in inner.items()})


def backwards(members: dict[str, bytes], prefix: str = '') -> dict[str, bytes]:
    """In another order than their names'."""
    return {prefix + name: members[name] for name in sorted(members, reverse=True)}


@pytest.fixture(scope='session')
def imitate():
    """What tests make imitations of."""
    names = ('add', 'backwards', 'kit', 'nested', 'picture', 'tar_of', 'IDS', 'LABELS', 'WORDS')
    return types.SimpleNamespace(**{name: globals()[name] for name in names})


@pytest.fixture
def made2012() -> Pictures:
    return pictures(2012)


@pytest.fixture
def tars2012(tmp_path, made2012) -> pathlib.Path:
    root = tmp_path / 'tars'
    root.mkdir()
    (root / 'ILSVRC2012_img_train.tar').write_bytes(nested(made2012.train))
    (root / 'ILSVRC2012_img_val.tar').write_bytes(tar_of(backwards(made2012.held_out)))
    truth = made2012.truth()
    (root / 'ILSVRC2012_devkit_t12.tar.gz').write_bytes(kit(2012, truth=truth))
    return root


@dataclasses.dataclass
class Set2010:
    root: pathlib.Path
    made: Pictures
    test: Pictures
    patch: dict[str, bytes]


@pytest.fixture
def set2010(tmp_path) -> Set2010:
    root, made, test = tmp_path / '2010', pictures(2010), pictures(2010, 'test')
    root.mkdir()
    packed = dict(made.train)
    name = sorted(packed)[5]
    packed[name] = gzip.compress(packed[name])
    (root / 'ILSVRC2010_images_train.tar').write_bytes(nested(packed, 'some/where/'))
    (root / 'ILSVRC2010_images_val.tar').write_bytes(tar_of(backwards(made.held_out, 'val/')))
    (root / 'ILSVRC2010_images_test.tar').write_bytes(tar_of(backwards(test.held_out)))
    (root / 'ILSVRC2010_devkit-1.0.tar.gz').write_bytes(kit(2010, truth=made.truth()))
    lines = '\n'.join(map(str, test.truth()))
    (root / 'ILSVRC2010_test_ground_truth.txt').write_text(lines)
    replaced = {
        'train': sorted(made.train)[7],
        'val': sorted(made.held_out)[2],
        'test': sorted(test.held_out)[4],
    }
    patch = {name: picture(900 + at) for at, name in enumerate(replaced.values())}
    members = {f'patch_images/{part}/{name}': patch[name] for part, name in replaced.items()}
    (root / 'patch_images.tar').write_bytes(tar_of(members))
    return Set2010(root, made, test, patch)
