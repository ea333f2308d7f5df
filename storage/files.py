"""What every user of the local disk here needs: whole writes, and errors as ours."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from storage.interfaces import NoSpace, Unavailable

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def disk_errors() -> Iterator[None]:
    """`OSError` as `NoSpace` or `Unavailable`. Not for code that also reads from a client."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise NoSpace(str(error)) from error
        raise Unavailable(f"files: {error}") from error


def write_all(descriptor: int, content: memoryview) -> None:
    """Write `content`, however often the system takes only some of it. Raises OSError."""
    written = 0
    while written < len(content):
        written += os.write(descriptor, content[written:])
