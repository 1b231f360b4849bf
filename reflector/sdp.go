package reflector

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"nofixup/sip"
)

const (
	// mediaPort is the first of the ports that session descriptions announce. Nothing listens there: they are for application
	// gateways to read.
	mediaPort = 10000
	// maxMedia is the most media lines that a description has.
	maxMedia = 3
)

// sdpOffer is a session description with audio and video (RFC 8866, RFC 3605).
func sdpOffer(own netip.Addr, number uint32) string {
	return description(own, number, []string{"audio", "video"})
}

// sdpAnswer mirrors the media lines of the offer in a request, as an answer must (RFC 3264 6): audio alone if there is none.
func sdpAnswer(own netip.Addr, number uint32, request *sip.Message) string {
	var media []string
	if off, end, ok := request.SDP(); ok {
		for line := range bytes.Lines(request.Raw[off:end]) {
			kind, ok := bytes.CutPrefix(line, []byte("m="))
			if !ok || len(media) == maxMedia {
				continue
			}
			switch word, _, _ := bytes.Cut(kind, []byte(" ")); string(word) {
			case "audio", "video":
				media = append(media, string(word))
			default:
				media = append(media, "")
			}
		}
	}
	if len(media) == 0 {
		media = []string{"audio"}
	}
	return description(own, number, media)
}

// description writes a session description: PCMU for audio, H.264 for video, a pair of ports each. Other media have no port.
func description(own netip.Addr, number uint32, media []string) string {
	addr := "IP4 " + own.String()
	if own.Is6() {
		addr = "IP6 " + own.WithZone("").String()
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("v=0")
	line("o=- %d 1 IN %s", number+1, addr)
	line("s=-")
	line("c=IN %s", addr)
	line("t=0 0")
	for i, kind := range media {
		port := mediaPort + 2*i
		switch kind {
		case "audio":
			line("m=audio %d RTP/AVP 0", port)
			line("a=rtpmap:0 PCMU/8000")
		case "video":
			line("m=video %d RTP/AVP 97", port)
			line("a=rtpmap:97 H264/90000")
		default:
			line("m=application 0 RTP/AVP 0") // refused
			continue
		}
		line("a=rtcp:%d IN %s", port+1, addr)
	}
	return b.String()
}
