"""What `boto.py` starts: boto3 as its documentation has it, told by lines of JSON what to do.

It stays between the goes, so that neither imports nor connections are on its clock.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from bench.pairings import MIB

# The service's own: parts of 8 MiB, two of an upload at a time.
PARTS = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=2)
MOST_THREADS = 64


def upload_file(client: Any, bucket: str, path: str, keys: list[str]) -> None:
    """The whole file under each key, all at the same time."""
    with ThreadPoolExecutor(len(keys)) as pool:
        for done in [
            pool.submit(client.upload_file, path, bucket, key, Config=PARTS) for key in keys
        ]:
            done.result()


def put_object(client: Any, bucket: str, body: bytes, keys: list[str], threads: int) -> None:
    """The same few bytes under each key, by so many threads."""
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda key: client.put_object(Bucket=bucket, Key=key, Body=body), keys):
            pass


def main() -> None:
    """The keys come by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."""
    client = boto3.client(
        "s3",
        endpoint_url=os.environ["S3_ENDPOINT_URL"],
        region_name="us-east-1",
        config=Config(max_pool_connections=MOST_THREADS, s3={"addressing_style": "path"}),
    )
    for line in sys.stdin:
        order = json.loads(line)
        begun = time.perf_counter()
        if order["what"] == "upload_file":
            upload_file(client, order["bucket"], order["path"], order["keys"])
        else:
            with Path(order["path"]).open("rb") as file:
                body = file.read(order["length"])
            begun = time.perf_counter()
            put_object(client, order["bucket"], body, order["keys"], order["threads"])
        print(time.perf_counter() - begun, flush=True)


if __name__ == "__main__":
    main()
