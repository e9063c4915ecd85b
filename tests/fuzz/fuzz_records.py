"""Fuzzes the readers of TFRecords, of tar archives and of pickled arrays.

`python tests/fuzz/fuzz_records.py --minutes 60` looks for files that end a process, hang, take
gigabytes, or fail in another way than is documented. The first byte of an input chooses the reader.
Checksums are put right before the readers see them, since mutations break them.
"""

import contextlib
import gzip
import io
import os
import pathlib
import pickle
import re
import struct
import sys
import tempfile
import zlib

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
os.environ['CUDA_VISIBLE_DEVICES'] = ''
ROOT = pathlib.Path(__file__).parents[2]
TESTS = ROOT / 'tests' / 'input_pipeline'
sys.path[:0] = map(str, [ROOT, TESTS / 'sources', TESTS / 'records', pathlib.Path(__file__).parent])

import fuzzing  # noqa: E402 - its place is known from here on
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

FUZZED = ['input_pipeline.array_pickle', 'input_pipeline.records', 'input_pipeline.sources']
with fuzzing.import_atheris().instrument_imports(include=[*FUZZED, 'tarfile']):
    import conftest as imitation
    import framing_test
    import tfrecords_test

    from input_pipeline import array_pickle, errors
    from input_pipeline.records import checking, manifests
    from input_pipeline.sources import archives, tfrecords

ANY, TAR = re.compile('.*', re.DOTALL), re.compile(r'.*\.tar')
SHARD, TAR_FILE = 'train-00000-of-00001', 'images.tar'


def read_records(content: bytes) -> None:
    """Reads a file of records as a source of images, and as one that was prepared."""
    path = FOLDER / SHARD
    path.write_bytes(content)
    with contextlib.suppress(errors.DataError):
        source = tfrecords.find_images(str(FOLDER), copies_dir=FOLDER / 'copies')
        for entry in source.splits['train']:
            entry.read()
    for layout in (manifests.Layout(square_size=16), manifests.Layout('raw', 4)):
        checking.find_first_unreadable([(str(path), 1)], layout)


def read_examples(content: bytes) -> None:
    """Reads two records whose checksums are right."""
    with tf.io.TFRecordWriter(str(FOLDER / 'example')) as writer:
        writer.write(content)
        writer.write(EXAMPLE)
    read_records((FOLDER / 'example').read_bytes())


def read_forged(content: bytes) -> None:
    """Reads records whose first length has the right checksum, whatever it claims."""
    head = content[:8].ljust(8, b'\0')
    read_records(head + struct.pack('<I', framing_test.compute_crc(head)) + content[8:])


def read_tar(content: bytes) -> None:
    """Reads archives, plain, nested and small ones, the checksums of whose headers are right."""
    content, path = bytearray(content), FOLDER / TAR_FILE
    for start in range(0, len(content) - 511, 512):
        if content[start + 257 : start + 262] == b'ustar':
            content[start + 148 : start + 156] = b' ' * 8
            content[start + 148 : start + 156] = b'%06o\0 ' % sum(content[start : start + 512])
    path.write_bytes(content)
    with contextlib.suppress(errors.DataError):
        for _, member in archives.iter_members(path, ANY):
            with contextlib.suppress(ValueError, OSError):  # documented
                member()
    with contextlib.suppress(errors.DataError):
        for *_, member in archives.iter_nested_members(path, TAR, ANY):
            with contextlib.suppress(ValueError, OSError):  # documented
                member()
    read_kit(content)


def read_kit(content: bytes) -> None:
    (FOLDER / TAR_FILE).write_bytes(content)
    with contextlib.suppress(errors.DataError):
        archives.read_files(FOLDER / TAR_FILE, ['a.jpg', 'meta.mat'])


def read_pickle(content: bytes) -> None:
    """Reads a pickle. Any exception is a refusal, but not one that it is out of memory."""
    try:
        array_pickle.load(io.BytesIO(content))
    except MemoryError:
        raise
    except Exception:
        pass


READERS = [read_records, read_examples, read_forged, read_tar, read_kit, read_pickle]


def read(data: bytes) -> None:
    """Reads a file with the reader that the first byte chooses."""
    READERS[data[0] % len(READERS) if data else 0](data[1:])


def list_seeds():
    """Yields a file for each reader, as programs write them."""
    tfrecords_test.write(FOLDER / 'seed', [tfrecords_test.slim_row(imitation, i) for i in range(4)])
    records = (FOLDER / 'seed').read_bytes()
    members = {'a.jpg': imitation.make_image(1), 'd/' * 60 + 'meta.mat': b'text'}
    inner = imitation.make_tar(members)
    tars = [inner, imitation.make_tar({'inner.tar': inner}), inner[:-1024]]
    arrays = {'data': np.arange(12, dtype=np.uint8).reshape(3, 4), b'labels': [0, 1.5, None, 'a']}
    files = {
        read_records: [records, gzip.compress(records), zlib.compress(records), records[:-9]],
        read_examples: [EXAMPLE],
        read_forged: [records, struct.pack('<Q', 1 << 60) + records, struct.pack('<Q', 5 << 30)],
        read_tar: tars,
        read_kit: [*map(gzip.compress, tars), *tars],
        read_pickle: [pickle.dumps(arrays, protocol) for protocol in range(6)],
    }
    for number, reader in enumerate(READERS):
        for content in files[reader]:
            yield bytes([number]) + content


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        rows = [tfrecords_test.slim_row(imitation, index) for index in range(4)]
        tfrecords_test.write(FOLDER / 'validation-00000-of-00001', rows)
        EXAMPLE = tfrecords_test.serialize(rows[0])
        fuzzing.run(read, list_seeds(), __doc__)
