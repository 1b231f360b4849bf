package wire

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// MediaPorts is a range of UDP ports of the reflector that take media. First is even; every even port is one for RTP and the
// odd port after it the one for its RTCP (RFC 3550 11).
type MediaPorts struct {
	Addr  netip.Addr `json:"addr"`
	First uint16     `json:"first"`
	Last  uint16     `json:"last"`
}

// Live directly behind the tag in the Display of a Setup, or in the non-standard indication that begins an H.245 connection,
// asks for answers that announce ports of [Grant].Media, in turns. Otherwise H.323 announces ports at which nobody listens.
const Live = ".media"

// MediaHead is how many octets of a media packet are kept: an RTP header, and a tag behind it.
const MediaHead = 64

// Sizes of a media packet that the reflector sends, in octets of UDP payload: RTP header, one-off tag, filling. RTCP has
// RTCPSize, always.
const (
	MinMediaSize = 48
	MaxMediaSize = 1200
	RTCPSize     = 56
)

// Media is the record of one media packet that the reflector received or sent.
type Media struct {
	Seq       uint64         `json:"seq"` // 1, 2, 3 … within the session, without gaps; not the numbers of receipts
	At        time.Time      `json:"at"`  // by the reflector's clock
	Direction Direction      `json:"direction"`
	Local     netip.AddrPort `json:"local"`            // the reflector's end
	Remote    netip.AddrPort `json:"remote"`           // the other end, after any NAT
	TTL       int            `json:"ttl,omitempty"`    // in: TTL or hop limit on arrival, 0 where the system does not tell
	TOS       int            `json:"tos"`              // in: the octet of DSCP and ECN on arrival (RFC 2474 3), -1 where the system does not tell
	Length    int            `json:"length"`           // octets of UDP payload
	Head      []byte         `json:"head"`             // the first of them, at most MediaHead
	Number    uint32         `json:"number"`           // in: of the tag in the packet; out: of the action
	Proven    bool           `json:"proven,omitempty"` // in: the remote address had proven itself when it arrived: it gives credit
}

// MediaRecords is one answer to a poll for media.
type MediaRecords struct {
	Media   []Media `json:"media"`
	Next    uint64  `json:"next"`              // the value of "after" for the next poll
	Dropped int     `json:"dropped,omitempty"` // packets with this token so far that got no record: the budget was spent
}

// Where a pinhole datagram comes from: values of [Action].From.
const (
	FromMedia = "media" // the address that the message came to, the port that [Action].Port names
	FromPort  = "port"  // the same address, the farthest other pair of the range: the last one, or the first if Port is in its upper half
	FromHost  = "host"  // another address of the reflector, the port that Port names
)

// Reasons for which a media action sent nothing, though nothing is wrong with it: values of [Sent].NotSent.
const (
	NotSentNone      = "none"      // the line or channel announces no such port
	NotSentName      = "name"      // what is announced is no IP address: names are never looked up
	NotSentPrivate   = "private"   // the address announced cannot be reached from the Internet: nobody but a gateway could have mended it
	NotSentForeign   = "foreign"   // the address announced is not one that has proven itself to the session
	NotSentPort      = "port"      // the port is below 1024, or known for another service
	NotSentAnnounced = "announced" // the neighbour is announced by the session's own messages
)

// Neighbour is how many ports the neighbour of an announced port is above it; below it where there are not so many.
const Neighbour = 8

// Media fetches the records of media after the given sequence number, as Receipts does receipts.
func (s *Session) Media(ctx context.Context, after uint64, wait time.Duration) (MediaRecords, error) {
	q := url.Values{"after": {strconv.FormatUint(after, 10)}}
	if wait > 0 {
		q.Set("wait", strconv.FormatFloat(min(wait, MaxWait).Seconds(), 'f', 3, 64))
	}
	var r MediaRecords
	err := s.do(ctx, http.MethodGet, s.path("/media?"+q.Encode()), &r)
	return r, err
}

// Send is Act for the actions of media, of which more than a sequence number is to be known.
func (s *Session) Send(ctx context.Context, a Action) (Sent, error) {
	var sent Sent
	err := s.exchange(ctx, http.MethodPost, s.path("/actions"), a, &sent)
	return sent, err
}
