FROM python:3.12-slim AS build
WORKDIR /srv/clares-law
RUN python -m venv .venv
COPY requirements.lock ./
RUN .venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md alembic.ini ./
COPY migrations migrations
COPY app app
# Editable, so that the migrations lie beside the package as they do in a clone.
RUN .venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --editable .

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /srv/clares-law --shell /usr/sbin/nologin clares-law
WORKDIR /srv/clares-law
COPY --from=build /srv/clares-law /srv/clares-law
ENV PATH=/srv/clares-law/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CLARES_LAW_ENVIRONMENT=production \
    CLARES_LAW_HOST=0.0.0.0 \
    CLARES_LAW_PORT=8000
USER clares-law
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['CLARES_LAW_PORT']}/health/live\", timeout=4)"]
ENTRYPOINT ["clares-law"]
CMD ["serve"]
