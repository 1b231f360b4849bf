package probe

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nofixup/alg"
	"nofixup/reflector/wire"
	"nofixup/sip"
)

// template is what a message is made from. The messages are what a video endpoint sends: valid SIP (RFC 3261, RFC 8866)
// but for what a step breaks on purpose, and below 1,300 octets, above which RFC 3261 18.1.1 asks for TCP. What gateways
// look at stands in front, so that an ICMP error that quotes the first 500 octets shows it.
type template struct {
	tag    wire.Tag
	own    netip.AddrPort // the address and port that the message calls its own: the shape
	server netip.Addr
	nonce  string // from an earlier answer, empty before the first
	media  uint16 // first of three even ports; each has its RTCP port above it
	call   uint32 // number of the REGISTER that the message ends
	cseq   int    // of a message that is not the first of its call
	agent  string

	transport string // "udp", "tcp" or "tls"
}

// mediaPorts is how many ports one offer announces: audio, video and content, RTP and RTCP each.
const mediaPorts = 6

// host writes an address as SIP and URIs do: IPv6 in brackets.
func host(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

func (t *template) via() string {
	return fmt.Sprintf("SIP/2.0/%s %s;branch=z9hG4bK%s;rport", t.protocol(), t.own, t.tag)
}

func (t *template) protocol() string { return strings.ToUpper(t.transport) }

// contact is the URI under which the message says that its sender can be reached.
func (t *template) contact() string {
	if t.transport == "tcp" {
		return fmt.Sprintf("<sip:nofixup@%s;transport=tcp>", t.own)
	}
	return fmt.Sprintf("<"+t.scheme()+"nofixup@%s>", t.own)
}

// scheme begins all URIs: over TLS they are SIPS, so that a registration and a call stay on it (RFC 5630 3.3, 5.1.1); the
// parameter transport=tls is deprecated (RFC 5630 3.1.4).
func (t *template) scheme() string {
	if t.transport == "tls" {
		return "sips:"
	}
	return "sip:"
}

func (t *template) user() string { return t.scheme() + t.tag.String() + "@" + host(t.server) }

// callID holds the own address: gateways that hide it in the Call-ID tell themselves apart by that.
func (t *template) callID() string { return t.tag.String() + "@" + host(t.own.Addr()) }

// fromTag carries the reflector's nonce back, which proves the source address.
func (t *template) fromTag() string { return "f" + strconv.Itoa(int(t.tag.Number)) + t.nonce }

// compose makes the message of a step.
func (t *template) compose(step string) []byte {
	switch step {
	case stepOptions, stepBracket:
		return t.options()
	case stepRegister:
		return t.register(registrationTime, t.tag, 1)
	case stepDeregister:
		return t.register(0, wire.Tag{Token: t.tag.Token, Number: t.call}, t.cseq)
	case stepInvite:
		return t.invite()
	case stepCanary:
		return t.spelling()
	case stepNoCSeq:
		return t.noCSeq()
	case stepCall, stepCancel:
		return t.callInvite()
	case stepMessage:
		return t.outside("MESSAGE", []sip.Field{{Name: "Content-Type", Value: "text/plain"}}, "nofixup")
	case stepSubscribe:
		return t.outside("SUBSCRIBE", []sip.Field{
			{Name: "Event", Value: "presence"}, {Name: "Expires", Value: "0"}, {Name: "Accept", Value: "application/pidf+xml"},
		}, "")
	}
	if o, ok := oddOf(step); ok {
		return o.compose(t)
	}
	if o, line, ok := lessOf(step); ok {
		return withoutLine(o.compose(t), line)
	}
	if isCause(step) {
		return t.cause(step)
	}
	if after(step) != "" {
		return t.options()
	}
	panic("probe: no template for step " + step)
}

func (t *template) options() []byte {
	return t.outside("OPTIONS", []sip.Field{{Name: "Accept", Value: "application/sdp"}}, "")
}

// outside is a request outside of any dialog.
func (t *template) outside(method string, more []sip.Field, body string) []byte {
	fields := []sip.Field{
		{Name: "Via", Value: t.via()},
		{Name: "From", Value: fmt.Sprintf("<"+t.scheme()+"nofixup@%s>;tag=%s", host(t.own.Addr()), t.fromTag())},
		{Name: "To", Value: "<" + t.user() + ">"},
		{Name: "Call-ID", Value: t.callID()},
		{Name: "CSeq", Value: "1 " + method},
		{Name: "Contact", Value: t.contact()},
		{Name: "Max-Forwards", Value: "70"},
		{Name: "User-Agent", Value: t.agent},
	}
	if method == "MESSAGE" { // RFC 3428 4: it must have no Contact
		fields = slices.DeleteFunc(fields, func(f sip.Field) bool { return f.Name == "Contact" })
	}
	fields = append(fields, more...)
	fields = append(fields, sip.Field{Name: "Content-Length", Value: strconv.Itoa(len(body))})
	return sip.Compose(nil, method+" "+t.user()+" SIP/2.0", fields, []byte(body))
}

// register asks for 60 s: a gateway keeps a registration's pinhole open for as long as the registration lives. The first
// REGISTER of a call names it; the one that ends it carries another number in its branch.
func (t *template) register(expires int, call wire.Tag, cseq int) []byte {
	aor := fmt.Sprintf("<"+t.scheme()+"%s@%s>", call, host(t.server))
	return sip.Compose(nil, "REGISTER "+t.scheme()+host(t.server)+" SIP/2.0", []sip.Field{
		{Name: "Via", Value: t.via()},
		{Name: "From", Value: aor + ";tag=f" + strconv.Itoa(int(call.Number))},
		{Name: "To", Value: aor},
		{Name: "Call-ID", Value: call.String() + "@" + host(t.own.Addr())},
		{Name: "CSeq", Value: strconv.Itoa(cseq) + " REGISTER"},
		{Name: "Contact", Value: t.contact() + ";expires=" + strconv.Itoa(expires)},
		{Name: "Max-Forwards", Value: "70"},
		{Name: "X-Canary", Value: t.own.String()},
		{Name: "Expires", Value: strconv.Itoa(expires)},
		{Name: "User-Agent", Value: t.agent},
		{Name: "Content-Length", Value: "0"},
	}, nil)
}

// invite offers audio, video and content. From holds no port, Contact does.
func (t *template) invite() []byte {
	body := t.offer(t.own.Addr(), true)
	return sip.Compose(nil, "INVITE "+t.user()+" SIP/2.0", []sip.Field{
		{Name: "Via", Value: t.via()},
		{Name: "From", Value: fmt.Sprintf("\"nofixup\" <"+t.scheme()+"nofixup@%s>;tag=%s", host(t.own.Addr()), t.fromTag())},
		{Name: "To", Value: "<" + t.user() + ">"},
		{Name: "Call-ID", Value: t.callID()},
		{Name: "CSeq", Value: "1 INVITE"},
		{Name: "Contact", Value: t.contact()},
		{Name: "Max-Forwards", Value: "70"},
		{Name: "X-Canary", Value: t.own.String()},
		{Name: "P-Asserted-Identity", Value: fmt.Sprintf("<"+t.scheme()+"nofixup@%s>", t.own)},
		{Name: "Allow", Value: "INVITE, ACK, CANCEL, OPTIONS, BYE"},
		{Name: "User-Agent", Value: t.agent},
		{Name: "Content-Type", Value: "application/sdp"},
		{Name: "Content-Length", Value: strconv.Itoa(len(body))},
	}, body)
}

// spelling is an INVITE that writes everything otherwise: compact and mixed-case names, a fold, a second Via as if it had
// passed a proxy, a Route, a From with a port, and an origin that is not the media address.
func (t *template) spelling() []byte {
	body := t.offer(alg.OtherAddress(t.own.Addr().Is6()), false)
	return sip.Compose(nil, "INVITE "+t.user()+" SIP/2.0", []sip.Field{
		{Name: "v", Value: t.via()},
		{Name: "vIA", Value: fmt.Sprintf("SIP/2.0/%s %s;branch=z9hG4bK%s", t.protocol(), t.own, strings.Repeat("n", 8))},
		{Name: "f", Value: fmt.Sprintf("<"+t.scheme()+"nofixup@%s>;tag=%s", t.own, t.fromTag())},
		{Name: "t", Value: "<" + t.user() + ">"},
		{Name: "i", Value: t.callID()},
		{Name: "cSeQ", Value: "1 INVITE"},
		{Name: "m", Value: t.contact()},
		{Name: "Route", Value: fmt.Sprintf("<"+t.scheme()+"%s;lr>", t.own)},
		{Name: "MAX-forwards", Value: "70"},
		{Name: "X-Canary", Value: t.own.String() + ",\r\n folded"},
		{Name: "User-Agent", Value: t.agent},
		{Name: "c", Value: "application/sdp"},
		{Name: "l", Value: strconv.Itoa(len(body))},
	}, body)
}

// noCSeq is an INVITE that a gateway cannot follow whatever addresses it holds: RFC 3261 8.1.1 demands a CSeq, and the
// Linux helper drops what has none. A plain NAT does not care.
func (t *template) noCSeq() []byte {
	return sip.Compose(nil, "INVITE "+t.user()+" SIP/2.0", []sip.Field{
		{Name: "Via", Value: t.via()},
		{Name: "From", Value: fmt.Sprintf("<"+t.scheme()+"nofixup@%s>;tag=%s", host(t.own.Addr()), t.fromTag())},
		{Name: "To", Value: "<" + t.user() + ">"},
		{Name: "Call-ID", Value: t.callID()},
		{Name: "Max-Forwards", Value: "70"},
		{Name: "User-Agent", Value: t.agent},
		{Name: "Content-Length", Value: "0"},
	}, nil)
}

// ack acknowledges a final response that is no success (RFC 3261 17.1.1.3): its Request-URI, From, Call-ID, CSeq number and
// topmost Via are the INVITE's, its To the response's. A tag of its own tells it from the INVITE.
func (t *template) ack(invite, response *sip.Message) []byte {
	requestURI, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimLeft(string(invite.Raw), "\r\n"), "INVITE "), " ")
	return sip.Compose(nil, "ACK "+requestURI+" SIP/2.0", []sip.Field{
		{Name: "Via", Value: string(invite.Value(sip.HeaderVia, 0))},
		{Name: "From", Value: string(invite.Value(sip.HeaderFrom, 0))},
		{Name: "To", Value: string(response.Value(sip.HeaderTo, 0))},
		{Name: "Call-ID", Value: string(invite.Value(sip.HeaderCallID, 0))},
		{Name: "CSeq", Value: "1 ACK"},
		{Name: "Max-Forwards", Value: "70"},
		{Name: "X-Canary", Value: t.own.String() + " " + t.tag.String()},
		{Name: "Content-Length", Value: "0"},
	}, nil)
}

// offer is the SDP of a video endpoint. With attributes it holds addresses in a=rtcp and a=candidate, too: what a gateway
// leaves private there while it changes c= proves that it was there.
func (t *template) offer(origin netip.Addr, attributes bool) []byte {
	family := "IP4"
	if t.own.Addr().Is6() {
		family = "IP6"
	}
	own := family + " " + t.own.Addr().String()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("v=0")
	line("o=nofixup %d 1 IN %s %s", t.tag.Number, family, origin)
	line("s=-")
	line("c=IN %s", own)
	line("t=0 0")
	line("m=audio %d RTP/AVP 0 8", t.media)
	if attributes {
		line("a=rtcp:%d IN %s", t.media+1, own)
		line("a=candidate:1 1 UDP 2130706431 %s %d typ host", t.own.Addr(), t.media)
	}
	line("m=video %d RTP/AVP 97", t.media+2)
	line("a=rtpmap:97 H264/90000")
	line("a=content:main")
	line("m=video %d RTP/AVP 97", t.media+4)
	line("a=rtpmap:97 H264/90000")
	line("a=content:slides")
	return []byte(b.String())
}
