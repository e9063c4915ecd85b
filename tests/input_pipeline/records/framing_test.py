"""Records are read until one that is damaged, whatever its length claims."""

import struct

import pytest
import tensorflow as tf

from input_pipeline.records import framing

RECORDS = [b'one', b'', b'three' * 100]


def compute_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    crc ^= 0xFFFFFFFF
    return (crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF


def make_head(length):
    encoded = struct.pack('<Q', length)
    return encoded + struct.pack('<I', compute_crc(encoded))


@pytest.fixture
def path(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / 'records')) as writer:
        for record in RECORDS:
            writer.write(record)
    return tmp_path / 'records'


def read(path):
    """Returns the records that were read, and whether the rest is damaged."""
    records = []
    try:
        for record in framing.iter_records(path):
            records.append(record.numpy())
    except tf.errors.OpError:
        return records, True
    return records, False


def test_records_are_read(path):
    assert read(path) == (RECORDS, False)
    path.write_bytes(b'')
    assert read(path) == ([], False)


@pytest.mark.parametrize(
    'damage', [make_head(1 << 60) + b'abc', make_head((1 << 64) - 1), make_head(5), bytes(7)]
)
def test_a_record_beyond_the_end_of_the_file_is_damaged(path, damage):
    """TensorFlow would allocate the first, whose checksum is right, and end the process."""
    assert make_head(3) == path.read_bytes()[:12]
    path.write_bytes(path.read_bytes() + damage)
    assert read(path) == (RECORDS, True)


def test_a_record_of_more_than_a_gigabyte_is_damaged(path):
    with path.open('ab') as file:
        file.write(make_head((1 << 30) + 1))
        file.truncate(2 << 30)
    assert read(path) == (RECORDS, True)


def test_a_flipped_byte_is_damage(path):
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    assert read(path) == (RECORDS[:2], True)
