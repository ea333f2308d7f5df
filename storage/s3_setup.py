"""What is made once at an S3 store: the bucket, and the notification of its events."""

from typing import Any

from storage.interfaces import NotFound
from storage.s3_client import Clients, translated

NOTIFICATION_ID = "file-drop"
# By the service of the target's ARN: the list that it stands in, and its member for the ARN.
_TARGETS = {
    "sqs": ("QueueConfigurations", "QueueArn"),
    "sns": ("TopicConfigurations", "TopicArn"),
    "lambda": ("LambdaFunctionConfigurations", "LambdaFunctionArn"),
}
_EVENTS = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]


def make_bucket(clients: Clients, bucket: str, region: str) -> bool:
    """Make the bucket unless it is there; says whether it was made. Raises `Unavailable`."""
    try:
        with translated():
            clients.usual.head_bucket(Bucket=bucket)
        return False
    except NotFound:
        # AWS refuses its oldest region as a constraint (S3 API reference, CreateBucket).
        constraint = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        with translated():
            clients.usual.create_bucket(
                Bucket=bucket, **({} if region == "us-east-1" else constraint)
            )
        return True


def set_notification(clients: Clients, bucket: str, arn: str) -> bool:
    """Let the bucket notify `arn` of what is created and removed; says whether it was changed.

    Whatever else the bucket notifies of is left as it is: S3 takes a whole configuration
    only (S3 API reference, PutBucketNotificationConfiguration). Raises `Unavailable`, also
    where the store knows no such target.
    """
    with translated():
        found = clients.usual.get_bucket_notification_configuration(Bucket=bucket)
        found.pop("ResponseMetadata", None)
        wanted = _with_target(found, arn)
        if wanted == found:
            return False
        clients.usual.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=wanted
        )
    return True


def _with_target(found: dict[str, Any], arn: str) -> dict[str, Any]:
    """The configuration with ours in it, and not an older one of ours."""
    _, partition, service, *_ = arn.split(":")
    listed, member = _TARGETS[service]
    ours = {"Id": NOTIFICATION_ID, member: arn, "Events": _events(partition)}
    others = {
        name: [one for one in configurations if one.get("Id") != NOTIFICATION_ID]
        for name, configurations in found.items()
        if isinstance(configurations, list)
    }
    return {**found, **others, listed: [*others.get(listed, []), ours]}


def _events(partition: str) -> list[str]:
    """MinIO has no event for what a lifecycle rule expires: it reports that as removed."""
    return _EVENTS if partition == "minio" else [*_EVENTS, "s3:LifecycleExpiration:*"]
