# What fetches models: `parley models`, and nothing else.
#   docker build -f deploy/models.Dockerfile -t parley-models . && docker run --rm parley-models list
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY requirements/images/models.lock requirements.lock
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install --no-deps --require-hashes --only-binary :all: -r requirements.lock

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin parley \
    && mkdir /models && chown 10001:10001 /models
LABEL org.opencontainers.image.title="Parley: models" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HF_HOME=/tmp/huggingface HF_HUB_DISABLE_TELEMETRY=1 PARLEY_MODELS_DIR=/models
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY services/__init__.py services/__init__.py
COPY services/common services/common
COPY parley parley
USER 10001:10001
ENTRYPOINT ["python", "-m", "parley.cli", "models"]
CMD ["list"]
