# MinIO's community edition is published as source only, so the image is built here.
FROM golang:1.26.8-alpine AS build
# The one place that names the version: servers/build.sh reads this line.
ARG MINIO_VERSION=v0.0.0-20260212201848-7aac2a2c5b7c
RUN CGO_ENABLED=0 go install -ldflags="-s -w" github.com/minio/minio@$MINIO_VERSION

# Alpine rather than scratch, for the wget of the health check.
FROM alpine:3.23
RUN adduser -D -u 10001 minio && mkdir /data /queue && chown minio:minio /data /queue
COPY --from=build /go/bin/minio /usr/local/bin/minio
USER minio
# A fresh named volume takes over the owner of the directory it is mounted on.
VOLUME /data /queue
EXPOSE 9000 9001
# Of MinIO's health pages only this one says no while it could not take a write.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
    CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9000/minio/health/cluster"]
ENTRYPOINT ["minio"]
CMD ["server", "/data", "--console-address", ":9001"]
