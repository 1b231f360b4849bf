package wire

import (
	"crypto/tls"
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
	ServiceSIP     = "sip"     // SIP in clear, ports 5060 and 5061
	ServiceSIPS    = "sips"    // SIP over TLS, port 5061
	ServiceH225    = "h225"    // H.225.0 call signalling over TCP, port 1720; it announces where its H.245 listens
	ServiceRAS     = "ras"     // H.225.0 RAS over UDP, port 1719
	ServiceNeutral = "neutral" // all of them on a port that no application gateway knows: the control
)

// Grant is what a session may use and do.
type Grant struct {
	Session string `json:"session"` // names the session in paths and logs
	Secret  string `json:"secret"`  // fetches the receipts; never appears on a probed port
	Token   Token  `json:"token"`   // rides in the probes

	Server   string         `json:"server"`   // name and version of the reflector
	Control  string         `json:"control"`  // URL of this very reflector, for all further requests
	Observed netip.AddrPort `json:"observed"` // where the request for the session came from

	Targets []Target     `json:"targets"`
	Media   []MediaPorts `json:"media,omitempty"`  // where it takes media, none if it does not
	Unused  []netip.Addr `json:"unused,omitempty"` // addresses at which nobody listens: who completes a connection there is in between
	Budget  Budget       `json:"budget"`

	// What a client meets on the targets of [ServiceSIPS], unless something on the way answers in the reflector's place.
	TLSPin         string   `json:"tls_pin,omitempty"`         // of the key, "sha256//BASE64"
	TLSFingerprint string   `json:"tls_fingerprint,omitempty"` // of the certificate, SHA-256 in hex
	TLSVersions    []string `json:"tls_versions,omitempty"`    // that are spoken, the lowest first
	TLSALPN        []string `json:"tls_alpn,omitempty"`        // protocols that are agreed to, if the client offers them
}

// Target is one address of the reflector that takes probes. Where several have the service [ServiceNeutral], one transport and
// one address family, the first is the control and those after it are fallbacks, in that order: ports that are let out where
// the first is not.
type Target struct {
	Service   string         `json:"service"`
	Transport string         `json:"transport"` // "udp", "tcp" or "tls"
	Addr      netip.AddrPort `json:"addr"`
}

// Budget is what a session may spend. A reflector keeps nothing beyond it and says so in [Receipts].
type Budget struct {
	Messages        int `json:"messages"`           // datagrams, and reads and writes of connections, that get a receipt
	Octets          int `json:"octets"`             // of payload, in all receipts
	MessageOctets   int `json:"message_octets"`     // largest datagram or message that is taken
	UnprovenAnswers int `json:"unproven_answers"`   // answers to an address that has not proven itself
	Actions         int `json:"actions"`            // requests to make the reflector send
	MediaPerSecond  int `json:"media_per_second"`   // media packets a second, in each direction
	MediaSeconds    int `json:"media_seconds"`      // seconds of as many media packets
	Pinholes        int `json:"pinholes,omitempty"` // datagrams to announced ports and their neighbours
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

// Receipt is one datagram that the reflector received or sent, as its socket saw it; on TCP it is one read or one write
// of a connection, or its end.
type Receipt struct {
	Seq       uint64         `json:"seq"` // 1, 2, 3 … within the session, without gaps
	At        time.Time      `json:"at"`  // by the reflector's clock
	Direction Direction      `json:"direction"`
	Transport string         `json:"transport"`
	Local     netip.AddrPort `json:"local"`         // the reflector's end
	Remote    netip.AddrPort `json:"remote"`        // the other end, after any NAT
	TTL       int            `json:"ttl,omitempty"` // TTL or hop limit on arrival, 0 where the system does not tell
	Data      []byte         `json:"data"`          // the exact octets (base64 in JSON)

	Conn uint64 `json:"conn,omitempty"` // tcp, tls: the connection, numbered from 1 within the session
	Off  int64  `json:"off,omitempty"`  // tcp, tls: where Data begins in the stream of its direction, of TLS in the clear
	End  string `json:"end,omitempty"`  // tcp, tls: why the stream of this direction ended here, one of the End constants

	TLS *Handshake `json:"tls,omitempty"` // tls: what the handshake came to, in the first receipt of the connection
	TCP *TCP       `json:"tcp,omitempty"` // tcp, tls: what the system tells of the connection, in its first receipt; nil where it does not tell

	Answers uint64 `json:"answers,omitempty"` // out: Seq of the receipt that this answers; on TCP of the one that completed the request
	Proven  bool   `json:"proven,omitempty"`  // in: the remote address had proven itself when it arrived
	Silence string `json:"silence,omitempty"` // in: why no answer was sent, one of the Silence constants
}

// TCP is what the reflector's system knows of its end of a connection, when the first message has come.
type TCP struct {
	RTT float64 `json:"rtt_ms,omitempty"` // round trip to the other end of the connection, in milliseconds; 0 if it is not known
	MSS int     `json:"mss"`              // largest segment that this end sends, in octets without TCP options: what the other end announced, or less
}

// ALPNSIP names SIP in a TLS handshake, as IANA has it (RFC 7301 6).
const ALPNSIP = "sip/2"

// Handshake is what one end of a TLS connection knows of it. That both ends know the same says that nobody is in between.
type Handshake struct {
	Version string `json:"version"` // "TLS 1.3"
	Cipher  string `json:"cipher"`  // as IANA names the suite
	ALPN    string `json:"alpn,omitempty"`
	SNI     string `json:"sni,omitempty"`     // the name that the client asked for
	Binding []byte `json:"binding,omitempty"` // tls-exporter of RFC 9266; absent where TLS 1.2 has no extended master secret
}

// NewHandshake describes a connection whose handshake is complete.
func NewHandshake(state *tls.ConnectionState) Handshake {
	h := Handshake{
		Version: tls.VersionName(state.Version), Cipher: tls.CipherSuiteName(state.CipherSuite), ALPN: state.NegotiatedProtocol,
		SNI: state.ServerName,
	}
	// Without TLS 1.3 or an extended master secret the value could be forced to be alike on two connections (RFC 9266 4.2).
	h.Binding, _ = state.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
	return h
}

// Reasons for which the stream of a TCP connection ended. Read boundaries are no segments: where a stream was cut into
// receipts says nothing about the network.
const (
	EndClosed  = "closed"  // in: the other end closed it; out: the reflector did
	EndReset   = "reset"   // in: it was reset
	EndTimeout = "timeout" // a deadline of the reflector passed
	EndSyntax  = "syntax"  // in: it is nothing that could be cut into messages, or it is too large
	EndBudget  = "budget"  // the session's budget is spent
)

// Reasons for which a message that got a receipt got no answer.
const (
	SilenceACK        = "ack"        // an ACK is never answered (RFC 3261 17)
	SilenceResponse   = "response"   // a response is never answered
	SilenceMalformed  = "malformed"  // no answer can be made from it: what the answer has to repeat is missing
	SilenceLarger     = "larger"     // the answer would be larger than the request
	SilenceUnproven   = "unproven"   // the answers to an unproven address are used up
	SilencePort       = "port"       // it came from a port that another service could own: below 1024
	SilenceBudget     = "budget"     // the session has no room left for the answer's receipt
	SilenceQuiet      = "quiet"      // the request asked for no automatic answer: its tag is followed by Quiet
	SilenceUnanswered = "unanswered" // h323: a message that nothing goes back to: an acknowledgement, an indication, ReleaseComplete
	SilencePartial    = "partial"    // tcp: no request was complete with this read
	SilenceFailed     = "failed"     // the system refused to send the answer, or the reflector failed to make one
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

// Quiet directly behind the tag in a Request-URI user asks the reflector not to answer by itself: the client has the request
// answered by actions. It holds for every method but OPTIONS and REGISTER. See [Action].Quiet.
const Quiet = ".quiet"

// Kinds of an [Action].
const (
	ActionRespond = "respond" // send a response to a request that was received
	ActionRequest = "request" // send a request to where a message was received from
	ActionSetup   = "setup"   // tcp, H.225.0: call the client, over the connection that it opened
	ActionClose   = "close"   // tcp: close the connection, the reflector first
	ActionMedia   = "media"   // send media: back to where some came from, or to where a message announces that it is received
	ActionPinhole = "pinhole" // send one small datagram to a port that a message announces, or beside it
)

// Action makes the reflector send one message to the client: a template of the reflector's with these parameters. It goes
// where the receipt To came from, from the socket or over the connection that received it, and only if that address has
// proven itself. There is no way to name another destination or to hand over octets. Media goes back to where some came from,
// or with pinhole datagrams to a port that a message of the session announces, at an address that has proven itself.
type Action struct {
	Action string `json:"action"`           // one of the Action constants
	To     uint64 `json:"to"`               // Seq of a receipt of direction in, on TCP of the one that completed a message; setup and close: of any of the connection
	Number uint32 `json:"number"`           // of the message within the session: its tag stands in it
	Status int    `json:"status,omitempty"` // respond: 100, 180, 183, 200, 202, 404, 481, 486 or 487
	Method string `json:"method,omitempty"` // request: OPTIONS, INVITE, ACK, BYE, NOTIFY, MESSAGE, INFO or UPDATE
	SDP    bool   `json:"sdp,omitempty"`    // with a session description: 183 and 200 to INVITE or UPDATE; INVITE, UPDATE
	Dialog bool   `json:"dialog,omitempty"` // request: within the dialog of the message To, else outside of any
	CSeq   uint32 `json:"cseq,omitempty"`   // request: sequence number, 0 means 1
	Quiet  bool   `json:"quiet,omitempty"`  // respond, request: the Contact asks that further requests get no automatic answer

	// Port is an even port of [Grant].Media on the address that the message came to. With a session description or setup it
	// is announced for the first medium, the next even one for the second; 0 means ports at which nobody listens. With media
	// (by To) and pinhole it is where the reflector sends from; the odd port after it with RTCP.
	Port uint16 `json:"port,omitempty"`

	Record    uint64 `json:"record,omitempty"`    // media: Seq of a Media of direction in: back to where it came from, from where it came to; To is 0 then
	Line      int    `json:"line,omitempty"`      // media by To, pinhole: which m= line of the description, or which logical channel, from 0
	RTCP      bool   `json:"rtcp,omitempty"`      // media: RTCP instead of RTP; by To and pinhole: to the RTCP port
	Count     int    `json:"count,omitempty"`     // media: packets
	Size      int    `json:"size,omitempty"`      // media: octets of each, RTP header included; 0 means 172
	Interval  int    `json:"interval,omitempty"`  // media: ms from one to the next; 0 means 20
	From      string `json:"from,omitempty"`      // pinhole: one of the From constants
	Neighbour bool   `json:"neighbour,omitempty"` // pinhole: to the neighbour of the announced port
}

// Sent is the answer to an [Action]. Of media, sending has only begun: Seq is 0, and the records tell what was sent.
type Sent struct {
	Seq     uint64         `json:"seq"`                // the receipt of direction out; of a pinhole datagram its Media
	Tag     string         `json:"tag,omitempty"`      // media, pinhole: the one-off tag that stands in the packets
	Addr    netip.AddrPort `json:"addr,omitzero"`      // media, pinhole: where they go, or would have gone
	NotSent string         `json:"not_sent,omitempty"` // media, pinhole: why nothing was sent, one of the NotSent constants
}
