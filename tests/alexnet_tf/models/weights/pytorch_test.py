"""Files that PyTorch itself writes, and its own layers on their weights."""

import numpy as np
import pytest

from alexnet_tf.models import alexnet, recipes
from alexnet_tf.models.weights import assignment, pytorch, readers, recognition
from input_pipeline import errors

pytestmark = pytest.mark.slow  # importing PyTorch takes long
FORMATS = {True: pytorch.ZIP_FORMAT, False: pytorch.LEGACY_FORMAT}


@pytest.fixture(scope='module')
def torch():
    return pytest.importorskip('torch', reason='needs PyTorch')


@pytest.mark.parametrize('is_zip', FORMATS)
def test_tensors_of_every_kind_are_read(is_zip, torch, tmp_path):
    torch.manual_seed(0)
    base = torch.randn(6, 8)
    tensors = {
        'contiguous': base,
        'transposed': base.t(),
        'a part with steps': base[1:5:2, 2::3],
        'a parameter': torch.nn.Parameter(base[0]),
        'float16': base.half(),
        'float64': base.double(),
        'bfloat16': base.bfloat16(),
        'a scalar': torch.tensor(3),
        'channels last': torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        'none': torch.zeros(0, 3),
    }
    torch.save(tensors, tmp_path / 'a.pth', _use_new_zipfile_serialization=is_zip)
    file = readers.read(tmp_path / 'a.pth')
    assert file.format == FORMATS[is_zip]
    assert file.arrays.keys() == tensors.keys()
    for name, tensor in tensors.items():
        array = file.arrays[name]
        assert (str(array.dtype), array.shape) == (str(tensor.dtype)[6:], tuple(tensor.shape))
        np.testing.assert_array_equal(array.astype(np.float64), tensor.detach().double().numpy())


@pytest.mark.parametrize('is_zip', FORMATS)
def test_a_checkpoint_with_an_optimizer_is_read_and_computes_the_same(is_zip, torch, tmp_path):
    nn = torch.nn
    torch.manual_seed(0)
    features = nn.Sequential(
        *(nn.Conv2d(3, 3, 11, 4), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(3, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(12, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
    )
    classifier = nn.Sequential(
        *(nn.Dropout(), nn.Linear(64, 256), nn.ReLU()),
        *(nn.Dropout(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 5)),
    )
    parallel = nn.DataParallel(features)  # keys 'features.module.0.weight'
    network = nn.ModuleDict({'features': parallel, 'classifier': classifier})
    images = torch.randn(2, 3, 99, 99)
    logits = classifier(features(images).flatten(1))
    optimizer = torch.optim.SGD(network.parameters(), 0.0, momentum=0.9)
    logits.sum().backward()
    optimizer.step()
    classifier.eval()
    state = {'state_dict': network.state_dict(), 'optimizer': optimizer.state_dict(), 'epoch': 90}
    path = tmp_path / 'alexnet_places365.pth.tar'
    torch.save(state, path, _use_new_zipfile_serialization=is_zip)

    recipe = recipes.CAFFE.replace(crop_size=99, columns=1, normalization=False)
    model = alexnet.build(recipe, num_classes=5, width=1 / 16)
    file = readers.read(path)
    assert assignment.assign(model, file, recognition.recognize(file))[1] == []
    expected = classifier(features(images).flatten(1)).detach().numpy()
    np.testing.assert_allclose(model(images.numpy().transpose(0, 2, 3, 1)), expected, atol=1e-5)


@pytest.mark.parametrize('is_zip', FORMATS)
def test_a_whole_network_is_refused(is_zip, torch, tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / 'a.pt', _use_new_zipfile_serialization=is_zip)
    with pytest.raises(errors.DataError, match=r'asks for torch\.nn\.modules\.linear\.Linear'):
        readers.read(tmp_path / 'a.pt')
