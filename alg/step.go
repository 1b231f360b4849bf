package alg

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// oddStep is a message of a probe that is unlike what most phones send.
type oddStep struct {
	name   string
	trait  string // what is odd about it
	breaks string // the rule that it breaks on purpose, if it does
}

const (
	ruleNoCSeq = "RFC 3261 8.1.1: no CSeq"

	// StepSize begins the names of steps that are sent for their size: "invite-size-1472-df".
	StepSize = "invite-size-"
	// StepBracket ends the names of messages known to be good that go around others, and StepAfter begins those of the
	// messages that tell whether one before them got the client banned.
	StepBracket = "-bracket"
	StepAfter   = "options-after-"
	// StepLive begins the names of the messages of calls with media.
	StepLive = "live"
)

// oddSteps are the odd messages of a probe, by the names of their steps: a capture of a probe is judged as the probe is.
var oddSteps = []oddStep{
	{name: "notify", trait: "a NOTIFY outside of a dialog"},
	{name: "publish", trait: "a PUBLISH"},
	{name: "unknown-method", trait: "a method that no standard knows"},
	{name: "long-uri", trait: "a Request-URI of more than 255 octets"},
	{name: "long-header", trait: "a header line of more than 1,024 octets"},
	{name: "invite-host-c", trait: "a host name in c= (RFC 8866 5.7)"},
	{name: "invite-host-o", trait: "a host name in o= (RFC 8866 5.2)"},
	{name: "invite-low-port", trait: "a media port below 1024"},
	{name: "invite-other-family", trait: "a media address of the other IP version"},
	{name: "invite-four-media", trait: "four m= lines"},
	{name: "invite-webrtc", trait: "an offer with ICE and DTLS-SRTP, as browsers send it"},
	{name: "invite-foreign-c", trait: "the media address of somebody else in c=, and another one in o="},
	{name: "invite-room", trait: "m= lines for BFCP and H.224, as video rooms send them"},
	{name: "invite-multipart", trait: "a session description within multipart/mixed"},
	{name: "invite-folded-via", trait: "a Via that is folded over two lines (RFC 3261 7.3.1)"},
	{name: "invite-no-length", trait: "no Content-Length (RFC 3261 18.3)"},
	{name: "stun", trait: "a STUN Binding request"},
	{name: "options-keepalive", trait: "an OPTIONS behind a keepalive of two line ends (RFC 5626)"},
	{name: "garbage", trait: "octets that are no SIP"},
	{name: "via-port", trait: "a Via that names another port than the request comes from, with rport"},

	{name: "invite-no-cseq", breaks: ruleNoCSeq},
	{name: "invite-unframed", breaks: "RFC 3261 18.3: no Content-Length on a stream"},
	{name: "invite-no-c", breaks: "RFC 8866 5.7: no c="},
	{name: "ack-no-cseq", breaks: ruleNoCSeq},
	{name: "bye-no-cseq", breaks: ruleNoCSeq},
	{name: "prack-no-cseq", breaks: ruleNoCSeq},
	{name: "update-no-cseq", breaks: ruleNoCSeq},
	{name: "register-expires", breaks: "RFC 3261 25.1: expires of a Contact is no number"},
	{name: "register-no-cseq", breaks: ruleNoCSeq},
	{name: "broken-answer-no-cseq", breaks: "RFC 3261 8.2.6.2: an answer without CSeq"},
	{name: "broken-answer-bad-cseq", breaks: "RFC 3261 25.1: the CSeq of an answer is no number"},
	{name: "broken-answer-bad-status", breaks: "RFC 3261 7.2: the status of an answer is no number"},
}

// OddStep says what is odd about the message of a step, and which rule it breaks on purpose; both are empty for others.
func OddStep(name string) (trait, breaks string) {
	for i := range oddSteps {
		if o := &oddSteps[i]; o.name == name {
			return o.trait, o.breaks
		}
	}
	if octets, df, ok := SizeStep(name); ok {
		trait = fmt.Sprintf("%d octets, which may be fragmented", octets)
		if df == DFSet {
			trait = fmt.Sprintf("%d octets, in one packet that no router may fragment", octets)
		}
	}
	return trait, ""
}

// SizeStep reads the name of a step that is sent for its size.
func SizeStep(name string) (octets int, df string, ok bool) {
	size, ok := strings.CutPrefix(name, StepSize)
	df = DFClear
	if rest, set := strings.CutSuffix(size, "-df"); set {
		size, df = rest, DFSet
	}
	octets, err := strconv.Atoi(size)
	return octets, df, ok && err == nil
}

// OtherAddress is an address that is nobody's here. As the origin of an SDP it shows which gateways replace an o= that
// differs from c=, and as it differs in length from most public addresses it makes errors in Content-Length show.
func OtherAddress(v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte{0: 0xfd, 15: 0x99})
	}
	return netip.AddrFrom4([4]byte{10, 9, 9, 9})
}

// RoleOf is the role of a message of a probe by the name of its step. What the name does not tell proves nothing by getting
// lost.
func RoleOf(name string, control bool) Role {
	line := strings.LastIndexByte(name, '-')
	switch {
	case name == "", strings.HasSuffix(name, StepBracket), strings.HasPrefix(name, StepAfter), strings.HasPrefix(name, StepLive):
		return RoleBracket
	case strings.HasPrefix(name, "cause-"):
		return RoleCause
	case line > 0 && isNumber(name[line+1:]):
		if trait, breaks := OddStep(name[:line]); trait+breaks != "" {
			return RoleCause // an odd message without one of its lines
		}
	}
	if control {
		return RoleControl
	}
	return RoleProbe
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// The two kinds of port in a signature. They are of equal length: a message to one differs from the same message to the other
// in nothing that counts.
const (
	signedService = "service"
	signedControl = "neutral"
	signedBy      = "nofixup/"
)

// Signature is what a probe calls itself in its messages, as the User-Agent of SIP has it (RFC 3261 20.41): its version, which
// step the message is of, and whether it goes to the control port. So a capture of a probe tells by itself what is what.
func Signature(version, step string, control bool) string {
	port := signedService
	if control {
		port = signedControl
	}
	return signedBy + version + " (" + step + "; " + port + ")"
}

// ReadSignature finds the signature in a message.
func ReadSignature(raw []byte) (step string, control, ok bool) {
	const most = 128 // octets
	for {
		i := bytes.Index(raw, []byte(signedBy))
		if i < 0 {
			return "", false, false
		}
		raw = raw[i+len(signedBy):]
		text := raw[:min(len(raw), most)]
		if end := bytes.IndexByte(text, ')'); end >= 0 {
			_, comment, _ := bytes.Cut(text[:end], []byte(" ("))
			name, port, found := strings.Cut(string(comment), "; ")
			if found && isStepName(name) && (port == signedService || port == signedControl) {
				return name, port == signedControl, true
			}
		}
	}
}

func isStepName(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return name != "" && len(name) <= 64
}
