FROM python:3.13-slim

WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
# The code stays root's: the server can write to its data and nothing else.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin app \
    && install -d -o app -g app -m 700 /data
COPY . .

# Whoever publishes the port decides who may come in: with HOST open, the server asks for AUTH or ALLOW_ANONYMOUS.
ENV HOST=0.0.0.0 PORT=8000 DATA_DIR=/data PYTHONUNBUFFERED=1
USER app
# A fresh named volume takes over the owner of the directory that it is mounted on.
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
# http.client, because urllib would send this through a proxy where HTTP_PROXY is set.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", "\
import http.client, os, sys; \
c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); \
c.request('GET', os.environ.get('URL_PREFIX', '').rstrip('/') + '/healthz'); \
sys.exit(c.getresponse().status != 200)"]
CMD ["gunicorn", "-c", "gunicorn.conf.py", "app:create_app()"]
