"""The straightforward program: Flask's own form parsing, boto3, one document for each file.

What tutorials for "Flask, S3 and MongoDB" come to, to be measured beside the service: the form is
parsed whole before the view runs (large files go through a temporary file), boto3's managed
transfer does the rest, and a download is read into memory. Nothing in it is there to be slow.
Under gunicorn: `bench.speed.straightforward:app`.
"""

import io
import os
import uuid
from datetime import UTC, datetime
from typing import Any

import boto3
import pymongo
from flask import Flask, Response, abort, jsonify, request, send_file
from flask.typing import ResponseReturnValue
from werkzeug.utils import secure_filename

BUCKET = os.environ["S3_BUCKET"]

app = Flask(__name__)
# The keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
s3 = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT_URL"])
client: "pymongo.MongoClient[dict[str, Any]]" = pymongo.MongoClient(os.environ["MONGO_URI"])
files = client.get_default_database()["files"]


@app.post("/files/upload")
def upload() -> ResponseReturnValue:
    """The field `file` of a form: the bytes into the bucket, then a document about them."""
    file = request.files["file"]
    file_id = str(uuid.uuid4())
    name = secure_filename(file.filename or "") or "file"
    content_type = file.mimetype or "application/octet-stream"
    key = f"{file_id}/{name}"
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    s3.upload_fileobj(file, BUCKET, key, ExtraArgs={"ContentType": content_type})
    document = {
        "_id": file_id,
        "name": name,
        "key": key,
        "size": size,
        "content_type": content_type,
        "created_at": datetime.now(UTC),
    }
    files.insert_one(document)
    return jsonify(id=file_id, name=name, size=size, content_type=content_type), 201


@app.get("/files/<file_id>")
def download(file_id: str) -> Response:
    """The bytes, as an attachment."""
    document = _found(file_id)
    body = s3.get_object(Bucket=BUCKET, Key=document["key"])["Body"].read()
    return send_file(
        io.BytesIO(body),
        mimetype=document["content_type"],
        as_attachment=True,
        download_name=document["name"],
    )


@app.delete("/files/<file_id>")
def delete(file_id: str) -> ResponseReturnValue:
    """The bytes, then the document."""
    s3.delete_object(Bucket=BUCKET, Key=_found(file_id)["key"])
    files.delete_one({"_id": file_id})
    return "", 204


def _found(file_id: str) -> dict[str, Any]:
    return files.find_one({"_id": file_id}) or abort(404)
