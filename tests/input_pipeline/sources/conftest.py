"""Makes imitations of ImageNet's archives: a few classes, small images, and their traps."""

import dataclasses
import gzip
import io
import pathlib
import tarfile
import types

import numpy as np
import PIL.Image
import pytest

# As in 2010 and 2012, ids are not in the order of WNIDs.
IDS = {'n02119789': 1, 'n01440764': 2, 'n07711080': 3, 'n01443537': 4}
WORDS = {
    'n01440764': 'tench, Tinca tinca',
    'n01443537': 'goldfish',
    'n02119789': 'kit fox',
    'n07711080': 'french fries, chips',
}
LABELS = {wnid: label for label, wnid in enumerate(sorted(IDS))}
PER_CLASS, HELD_OUT = 5, 8  # training images of a class, validation or test images


def make_image(seed: int, kind: str = 'JPEG', mode: str = 'RGB') -> bytes:
    colour = np.random.default_rng(seed).integers(0, 256, 3).tolist()
    buffer = io.BytesIO()
    PIL.Image.new('RGB', (24, 20), tuple(colour)).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def add_member(archive: tarfile.TarFile, name: str, data: bytes, **changed) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in changed.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(data))


def make_tar(members: dict[str, bytes], mode: str = 'w') -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in members.items():
            add_member(archive, name, data)
    return buffer.getvalue()


def make_kit(year: int, ids=None, truth: list[int] | None = None) -> bytes:
    """Makes a development kit: meta.mat with a group of classes too, and the ground truth."""
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
    return make_tar(members, 'w:gz')


@dataclasses.dataclass
class Images:
    """Encoded images by split and base name, and their WNIDs."""

    train: dict[str, bytes]
    held_out: dict[str, bytes]
    wnids: dict[str, str]

    def ground_truth(self) -> list[int]:
        return [IDS[self.wnids[name]] for name in sorted(self.held_out)]


def make_images(year: int, part: str = 'val') -> Images:
    train, wnids = {}, {}
    for wnid in IDS:
        for index in range(PER_CLASS):
            name = f'{wnid}_{7 * index + 3}.JPEG'
            train[name], wnids[name] = make_image(len(train)), wnid
    first = sorted(train)[0]
    train[first] = make_image(1, 'PNG')
    train[sorted(train)[1]] = make_image(2, mode='CMYK')
    train[sorted(train)[2]] = make_image(3, mode='L')
    held_out, order = {}, list(IDS)
    for index in range(HELD_OUT):
        name = f'ILSVRC{year}_{part}_{index + 1:08d}.JPEG'
        held_out[name] = make_image(500 + index + (100 if part == 'test' else 0))
        wnids[name] = order[(index * 3 + index // 4) % len(order)]
    return Images(train, held_out, wnids)


def make_nested_tar(train: dict[str, bytes], prefix: str = '') -> bytes:
    inner = {}
    for name, data in train.items():
        inner.setdefault(name.partition('_')[0], {})[prefix + name] = data
    return make_tar({f'{wnid}.tar': make_tar(members) for wnid, members in inner.items()})


def reverse_names(members: dict[str, bytes], prefix: str = '') -> dict[str, bytes]:
    return {prefix + name: members[name] for name in sorted(members, reverse=True)}


@pytest.fixture(scope='session')
def imitate():
    """The functions and constants of this file that tests use."""
    names = ('add_member', 'make_kit', 'make_nested_tar', 'make_image', 'make_tar')
    names += ('IDS', 'LABELS', 'WORDS')
    return types.SimpleNamespace(**{name: globals()[name] for name in names})


@pytest.fixture
def images2012() -> Images:
    return make_images(2012)


@pytest.fixture
def tars2012(tmp_path, images2012) -> pathlib.Path:
    root = tmp_path / 'tars'
    root.mkdir()
    (root / 'ILSVRC2012_img_train.tar').write_bytes(make_nested_tar(images2012.train))
    (root / 'ILSVRC2012_img_val.tar').write_bytes(make_tar(reverse_names(images2012.held_out)))
    truth = images2012.ground_truth()
    (root / 'ILSVRC2012_devkit_t12.tar.gz').write_bytes(make_kit(2012, truth=truth))
    return root


@dataclasses.dataclass
class Set2010:
    root: pathlib.Path
    images: Images
    test: Images
    patch: dict[str, bytes]


@pytest.fixture
def set2010(tmp_path) -> Set2010:
    root, images, test = tmp_path / '2010', make_images(2010), make_images(2010, 'test')
    root.mkdir()
    packed = dict(images.train)
    name = sorted(packed)[5]
    packed[name] = gzip.compress(packed[name])
    (root / 'ILSVRC2010_images_train.tar').write_bytes(make_nested_tar(packed, 'some/where/'))
    (root / 'ILSVRC2010_images_val.tar').write_bytes(
        make_tar(reverse_names(images.held_out, 'val/'))
    )
    (root / 'ILSVRC2010_images_test.tar').write_bytes(make_tar(reverse_names(test.held_out)))
    (root / 'ILSVRC2010_devkit-1.0.tar.gz').write_bytes(make_kit(2010, truth=images.ground_truth()))
    lines = '\n'.join(map(str, test.ground_truth()))
    (root / 'ILSVRC2010_test_ground_truth.txt').write_text(lines)
    replaced = {
        'train': sorted(images.train)[7],
        'val': sorted(images.held_out)[2],
        'test': sorted(test.held_out)[4],
    }
    patch = {name: make_image(900 + index) for index, name in enumerate(replaced.values())}
    members = {f'patch_images/{part}/{name}': patch[name] for part, name in replaced.items()}
    (root / 'patch_images.tar').write_bytes(make_tar(members))
    return Set2010(root, images, test, patch)
