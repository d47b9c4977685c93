# The server with its embedded instrument; a sound card is bound in by docker-compose.yml.
FROM python:3.12-slim-bookworm

RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      libportaudio2 libopus0 libfluidsynth3 timgm6mb-soundfont libasound2 libasound2-plugins libjack-jackd2-0 \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /srv/rtcserver
COPY requirements.txt .
RUN pip install --no-cache-dir --only-binary :all: --no-binary opuslib -r requirements.txt

# Everything but what .dockerignore leaves out: a list of folders here could forget one.
COPY . .
# The root file system is read-only at run time, so the code is compiled now.
# `docker compose exec rtcserver rtcserver link` prints the links that the log does not keep.
RUN printf '#!/bin/sh\nexec python -m rtcserver "$@"\n' > /usr/local/bin/rtcserver && chmod 755 /usr/local/bin/rtcserver
RUN python -m compileall -q rtcserver signaling

# Group audio owns /dev/snd on the usual distributions. The state folder is a volume in docker-compose.yml.
RUN useradd --system --groups audio --home-dir /srv/rtcserver rtcserver \
 && install -d -o rtcserver -g rtcserver /var/lib/rtcserver
USER rtcserver

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    RTCSERVER_STATE_DIR=/var/lib/rtcserver RTCSERVER_HEALTH_FILE=/tmp/rtcserver-health
EXPOSE 8080/tcp 8080/udp
# The server writes the file every 3 s, whatever its scheme and port are. The check starts no interpreter.
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --retries=3 \
  CMD find /tmp/rtcserver-health -newermt '-20 seconds' | grep -q .
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "rtcserver"]
CMD ["serve"]
