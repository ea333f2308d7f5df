"""Notifications as senders make them: built here, or recorded at a real MinIO in `records/`."""

from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

RECORDED = sorted((Path(__file__).parent / "records").glob("*.json"))
TIME = "2026-03-09T18:00:00.000Z"
PUT, REMOVED = "ObjectCreated:Put", "ObjectRemoved:Delete"


def record(
    key: str,
    /,
    event_name: str = PUT,
    bucket: str = "theirs",
    time: str | None = TIME,
    **thing: Any,
) -> dict[str, Any]:
    """One record with what the service reads of it; `thing` is `size`, `eTag`, `sequencer`."""
    s3 = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key), **thing}}
    return {"eventName": event_name, "eventTime": time, "s3": s3}


def notification(*records: Any) -> dict[str, Any]:
    return {"Records": list(records)}


def of_aws(key: str, **thing: Any) -> dict[str, Any]:
    """The message of the S3 user guide ("Event message structure"), all members of it."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-west-2",
                "eventTime": "1970-01-01T00:00:00.000Z",
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": "AIDAJDPLRKLG7UEXAMPLE"},
                "requestParameters": {"sourceIPAddress": "192.0.2.1"},
                "responseElements": {
                    "x-amz-request-id": "C3D13FE58DE4C810",
                    "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S",
                },
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "testConfigRule",
                    "bucket": {
                        "name": "amzn-s3-demo-bucket",
                        "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                        "arn": "arn:aws:s3:::amzn-s3-demo-bucket",
                    },
                    "object": {
                        "key": key,
                        "size": 1024,
                        "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                        "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
                        "sequencer": "0055AED6DCD90281E5",
                        **thing,
                    },
                },
                "glacierEventData": {
                    "restoreEventData": {
                        "lifecycleRestorationExpiryTime": "1970-01-01T00:00:00.000Z",
                        "lifecycleRestoreStorageClass": "GLACIER",
                    }
                },
            }
        ]
    }


# What AWS sends when a notification is configured, before any event.
TEST_EVENT = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2014-10-13T15:57:02.089Z",
    "Bucket": "amzn-s3-demo-bucket",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
}
