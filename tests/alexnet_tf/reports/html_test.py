"""Elements of the HTML page."""

import os

from alexnet_tf.reports import html


def test_text_is_escaped_in_every_element():
    text = '<b>"&'
    escaped = '&lt;b&gt;&quot;&amp;'
    elements = [
        html.heading(text),
        html.paragraph(text),
        html.code(text),
        html.table([text], [[text]]),
        html.image(b'', text),
        html.gallery([(b'', text)]),
        html.document(text, []),
    ]
    assert all(escaped in element and text not in element for element in elements)


def test_file_names_may_hold_any_bytes():
    html.paragraph(os.fsdecode(b'\xff.jpg')).encode()
