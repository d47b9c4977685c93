#!/usr/bin/env bash
# pion/webrtc 4.2.3 refuses an answer that rejects a media line with payload types that have no a=rtpmap.
#
# RFC 3264, section 6: of a rejected stream (port 0) "the media format list in the answer is ignored", though there must
# be one. pion looks each format up all the same, and fails as a whole: no sound either. The format 0, which has a static
# meaning (RFC 3551), is taken.
#
# Seen with pion/webrtc 4.2.3 and Go 1.26.8:
#   96: payload type not found
#   0: <nil>
# Fails if either line changes. Needs Go; takes a minute.
set -euo pipefail
folder="$(mktemp -d)"
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
export GOPATH="$folder/go" GOFLAGS=-mod=mod
cat >go.mod <<'MOD'
module finding

go 1.24

require github.com/pion/webrtc/v4 v4.2.3
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"strings"

	"github.com/pion/webrtc/v4"
)

func answer(formats string) string {
	fingerprint := strings.TrimSuffix(strings.Repeat("AB:", 32), ":")
	return strings.Join([]string{
		"v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 1",
		"m=video 0 UDP/TLS/RTP/SAVPF " + formats, "c=IN IP4 0.0.0.0", "a=mid:0", "a=inactive",
		"m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=mid:1", "a=sendonly", "a=rtcp-mux",
		"a=rtpmap:111 opus/48000/2", "a=ice-ufrag:abcd", "a=ice-pwd:abcdefghijklmnopqrstuvwx",
		"a=fingerprint:sha-256 " + fingerprint, "a=setup:passive", "",
	}, "\r\n")
}

func try(formats string) error {
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return err
	}
	defer pc.Close()
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		init := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
		if _, err = pc.AddTransceiverFromKind(kind, init); err != nil {
			return err
		}
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	if err = pc.SetLocalDescription(offer); err != nil {
		return err
	}
	return pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer(formats)})
}

func main() {
	for _, formats := range []string{"96", "0"} {
		fmt.Printf("%s: %v\n", formats, try(formats))
	}
}
GO
nice go build -p 1 -o finding . 2>build.log || { cat build.log >&2; exit 1; }
seen="$(./finding)"
echo "$seen"
[ "$seen" = $'96: payload type not found\n0: <nil>' ] || { echo "pion behaves differently" >&2; exit 1; }
