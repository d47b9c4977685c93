# The server with its embedded instrument; docker-compose.*.yml add a sound card, a sound server or JACK.
# What is only needed to build the image stays in the first two stages.

FROM python:3.12-slim-bookworm AS sound
# These packages depend on video codecs, X11 and Mesa (370 MB), which nothing here calls: what PortAudio, FluidSynth, Opus
# and the two plug-ins of ALSA are linked against is a tenth of it.
# The release is the pin: Debian's mirrors drop a version of a package as soon as there is a newer one.
# hadolint ignore=DL3008
RUN find /usr /etc ! -type d > /before \
 && apt-get update \
 && apt-get install -y --no-install-recommends \
      libportaudio2 libopus0 libfluidsynth3 timgm6mb-soundfont libasound2 libasound2-plugins libjack-jackd2-0 \
 && if [ "$(dpkg --print-architecture)" = amd64 ]; then apt-get install -y --no-install-recommends libipsec-mb1; fi \
 && rm -rf /var/lib/apt/lists/*
COPY deploy/collect-libraries /usr/local/bin/
RUN collect-libraries /before /sound \
      /usr/lib/*-linux-gnu/libportaudio.so.2 /usr/lib/*-linux-gnu/libopus.so.0 /usr/lib/*-linux-gnu/libfluidsynth.so.3 \
      /usr/lib/*-linux-gnu/libjack.so.0 /usr/lib/*-linux-gnu/libasound.so.2 \
      /usr/lib/*-linux-gnu/alsa-lib/*_pulse.so /usr/lib/*-linux-gnu/alsa-lib/*_pcm_jack.so \
      /etc/alsa /usr/share/alsa /usr/share/sounds/sf2/TimGM6mb.sf2 \
 && find /usr/lib -name libIPSec_MB.so.1 -exec collect-libraries /before /sound {} +

FROM python:3.12-slim-bookworm AS packages
WORKDIR /build
COPY requirements.lock requirements-build.lock ./
# Wheels only, but for opuslib, which is published as source; every file is checked against the lock's hashes.
RUN pip install --no-cache-dir --require-hashes -r requirements-build.lock \
 && pip wheel --no-cache-dir --no-deps --require-hashes --no-build-isolation \
      --only-binary :all: --no-binary opuslib --wheel-dir /wheels -r requirements.lock \
 && pip install --no-cache-dir --no-deps --no-index --prefix /packages /wheels/*.whl \
 && find /packages \( -name tests -o -name include -o -name f2py \) -type d -prune -exec rm -r {} + \
 && find /packages \( -name '*.pyi' -o -name '*.px[di]' -o -name '*.pyx' -o -name '*.[ch]' -o -name '*.a' \) -delete

FROM python:3.12-slim-bookworm
COPY --from=sound /sound/ /
COPY --from=packages /packages/ /usr/local/
# Nothing is installed into a running container, so it has no installer. `docker compose exec rtcserver rtcserver link`
# prints the links that the log does not keep. The state folder is a volume, which an override's user may have to write.
RUN pip uninstall -y --quiet --root-user-action=ignore pip \
 && rm -r /usr/local/lib/python3.12/ensurepip \
 && ldconfig \
 && useradd --system --uid 999 --groups audio --home-dir /srv/rtcserver rtcserver \
 && install -d -o rtcserver -g rtcserver -m 1777 /var/lib/rtcserver \
 && printf '#!/bin/sh\nexec python -m rtcserver "$@"\n' > /usr/local/bin/rtcserver \
 && chmod 755 /usr/local/bin/rtcserver

WORKDIR /srv/rtcserver
# Everything but what .dockerignore leaves out: a list of folders here could forget one.
COPY . .
# The root file system is read-only at run time, so all code is compiled now: ours, and what it imports of Python's library.
# An import that fails for want of a library ends the build.
RUN python -c "import importlib, pkgutil; \
[importlib.import_module(m.name) for p in ('rtcserver', 'signaling') for m in pkgutil.walk_packages([p], p + '.') \
 if not m.name.endswith('__main__')]" \
 && python -m rtcserver --help > /dev/null

USER 999
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=1 \
    RTCSERVER_STATE_DIR=/var/lib/rtcserver RTCSERVER_HEALTH_FILE=/tmp/rtcserver-health
EXPOSE 8080/tcp 8080/udp
# The server writes the file every 3 s, whatever its scheme and port are. The check is one small process: a file that is
# missing or older than 20 s makes it fail. A machine that takes minutes to start is "starting", not "unhealthy".
HEALTHCHECK --interval=10s --timeout=5s --start-period=180s --retries=3 \
  CMD ["find", "/tmp/rtcserver-health", "-not", "-newermt", "-20 seconds", "-exec", "false", "{}", "+"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "rtcserver"]
CMD ["serve"]
