#!/usr/bin/env bash
# aioice ends a connection whose every consent check is answered, if the answers take more than half a second.
#
# RFC 7675, section 5.1: each request for consent is sent once, an answer may be to an earlier request than the latest one,
# and consent expires 30 s after the last valid answer. aioice forgets a request after 500 ms, counts it as failed, and closes
# after six in a row. A path of 600 ms (a satellite, a full buffer) is enough; so is a receiver that is too busy to read its
# socket in time, as asyncio reads one datagram a turn of its loop and the answers stand in line behind the media.
#
# Seen with aioice 0.13.0, answers after 400 ms and after 600 ms, for 45 s:
#   answers after 0.4 s: open after 45 s, 9 of 9 checks answered
#   answers after 0.6 s: closed after 32 s, 6 of 6 checks answered
# Fails if the second one stays open, or the first one does not. Takes a minute.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv peer
peer/bin/pip install --quiet --disable-pip-version-check aioice==0.13.0
cat >pair.py <<'PY'
import asyncio
import sys
import time

import aioice
import aioice.ice

aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
WATCHED_S = 45


async def watch(delay_s):
    one, other = aioice.Connection(ice_controlling=True), aioice.Connection(ice_controlling=False)
    for this, that in ((one, other), (other, one)):
        await this.gather_candidates()
        that.remote_username, that.remote_password = this.local_username, this.local_password
        for candidate in this.local_candidates:
            await that.add_remote_candidate(candidate)
        await that.add_remote_candidate(None)
    await asyncio.gather(one.connect(), other.connect())
    asked = answered = 0

    def count_asked(message, to, send):
        nonlocal asked
        asked += message.message_class == aioice.stun.Class.REQUEST
        send(message, to)

    def answer_late(message, to, send):
        nonlocal answered
        answered += message.message_class == aioice.stun.Class.RESPONSE
        # The path is long for what this side sends: its answers, and its own requests, too.
        asyncio.get_running_loop().call_later(delay_s, send_if_open, message, to, send)

    def send_if_open(message, to, send):
        if not send.__self__.transport.is_closing():
            send(message, to)

    for connection, action in ((one, count_asked), (other, answer_late)):
        for protocol in connection._protocols:
            protocol.send_stun = lambda message, to, send=protocol.send_stun, action=action: action(message, to, send)
    began = time.monotonic()
    while time.monotonic() < began + WATCHED_S:
        await asyncio.sleep(0.2)
        try:
            await one.send(b"media")
        except ConnectionError:
            break
    lived = time.monotonic() - began
    is_open = lived >= WATCHED_S
    print(
        f"answers after {delay_s} s: {'open' if is_open else 'closed'} after {lived:.0f} s, "
        f"{answered} of {asked} checks answered",
        flush=True,
    )
    await asyncio.gather(one.close(), other.close())
    return is_open


async def main():
    return await asyncio.gather(watch(0.4), watch(0.6))


sys.exit(0 if asyncio.run(main()) == [True, False] else 1)
PY
peer/bin/python pair.py || { echo "aioice behaves differently" >&2; exit 1; }
