"""Events of a time when the service is down: delivered later, and mended where they are lost."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.delivery.conftest import House
from tests.delivery.test_citizens import restart_notification, without_notification
from tests.servers.processes import ROOT


def test_delivered_when_the_service_is_back(house: House) -> None:
    with house.service():
        house.put("down/removed.png")
        house.put("down/replaced.png")
        house.wait_known("down/removed.png", "down/replaced.png")
    keys = [f"down/{number}.png" for number in range(20)]
    for key in keys:
        house.put(key)
    house.s3.delete_object(Bucket=house.bucket, Key="down/removed.png")
    house.put("down/replaced.png", b"other content")
    with house.service():
        house.wait_known(*keys)
        house.wait_unknown("down/removed.png")
        house.wait(lambda: house.document("down/replaced.png")["file_size"] == 13, "not replaced")


def test_what_is_lost_is_mended_by_reconcile(house: House) -> None:
    with house.service():
        house.put("lost/removed.png")
        house.put("lost/replaced.png")
        house.wait_known("lost/removed.png", "lost/replaced.png")
        without_notification(house)
        try:
            house.put("lost/new.png")
            house.put("lost/replaced.png", b"other content")
            house.s3.delete_object(Bucket=house.bucket, Key="lost/removed.png")
            found = {"unknown_object": 1, "changed_object": 1, "missing_object": 1}
            assert reconciled(house, "--dry-run", status=1)["found"] == found
            assert house.metadata("lost/new.png") is None
            assert reconciled(house)["mended"] == found
            assert reconciled(house)["found"] == {}
        finally:
            restart_notification(house)
        assert house.metadata("lost/removed.png") is None
        assert house.metadata("lost/new.png") is not None
        assert house.document("lost/replaced.png")["file_size"] == 13


def reconciled(house: House, *options: str, status: int = 0) -> dict[str, Any]:
    """The summary that the command printed."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "reconcile", *options],
        cwd=ROOT,
        env={**house.env, "DATA_DIR": str(house.folder / "data")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return {name: _without_zeros(value) for name, value in summary.items()}


def _without_zeros(value: Any) -> Any:
    return {k: v for k, v in value.items() if v} if isinstance(value, dict) else value


def test_the_notification_is_set_once(house: House) -> None:
    def made() -> str:
        done = subprocess.run(
            [sys.executable, "create_bucket.py"],
            cwd=ROOT,
            env={**house.env, "DATA_DIR": str(house.folder / "data")},
            capture_output=True,
            text=True,
            check=True,
        )
        return next(line for line in done.stdout.splitlines() if line.startswith("notification"))

    other = {"Id": "other", "QueueArn": house.env["EVENTS_ARN"], "Events": ["s3:ObjectAccessed:*"]}
    house.s3.put_bucket_notification_configuration(
        Bucket=house.bucket, NotificationConfiguration={"QueueConfigurations": [other]}
    )
    assert made() == f"notification {house.env['EVENTS_ARN']}: made"
    assert made() == f"notification {house.env['EVENTS_ARN']}: was there"
    found = house.s3.get_bucket_notification_configuration(Bucket=house.bucket)
    assert {one["Id"] for one in found["QueueConfigurations"]} == {"other", "file-drop"}


def test_an_unknown_target_is_named(house: House) -> None:
    env = {**house.env, "EVENTS_ARN": "arn:minio:sqs::NOBODY:webhook"}
    done = subprocess.run(
        [sys.executable, "create_bucket.py"],
        cwd=ROOT,
        env={**env, "DATA_DIR": str(house.folder / "data")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "destination ARN does not exist" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arn", ["", "arn:minio:sqs::FILEDROP:webhook"])
def test_without_a_target_it_says_what_to_do(house: House, arn: str) -> None:
    done = subprocess.run(
        [sys.executable, "create_bucket.py"],
        cwd=ROOT,
        env={**house.env, "EVENTS_ARN": arn, "DATA_DIR": str(house.folder / "data")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("EVENTS_ARN" in done.stderr) == (arn == "")
