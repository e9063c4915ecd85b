"""ImageNet's classes: three ways to number them, one label.

A label is a class's place among the WordNet ids (WNIDs) of all classes in sorted order, from 0. The
development kits number classes 1 to 1000 in an order of their own, another one each year.
"""

import dataclasses
import io
import re
from collections.abc import Iterable, Sequence

from input_pipeline import errors

WNID = re.compile(r'n\d{8}')


@dataclasses.dataclass(frozen=True)
class Classes:
    """The classes of a data set in label order.

    Attributes:
        wnids: As 'n01440764', sorted.
        words: What each means, in English; '' where that is not known.
        ids: ILSVRC ids; 0 where they are not known.
    """

    wnids: tuple[str, ...]
    words: tuple[str, ...]
    ids: tuple[int, ...]

    def labels(self) -> dict[str, int]:
        """Label by WNID."""
        return {wnid: label for label, wnid in enumerate(self.wnids)}

    def labels_of_ids(self) -> dict[int, int]:
        """Label by ILSVRC id."""
        return {number: label for label, number in enumerate(self.ids)}


def of(rows: Iterable[tuple[str, str, int]]) -> Classes:
    """Classes of (WNID, words, ILSVRC id) in any order."""
    return Classes(*(tuple(column) for column in zip(*sorted(rows), strict=True)))


def of_names(wnids: Iterable[str], words: dict[str, str] | None = None) -> Classes:
    """Classes of which there is no development kit."""
    return of((wnid, (words or {}).get(wnid, ''), 0) for wnid in wnids)


def of_development_kit(data: bytes, year: int, file: str) -> Classes:
    """The classes in a development kit's `meta.mat` that pictures are given of.

    Args:
        data: The file's content.
        year: 2010 or 2012.
        file: For messages.

    Raises:
        DataError: It is not that year's.
        PackageMissing: SciPy is not installed.
    """
    try:
        import scipy.io  # only ImageNet's archives need it
    except ImportError as error:
        raise errors.PackageMissing(
            f"{file}: SciPy reads the development kit's classes: "
            'pip install "alexnet_tf[imagenet]".'
        ) from error
    field = f'ILSVRC{year}_ID'
    try:
        rows = scipy.io.loadmat(io.BytesIO(data), squeeze_me=True)['synsets']
        if field not in rows.dtype.names:
            years = [name for name in rows.dtype.names if name.endswith('_ID')]
            raise errors.DataError(
                f'{file} has {", ".join(years)} where {field} is wanted: it is the development '
                'kit of another year, which numbers other classes.'
            )
        # What has children is no class but what several are.
        leaves = [row for row in rows.reshape(-1) if int(row['num_children']) == 0]
        return of((str(row['WNID']), str(row['words']), int(row[field])) for row in leaves)
    except errors.DataError:
        raise
    except Exception as error:  # SciPy fails in any way on broken files
        raise errors.DataError(f'{file} is no meta.mat of a development kit ({error}).') from error


def text_of(data: bytes, file: str) -> str:
    """Text in UTF-8, with or without a mark in front.

    Raises:
        DataError: It is no such text.
    """
    try:
        return data.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise errors.DataError(f'{file} is no text in UTF-8 ({error}).') from error


def words_of(text: str, file: str) -> dict[str, str]:
    """Words by WNID of lines such as 'n01440764 tench, Tinca tinca'.

    Raises:
        DataError: A line of another form.
    """
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        wnid, _, words = line.strip().partition(' ')
        if not WNID.fullmatch(wnid):
            raise errors.DataError(f'{file}, line {number}: {line[:40]!r} has no WNID in front.')
        found[wnid] = words.strip()
    return found


def ground_truth(text: str, classes: Classes, pictures: int, file: str) -> list[int]:
    """Labels of pictures in the order of their names, from lines of ILSVRC ids, or of WNIDs.

    Args:
        text: The file's content.
        classes: Those that lines may name.
        pictures: So many lines there must be.
        file: For messages.

    Raises:
        DataError: Another number of lines, or one that names none of the classes.
    """
    lines = text.split()
    if len(lines) != pictures:
        raise errors.DataError(
            f'{file} has {len(lines):,} labels for {pictures:,} pictures. One of them is of '
            'another set, or cut short.'
        )
    known = _known(classes)
    wrong = next((at for at, line in enumerate(lines) if line not in known), None)
    if wrong is not None:
        raise errors.DataError(
            f'{file}, line {wrong + 1}: {lines[wrong][:40]!r} names none of the '
            f'{len(classes.wnids):,} classes.'
        )
    return [known[line] for line in lines]


def _known(classes: Classes) -> dict[str, int]:
    by_id = {str(number): label for number, label in classes.labels_of_ids().items() if number}
    return by_id | classes.labels()


def check_same(found: Sequence[str], classes: Classes, what: str) -> None:
    """Refuses WNIDs that are not exactly those of the classes.

    Raises:
        DataError: Some are missing, or too many; `what` begins the message.
    """
    missing = sorted(set(classes.wnids) - set(found))
    surplus = sorted(set(found) - set(classes.wnids))
    if missing or surplus:
        more = f'{len(missing)} of {len(classes.wnids):,} classes are missing'
        more += f' ({", ".join(missing[:3])})' if missing else ''
        more += f', {len(surplus)} are unknown ({", ".join(surplus[:3])})' if surplus else ''
        raise errors.DataError(
            f'{what}: {more}. The archive is not whole, or the list of classes is of another year.'
        )
