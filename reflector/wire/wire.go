package wire

import (
	"net/netip"
	"time"
)

// Version is the version of the protocol, the first segment of every path. It changes only when an old client and a new
// reflector could misunderstand each other; fields are added within a version, and unknown ones are ignored.
const Version = 1

// MaxWait is the longest that a reflector holds a long poll open.
const MaxWait = 25 * time.Second

// Services that a [Target] can name.
const (
	ServiceSIP     = "sip"     // SIP in clear, port 5060
	ServiceNeutral = "neutral" // the same service on a port that no application gateway knows: the control
)

// Grant is what a session may use and do.
type Grant struct {
	Session string `json:"session"` // names the session in paths and logs
	Secret  string `json:"secret"`  // fetches the receipts; never appears on a probed port
	Token   Token  `json:"token"`   // rides in the probes

	Server   string         `json:"server"`   // name and version of the reflector
	Control  string         `json:"control"`  // URL of this very reflector, for all further requests
	Observed netip.AddrPort `json:"observed"` // where the request for the session came from

	Targets []Target `json:"targets"`
	Budget  Budget   `json:"budget"`
}

// Target is one address of the reflector that takes probes.
type Target struct {
	Service   string         `json:"service"`
	Transport string         `json:"transport"` // "udp" or "tcp"
	Addr      netip.AddrPort `json:"addr"`
}

// Budget is what a session may spend. A reflector keeps nothing beyond it and says so in [Receipts].
type Budget struct {
	Messages        int `json:"messages"`           // datagrams and TCP reads of either direction that get a receipt
	Octets          int `json:"octets"`             // of payload, in all receipts
	MessageOctets   int `json:"message_octets"`     // largest datagram or SIP message that is taken
	UnprovenAnswers int `json:"unproven_answers"`   // answers to an address that has not proven itself
	Actions         int `json:"actions"`            // requests to make the reflector send
	MediaPerSecond  int `json:"media_per_second"`   // media packets a second
	MediaSeconds    int `json:"media_seconds"`      // seconds of media
	LifetimeSeconds int `json:"lifetime_seconds"`   // from the grant or its renewal
	Renewals        int `json:"renewals,omitempty"` // how often the session can still be renewed
}

// Direction is seen from the reflector.
type Direction string

// Directions of a [Receipt].
const (
	In  Direction = "in"  // the reflector received it
	Out Direction = "out" // the reflector sent it
)

// Receipt is one datagram that the reflector received or sent, as its socket saw it.
type Receipt struct {
	Seq       uint64         `json:"seq"` // 1, 2, 3 … within the session, without gaps
	At        time.Time      `json:"at"`  // by the reflector's clock
	Direction Direction      `json:"direction"`
	Transport string         `json:"transport"`
	Local     netip.AddrPort `json:"local"`         // the reflector's end
	Remote    netip.AddrPort `json:"remote"`        // the other end, after any NAT
	TTL       int            `json:"ttl,omitempty"` // TTL or hop limit on arrival, 0 where the system does not tell
	Data      []byte         `json:"data"`          // the exact octets (base64 in JSON)

	Answers uint64 `json:"answers,omitempty"` // out: Seq of the receipt that this answers
	Proven  bool   `json:"proven,omitempty"`  // in: the remote address had proven itself when it arrived
	Silence string `json:"silence,omitempty"` // in: why no answer was sent, one of the Silence constants
}

// Reasons for which a message that got a receipt got no answer.
const (
	SilenceACK       = "ack"       // an ACK is never answered (RFC 3261 17)
	SilenceResponse  = "response"  // a response is never answered
	SilenceMalformed = "malformed" // no answer can be made from it: Via, From, To, Call-ID or CSeq is missing
	SilenceLarger    = "larger"    // the answer would be larger than the request
	SilenceUnproven  = "unproven"  // the answers to an unproven address are used up
	SilencePort      = "port"      // it came from a port that another service could own: below 1024
	SilenceBudget    = "budget"    // the session has no room left for the answer's receipt
	SilenceFailed    = "failed"    // the system refused to send the answer, or the reflector failed to make one
)

// Receipts is one answer to a poll.
type Receipts struct {
	Receipts []Receipt `json:"receipts"`
	Next     uint64    `json:"next"`              // the value of "after" for the next poll
	Dropped  int       `json:"dropped,omitempty"` // messages with this token so far that got no receipt: the budget was spent
}

// Problem is the body of every answer that is no success.
type Problem struct {
	Error string `json:"error"`          // what is wrong, lower case, one line
	Hint  string `json:"hint,omitempty"` // what may help
}
