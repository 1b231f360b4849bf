package alg

import (
	"net/netip"
	"slices"
	"time"
)

// ProtoMedia is the protocol of paths that are about RTP and RTCP. Such a path bears the transport and the port of the
// signalling: what happens to the media of a call depends on who could read the call.
const ProtoMedia = "media"

// Stream is one RTP stream as one point saw it.
type Stream struct {
	Src        netip.AddrPort `json:"src"`
	Dst        netip.AddrPort `json:"dst"`
	SSRC       string         `json:"ssrc"` // "0x" and eight hex digits
	Payload    int            `json:"payload"`
	Codec      string         `json:"codec"`
	Packets    int            `json:"packets"` // that arrived, duplicates left out
	Lost       int            `json:"lost"`    // of those that were to arrive
	Late       int            `json:"late,omitempty"`
	Duplicates int            `json:"duplicates,omitempty"`
	Jitter     float64        `json:"jitter_ms"` // RFC 3550 A.8, the mean, in ms
	First      time.Time      `json:"first"`
	Last       time.Time      `json:"last"`
	Point      string         `json:"point"`          // Inside or Outside; empty where there is one capture alone
	DSCP       int            `json:"dscp,omitempty"` // of the first packet as it arrived
}

// How much of a call was to be heard: values of [Call].Audio.
const (
	AudioTwoWay      = "two-way"
	AudioOneWay      = "one-way"
	AudioNone        = "none"
	AudioNotExpected = "not-expected"
)

// Call is one call with its media.
type Call struct {
	ID      string    `json:"id"`    // Call-ID or callIdentifier
	Proto   string    `json:"proto"` // of the signalling
	State   string    `json:"state"`
	From    string    `json:"from"`
	To      string    `json:"to"`
	Start   time.Time `json:"start"`
	End     time.Time `json:"end"`
	Audio   string    `json:"audio"`             // one of the Audio constants
	Cause   string    `json:"cause,omitempty"`   // ID of the finding that explains it
	Missing Direction `json:"missing,omitempty"` // of one-way audio, the direction that is not heard
	Streams []int     `json:"streams"`           // places in Report.Streams

	Packets [2]int `json:"packets,omitzero"`       // of audio while the call was up: towards the caller, towards the callee
	Why     string `json:"why,omitempty"`          // of audio that is not expected or unknown
	Began   bool   `json:"began_before,omitempty"` // the capture has its end, or the middle, and not its beginning
	Legs    []Leg  `json:"legs,omitempty"`         // of a call that a server handed on under other Call-IDs, the first one included
}

// Leg is a call that a server (a B2BUA) made a part of another.
type Leg struct {
	ID      string         `json:"id"`
	Caller  netip.AddrPort `json:"caller"` // from where its first message came
	Callee  netip.AddrPort `json:"callee"` // and to where it went
	State   string         `json:"state"`
	Audio   string         `json:"audio"`
	Cause   string         `json:"cause,omitempty"`
	Packets [2]int         `json:"packets,omitzero"`
}

// audioRank orders what is known of the audio of legs: the worst first, and what was not seen last.
var audioRank = []string{AudioNone, AudioOneWay, AudioTwoWay, AudioUnknown, AudioNotExpected}

// Join makes another call a leg of c, which has one already. The audio is that of the worst leg.
func (c *Call) Join(leg Leg, of *Call) {
	c.Legs = append(c.Legs, leg)
	c.Streams = append(c.Streams, of.Streams...)
	slices.Sort(c.Streams)
	c.Streams = slices.Compact(c.Streams)
	if of.End.After(c.End) {
		c.End = of.End
	}
	if slices.Index(audioRank, of.Audio) < slices.Index(audioRank, c.Audio) {
		c.Audio, c.Cause, c.Missing, c.Packets, c.Why = of.Audio, of.Cause, of.Missing, of.Packets, of.Why
	}
}

// Where media is sent to: values of [Media].Towards.
const (
	TowardsAnnounced = "announced" // the address that the other end announced, as it arrived there
	TowardsSource    = "source"    // where the other end's media comes from: symmetric RTP (RFC 4961)
)

// Kinds of [Media].
const (
	MediaAudio = "audio"
	MediaVideo = "video"
	MediaRTCP  = "rtcp"
)

// Media is what became of media that was sent one way in a call.
type Media struct {
	Call       string         `json:"call"`
	Signalling string         `json:"signalling"` // protocol of the call: sip or h323
	Step       string         `json:"step"`       // the step that made the call
	Kind       string         `json:"kind"`       // one of the Media constants
	Outbound   bool           `json:"outbound"`
	Towards    string         `json:"towards"` // one of the Towards constants
	Octets     int            `json:"octets"`  // of UDP payload in each datagram
	Sent       int            `json:"sent"`
	Received   int            `json:"received"`            // duplicates left out
	Span       float64        `json:"span_ms"`             // from the first that was sent to the last
	Heard      float64        `json:"heard_ms"`            // from the first that was sent to the last that arrived, as sent
	Delay      float64        `json:"delay_ms,omitempty"`  // from the first that was sent to the first that arrived, clocks compared
	Seen       netip.AddrPort `json:"seen,omitzero"`       // where the receiving end saw it come from
	NotSent    string         `json:"not_sent,omitempty"`  // why nothing was sent: "private", "foreign", …
	Rewritten  bool           `json:"rewritten,omitempty"` // the announcement that it goes by did not arrive as it was sent
	Stream     *Stream        `json:"stream,omitempty"`    // as the receiving end saw it
}

// Pinhole is one datagram from outside to a port from which nothing was ever sent.
type Pinhole struct {
	From      string `json:"from"`      // "media": the far end's media address and port; "port": another port of it; "host": another address
	Neighbour bool   `json:"neighbour"` // to a port that nobody announced
	RTCP      bool   `json:"rtcp,omitempty"`
	NotSent   string `json:"not_sent,omitempty"` // why it was not: "private", "foreign", …
	Listening string `json:"listening"`          // firewall of this computer: "none", "active" or "unknown"

	Idle float64 `json:"idle_s,omitempty"` // seconds between the announcement and the datagram; 0 if that followed at once
}

// Binding is how long an idle mapping of a NAT, or an entry of a firewall, lets datagrams back in.
type Binding struct {
	Idle float64 `json:"idle_s"` // seconds without a datagram before one was sent from outside
}

// MediaSummary says what the media of calls comes to, for people.
type MediaSummary struct {
	Hears    string   `json:"hears"`             // what a user on this network hears
	Without  string   `json:"without,omitempty"` // what to expect if the application gateway is turned off
	Settings []string `json:"settings"`          // what the far end, a PBX or a service, should be set to
}
