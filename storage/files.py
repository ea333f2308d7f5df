"""What every user of the local disk here needs: whole writes, and errors as ours."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from storage.interfaces import NoSpace, Unavailable

_DIRECT = getattr(os, "O_DIRECT", 0)  # Linux and the BSDs have it
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


class Direct:
    """A file that is written past the system's cache, one aligned piece after the other.

    That costs no copy, and leaves the cache to what is read (open(2), O_DIRECT). Where the file
    system cannot do it, or not so, the writes are like all others. Methods raise OSError.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        with suppress(OSError):
            self._set(_DIRECT)

    def write(self, content: memoryview) -> None:
        """Write whole pages that begin on a page, in memory and in the file."""
        written = 0
        while written < len(content):
            try:
                written += os.write(self._descriptor, content[written:])
            except OSError as error:
                if error.errno != errno.EINVAL or not self._is_direct():
                    raise
                self.end()

    def end(self) -> None:
        """From here on, writes are like all others."""
        self._set(0)

    def _set(self, direct: int) -> None:
        flags = fcntl.fcntl(self._descriptor, fcntl.F_GETFL) & ~_DIRECT
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, flags | direct)

    def _is_direct(self) -> bool:
        return bool(fcntl.fcntl(self._descriptor, fcntl.F_GETFL) & _DIRECT)
