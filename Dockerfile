# The operator, and plugins in a separate virtual environment, so that their requirements can conflict with the
# operator's. docs/install.md describes how to add plugins.
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS build
# pip's own setting, for builds that use a private package index.
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_PROGRESS_BAR=off
# Without setuptools, as Python 3.12 and later create environments.
RUN python3 -m venv --without-pip /opt/floe/operator \
 && python3 -m venv /opt/floe/plugins \
 && /opt/floe/plugins/bin/pip uninstall --quiet --yes setuptools \
 && python3 -m venv /opt/build
ENV PATH=/opt/floe/plugins/bin:$PATH
WORKDIR /src

# Third-party packages are exactly those in the locks; a layer changes only with its lock.
COPY requirements/operator.txt requirements/
RUN pip --python /opt/floe/operator/bin/python install --no-compile --require-hashes -r requirements/operator.txt \
 && cd /opt/floe/operator/lib/python3*/site-packages \
 && find . -name tests -type d -prune -exec rm -r {} + \
 && /opt/floe/operator/bin/python -m compileall -q /opt/floe/operator/lib
COPY requirements/floe-core.txt requirements/build.txt requirements/
RUN pip install --require-hashes -r requirements/floe-core.txt \
 && /opt/build/bin/pip install --require-hashes -r requirements/build.txt

COPY pyproject.toml LICENSE ./
COPY floe_core floe_core
COPY operator operator
COPY crds crds
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . ./operator \
 && pip --python /opt/floe/operator/bin/python install --no-deps /wheels/*.whl \
 && pip install --no-deps /wheels/floe_core-*.whl \
 # Plugins are installed next to this version of floe-core; pip rejects those that require a different one.
 && pip list --format=freeze | grep '^floe.core==' >/opt/floe/constraints.txt \
 # On PATH, `floe-operator` is the operator's; `python` and `pip` are the plugins'.
 && mkdir /opt/floe/bin && ln -s ../operator/bin/floe-operator /opt/floe/bin/

# Requirement specifiers or folders in examples/plugins, separated by spaces.
ARG PLUGINS=""
COPY requirements/plugins.txt requirements/
COPY examples/plugins examples/plugins
# The examples' requirements are locked, too; those of other plugins are up to whoever builds the image.
RUN for plugin in $PLUGINS; do \
      if [ -d "$plugin" ]; then examples="$examples $plugin"; else specifiers="$specifiers $plugin"; fi; \
    done \
 && if [ -n "$examples" ]; then \
      pip download --quiet --require-hashes --dest /wheels/locked -r requirements/plugins.txt \
      && /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels/examples $examples \
      && pip install --no-index --find-links /wheels/locked --constraint /opt/floe/constraints.txt /wheels/examples/*.whl; \
    fi \
 && if [ -n "$specifiers" ]; then pip install --constraint /opt/floe/constraints.txt $specifiers; fi \
 && pip check
# pip's own compiled files are a tenth of the image, and would only save half a second when adding a plugin.
RUN find /opt/floe/plugins/lib/python3*/site-packages/pip -name __pycache__ -prune -exec rm -r {} +


FROM ${BASE_IMAGE}
ARG VERSION=""
ARG REVISION=""
LABEL org.opencontainers.image.title="floe-operator" \
      org.opencontainers.image.description="Mirrors the installed plugins of the floe data platform into FloePlugin objects" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# For libraries that look up their user. /tmp is the only place a pod can write to.
RUN echo 'floe:x:65532:65532::/tmp:/usr/sbin/nologin' >>/etc/passwd && echo 'floe:x:65532:' >>/etc/group
COPY --from=build /opt/floe /opt/floe
# Without the two MALLOC_ settings, glibc keeps the memory used by a burst of work: a tenth of the operator's memory.
ENV PATH=/opt/floe/bin:/opt/floe/plugins/bin:$PATH \
    HOME=/tmp \
    FLOE_PLUGIN_PYTHON=/opt/floe/plugins/bin/python \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=1 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    PIP_CONSTRAINT=/opt/floe/constraints.txt \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["floe-operator"]
CMD ["run"]
