# The REST endpoint alone: it needs neither Spark nor torch. docs/operations.md says how to build and run it.
FROM python:3.12-slim-bookworm AS wheel
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim-bookworm
LABEL org.opencontainers.image.title="entity-matching endpoint" \
      org.opencontainers.image.licenses="Apache-2.0"
# LightGBM runs on OpenMP; whichever version the release of Debian has will do
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=wheel /wheels /tmp/wheels
COPY constraints.txt /tmp/constraints.txt
RUN pip install --no-cache-dir -c /tmp/constraints.txt "$(ls /tmp/wheels/*.whl)[serve]" \
    && rm -r /tmp/wheels /tmp/constraints.txt \
    && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin entity \
    && mkdir /data \
    && chown entity:entity /data
ENV ENTITY_MATCHING_HOME=/data \
    HOME=/tmp \
    PYTHONUNBUFFERED=1
WORKDIR /data
VOLUME /data
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8080/ready', timeout=4)"]
ENTRYPOINT ["entity-matching", "endpoint", "start", "--foreground", "--host", "0.0.0.0"]
CMD ["--port", "8080"]
