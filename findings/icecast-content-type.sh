#!/usr/bin/env bash
# Icecast 2.4.4 takes "audio/ogg; codecs=opus" for no Ogg, and its later listeners get no headers.
#
# RFC 7845, section 9: "audio/ogg; codecs=opus" is how an Ogg Opus stream says what it is. Icecast compares the whole text
# with its own list (audio/ogg, application/ogg, ...). What is not there is relayed as bytes without a format, so whoever comes
# later begins in the middle of the stream, without OpusHead, which no player can decode.
#
# Seen with icecast2 2.4.4-4 (Debian):
#   audio/ogg: OpusHead
#   audio/ogg; codecs=opus: no OpusHead
# Fails if either line changes. Needs icecast2, ffmpeg and python3; takes 15 s.
set -euo pipefail
folder="$(mktemp -d)"
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
chmod 777 "$folder"
cd "$folder"
ffmpeg -loglevel error -f lavfi -i anoisesrc=duration=60:amplitude=0.1 -c:a libopus -b:a 160k -page_duration 100000 sound.opus
cat >source.py <<'PY'
"""Serves sound.opus at its own pace: /plain as audio/ogg, /codecs with the parameter."""
import http.server, socketserver, sys, time
KINDS = {"/plain": "audio/ogg", "/codecs": "audio/ogg; codecs=opus"}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", KINDS[self.path])
        self.end_headers()
        data = open("sound.opus", "rb").read()
        for at in range(0, len(data), 4000):
            self.wfile.write(data[at : at + 4000])
            self.wfile.flush()
            # A little faster than it sounds, so that more than the burst of a join comes within ten seconds.
            time.sleep(0.05)
    def log_message(self, *args):
        pass
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
PY
python3 source.py >port &
until [ -s port ]; do sleep 0.1; done
source_port="$(cat port)"
icecast_port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
relay() {
  echo "<relay><server>127.0.0.1</server><port>$source_port</port><mount>$1</mount><local-mount>$1</local-mount></relay>"
}
cat >icecast.xml <<XML
<icecast>
<limits><clients>20</clients><sources>4</sources><burst-size>4096</burst-size></limits>
<authentication><source-password>x</source-password><admin-user>x</admin-user><admin-password>x</admin-password></authentication>
<hostname>localhost</hostname>
<listen-socket><port>$icecast_port</port><bind-address>127.0.0.1</bind-address></listen-socket>
$(relay /plain)
$(relay /codecs)
<paths><basedir>$folder</basedir><logdir>$folder</logdir><webroot>$folder</webroot><adminroot>$folder</adminroot></paths>
</icecast>
XML
owner=()
if [ "$(id -u)" = 0 ]; then owner=(setpriv --reuid=65534 --regid=65534 --clear-groups); fi
"${owner[@]}" icecast2 -c icecast.xml >/dev/null 2>&1 &
sleep 8
seen=""
for mount in plain codecs; do
  first="$( (curl -s -m 2 "http://127.0.0.1:$icecast_port/$mount" || true) | head -c 2000 | tr -d '\0')"
  if [[ $first == *OpusHead* ]]; then said=OpusHead; else said="no OpusHead"; fi
  [ -n "$first" ] || said="nothing"
  seen+="$mount: $said"$'\n'
done
seen="${seen/plain:/audio\/ogg:}"
seen="${seen/codecs:/audio\/ogg; codecs=opus:}"
echo -n "$seen"
[ "$seen" = $'audio/ogg: OpusHead\naudio/ogg; codecs=opus: no OpusHead\n' ]
