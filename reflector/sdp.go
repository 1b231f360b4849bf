package reflector

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"nofixup/sip"
)

const (
	// firstMediaPort is the lowest of the ports that session descriptions announce unless they are asked for ports of media.
	// Nothing listens there: they are for application gateways to read.
	firstMediaPort = 10000
	// mediaPairs is how many pairs of ports there are.
	mediaPairs = 24000
	// maxMedia is the most media lines that a description has.
	maxMedia = 3
)

// sdpOffer is a session description with audio and video (RFC 8866, RFC 3605).
func sdpOffer(at ports) string { return description(at, []string{"audio", "video"}) }

// sdpAnswer mirrors the media lines of the offer in a request, as an answer must (RFC 3264 6): audio alone if there is none.
func sdpAnswer(at ports, request *sip.Message) string {
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
	return description(at, media)
}

// description writes a session description: PCMU for audio, H.264 for video, a pair of ports each. Other media have no port.
func description(at ports, media []string) string {
	addr := "IP4 " + at.addr.String()
	if at.addr.Is6() {
		addr = "IP6 " + at.addr.WithZone("").String()
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("v=0")
	line("o=- %d 1 IN %s", at.number+1, addr)
	line("s=-")
	line("c=IN %s", addr)
	line("t=0 0")
	for i, kind := range media {
		rtp, rtcp := at.pair(i)
		switch kind {
		case "audio":
			line("m=audio %d RTP/AVP 0", rtp.Port())
			line("a=rtpmap:0 PCMU/8000")
		case "video":
			line("m=video %d RTP/AVP 97", rtp.Port())
			line("a=rtpmap:97 H264/90000")
		default:
			line("m=application 0 RTP/AVP 0") // refused
			continue
		}
		line("a=rtcp:%d IN %s", rtcp.Port(), addr)
	}
	return b.String()
}

// mediaTurns is how many messages take a turn at the ports before they come round again.
const mediaTurns = mediaPairs / maxMedia

// mediaPort returns the even port of the i-th medium of the message whose turn it is.
func mediaPort(turn uint32, i int) uint16 {
	return uint16(firstMediaPort + 2*(maxMedia*int(turn%mediaTurns)+i))
}

// mediaTurn is the next message's turn, whatever session it is of: a gateway that holds a port open for one flow drops a message
// that announces it on another, and that would be our fault, not the network's.
func (s *Server) mediaTurn() uint32 { return s.turns.Add(1) }

// firstMediaTurn is where the turns begin: it depends on the time, so that a reflector that is started again does not announce
// what it has just announced. Linux holds a port open for 180 s; the turns come round in 240.
func firstMediaTurn(now time.Time) uint32 {
	return uint32(now.UnixMilli() / 30 % mediaTurns)
}
