package capture

import (
	"net/netip"
	"time"

	"nofixup/alg"
	"nofixup/alg/media"
	"nofixup/sip"
)

// Protocols of a flow beside those that alg names.
const (
	ProtoTLS  = "tls"  // a TLS connection; what is in it cannot be read
	ProtoRTP  = "rtp"  // media, RTCP on the same or the next port included
	ProtoT38  = "t38"  // fax over UDPTL (T.38 9.1)
	ProtoSTUN = "stun" // nothing but STUN
)

// Flow is one conversation between two sockets in which something was recognised.
type Flow struct {
	ID     int    // from 1, in the order of recognition
	Parent int    // the flow that announced this one, 0 if none
	Proto  string // what it speaks
	// Transport is "udp" or "tcp".
	Transport string
	// Ends are the client, who opened the connection or else sent first, and the server.
	Ends [2]netip.AddrPort
	// First and Last are when its first and last packet came, in nanoseconds since 1970.
	First, Last int64
	// Packets and Octets, of UDP or TCP payload on the wire, are those of the client and of the server.
	Packets, Octets [2]uint64
	TCP             *TCPState // of a TCP connection
	Fax             [2]Fax    // of T.38, from either end
	STUNs           uint64
	Errors          []ICMPError // that quote a packet of the flow

	call   string
	media  [2]*media.Flow
	to     [2]*Announcement
	recent [recentLen]recent
	next   int
}

// TCPState is how a connection began and ended.
type TCPState struct {
	SYN, Accepted bool    // its first two segments were seen
	FIN, RST      [2]bool // sent by the client, by the server
	Ended         int64   // when the first FIN or RST came
	Gaps          int     // places at which octets are missing in the capture
	Missing       uint64  // how many, where that is known
}

// Fax is the account of UDPTL in one direction.
type Fax struct {
	Packets, Lost uint64
	First, Last   int64

	newest uint16
}

// family is 4 or 6.
func family(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}

// Path is the path that the flow is on: the server's port, and whether the client's is the well-known one.
func (f *Flow) Path() alg.Path {
	p := alg.Path{Proto: f.Proto, Transport: f.Transport, Family: family(f.Ends[1].Addr()), Port: f.Ends[1].Port()}
	switch f.Proto {
	case alg.ProtoH245:
		p.Proto = alg.ProtoH323
	case ProtoTLS:
		p.Proto, p.Transport = alg.ProtoSIPS, "tls"
	}
	if src := f.Ends[0].Port(); src == 5060 {
		p.SourcePort = alg.SourcePort(src)
	}
	return p
}

// side returns 0 for packets of the client, 1 for those of the server.
func (f *Flow) side(src netip.AddrPort) int {
	if src == f.Ends[0] {
		return 0
	}
	return 1
}

// Message is one message of SIP or H.323.
type Message struct {
	ID    int    // from 1, in the order of completion
	Flow  *Flow  // that it was seen on
	Proto string // one of alg's
	Call  string // Call-ID, or callIdentifier in hex; of H.245 that of the call that announced the connection
	Src   netip.AddrPort
	Dst   netip.AddrPort
	At    int64 // when its last octet was captured, in nanoseconds since 1970

	Raw      []byte // the exact octets
	Off, End int    // where Raw stands in the stream of its direction; 0 and its length for a datagram
	Frames   []int  // numbers over all files: see Capture.Frame
	// Stray says that these are octets of a connection that belong to no message: what was left over because somebody broke
	// Content-Length.
	Stray bool
	// Missing is how many octets of the message were not captured, at least; Raw is what came before.
	Missing int
	// Fragments is how many IP fragments of it were seen, 0 if it came in one packet or on TCP.
	Fragments int
	// Copy is the message of which this is another capture of the same packet, as two mirrored ports make them; 0 if none.
	Copy int
	// Probes are the tags of nofixup's own probes in it.
	Probes []Probe
	// Announced are the addresses that it announces.
	Announced []*Announcement
	parsed    *sip.Message // of SIP, while it is handed on
	unplaced  bool         // it announces audio at a host name, or beyond what is kept
}

// sip returns the message as it was parsed; into is parsed into if nobody has done that.
func (m *Message) sip(into *sip.Message) *sip.Message {
	if m.parsed != nil {
		return m.parsed
	}
	into.Parse(m.Raw)
	return into
}

// FromClient says whether the flow's client sent it.
func (m *Message) FromClient() bool { return m.Flow.side(m.Src) == 0 }

// Sighting is the message as judging takes it.
func (m *Message) Sighting() *alg.Sighting {
	return &alg.Sighting{At: time.Unix(0, m.At).UTC(), Off: m.Off, End: m.End, Raw: m.Raw, Frames: m.Frames}
}

// Stream is one RTP stream and where it was announced.
type Stream struct {
	media.Stats
	Flow *Flow
	// Receiver is what announced the address that it goes to, Sender the one that it comes from: phones send from where they
	// receive (RFC 4961), and where the receiver's address is not announced, a translator is on the way.
	Receiver, Sender *Announcement
}

// ICMPError is an ICMP error that quotes a packet of a flow, once or often.
type ICMPError struct {
	From        netip.Addr // who sent it
	Src, Dst    netip.AddrPort
	Type, Code  uint8
	Family      int
	First, Last int64
	Count       int
	Frame       int // the first one
}

// TooLarge says whether the error means that a packet was too large for the way, or that it lacked a fragment where it was to be
// put together (RFC 792, RFC 1191 4, RFC 4443 3.2, 3.3).
func (e *ICMPError) TooLarge() bool {
	if e.Family == 4 {
		return e.Type == 3 && e.Code == 4 || e.Type == 11 && e.Code == 1
	}
	return e.Type == 2 || e.Type == 3 && e.Code == 1
}

// Unreachable says whether the error means that nobody is there: a port, a host, a network, or a filter (RFC 792, RFC 4443).
func (e *ICMPError) Unreachable() bool {
	return e.Family == 4 && e.Type == 3 && e.Code != 4 || e.Family == 6 && e.Type == 1
}
