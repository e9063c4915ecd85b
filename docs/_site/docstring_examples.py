"""A griffe extension: the examples of docstrings, which are not indented here, become sections."""

import re
import textwrap

import griffe


class DocstringExamples(griffe.Extension):
    """Indents the lines below `Example:`, as griffe expects them."""

    def on_object(self, *, obj, **kwargs):
        """Rewrites the docstring of an object before it is parsed."""
        if obj.docstring:
            obj.docstring.value = re.sub(
                r'^Examples?:\n+((?:>>>|```).*?)(?=\n\n\S|\Z)',
                lambda match: 'Examples:\n' + textwrap.indent(match[1], '    '),
                obj.docstring.value,
                flags=re.DOTALL | re.MULTILINE,
            )
