# The server with its embedded instrument; a sound card is bound in by docker-compose.yml.
FROM python:3.12-slim-bookworm

RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      libportaudio2 libopus0 libfluidsynth3 timgm6mb-soundfont libasound2 libasound2-plugins libjack-jackd2-0 \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /srv/rtcserver
COPY requirements.txt .
RUN pip install --no-cache-dir --only-binary :all: --no-binary opuslib -r requirements.txt

COPY rtcserver rtcserver
COPY signaling signaling
COPY static static

# Group audio owns /dev/snd on the usual distributions.
RUN useradd --system --groups audio --home-dir /srv/rtcserver rtcserver
USER rtcserver

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
EXPOSE 8080/tcp 8080/udp
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "rtcserver"]
CMD ["serve"]
