"""The MinIO client `mc`, to write into a bucket as a person would: past the service."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.servers.stores import ACCESS_KEY, SECRET_KEY, binary

SECONDS = 60.0


class Failed(Exception):
    """`mc` ended with an error; the text is what it said."""


@dataclass(frozen=True)
class Mc:
    """The client for the server at `url`; what it keeps for itself lies in `folder`."""

    folder: Path
    url: str
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY

    def put(self, local: Path, bucket: str, key: str) -> None:
        """Copy a file to exactly this key. After a last `/` mc itself adds the file's name."""
        if not local.is_file():
            raise Failed(f"{local} is no file")  # mc says nothing about it and ends with 0
        self._run("put", str(local), _target(bucket, key))

    def remove(self, bucket: str, key: str) -> None:
        """Raises `Failed` if there is no such object."""
        self.remove_many(bucket, [key])

    def remove_many(self, bucket: str, keys: list[str]) -> None:
        """Remove what there is, then raise `Failed` if one of them was not there."""
        self._run("rm", *(_target(bucket, key) for key in keys))

    def remove_recursive(self, bucket: str, prefix: str = "") -> None:
        """Remove all under a prefix, by default all of the bucket; it may be nothing."""
        self._run("rm", "--recursive", "--force", _target(bucket, prefix))

    def _run(self, *arguments: str) -> None:
        scheme, _, address = self.url.partition("://")
        env = {
            "MC_CONFIG_DIR": str(self.folder / "mc"),
            "MC_HOST_store": f"{scheme}://{self.access_key}:{self.secret_key}@{address}",
        }
        done = subprocess.run(
            [binary("mc"), "--quiet", "--no-color", *arguments],
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise Failed(f"mc {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")


def _target(bucket: str, key: str) -> str:
    return f"store/{bucket}/{key}"
