package probe

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nofixup/alg"
	"nofixup/sip"
)

// odd is a message that is unlike what most phones send. Most of them are valid, so that a network has no reason to treat
// them otherwise, and each is known to be dropped or spoilt by some application gateway.
type odd struct {
	name    string
	invite  bool // an answer is acknowledged
	udpOnly bool
	usual   bool // real endpoints send it every day: it belongs to the default probe
	compose func(t *template) []byte
}

// oddPorts is how many media ports an odd offer may announce.
const oddPorts = 8

// odds lists the odd messages: the valid ones first, since what breaks the rules can get the client banned.
var odds = []odd{
	{name: "notify", usual: true, compose: func(t *template) []byte {
		return t.outside("NOTIFY", []sip.Field{{Name: "Event", Value: "keep-alive"}, {Name: "Subscription-State", Value: "active"}}, "")
	}},
	{name: "publish", usual: true, compose: func(t *template) []byte {
		return t.outside("PUBLISH", []sip.Field{{Name: "Event", Value: "presence"}, {Name: "Expires", Value: "0"}}, "")
	}},
	{name: "unknown-method", compose: func(t *template) []byte {
		return t.outside("NOFIXUP", nil, "")
	}},
	{name: "long-uri", compose: (*template).longURI},
	{name: "long-header", compose: (*template).longHeader},
	{name: "invite-host-c", invite: true, compose: func(t *template) []byte {
		return t.inviteOf(t.sdp(t.address(), "IN "+t.family()+" media.example.net", t.audio(t.media)))
	}},
	{name: "invite-host-o", invite: true, compose: func(t *template) []byte {
		return t.inviteOf(t.sdp("IN "+t.family()+" phone.example.net", t.address(), t.audio(t.media)))
	}},
	{name: "invite-low-port", invite: true, compose: func(t *template) []byte {
		return t.inviteOf(t.sdp(t.address(), t.address(), t.audio(t.media%1000+20)))
	}},
	{name: "invite-other-family", invite: true, compose: func(t *template) []byte {
		other := "IN IP6 2001:db8::9"
		if t.own.Addr().Is6() {
			other = "IN IP4 192.0.2.9"
		}
		return t.inviteOf(t.sdp(t.address(), other, t.audio(t.media)))
	}},
	{name: "invite-four-media", usual: true, invite: true, compose: func(t *template) []byte {
		return t.inviteOf(t.sdp(t.address(), t.address(),
			t.audio(t.media), t.video(t.media+2), t.video(t.media+4), t.audio(t.media+6)))
	}},
	{name: "invite-webrtc", usual: true, invite: true, compose: func(t *template) []byte {
		return t.inviteOf(t.webRTC())
	}},
	{name: "invite-foreign-c", usual: true, invite: true, compose: (*template).foreign},
	{name: "invite-room", usual: true, invite: true, compose: func(t *template) []byte {
		return t.inviteOf(t.sdp(t.address(), t.address(), t.audio(t.media),
			fmt.Sprintf("m=application %d TCP/BFCP *", t.media+2), "a=floorctrl:c-s", "a=setup:actpass", "a=connection:new",
			fmt.Sprintf("m=application %d RTP/AVP 100", t.media+4), "a=rtpmap:100 H224/4800"))
	}},
	{name: "invite-multipart", usual: true, invite: true, compose: (*template).multipart},
	{name: "invite-folded-via", invite: true, compose: func(t *template) []byte {
		raw := t.inviteOf(t.sdp(t.address(), t.address(), t.audio(t.media)))
		return []byte(strings.Replace(string(raw), "SIP/2.0/"+t.protocol()+" ", "SIP/2.0/"+t.protocol()+"\r\n ", 1))
	}},
	// Over TCP there must be a Content-Length (RFC 3261 18.3).
	{name: "invite-no-length", invite: true, udpOnly: true, compose: func(t *template) []byte {
		return without(t.inviteOf(t.sdp(t.address(), t.address(), t.audio(t.media))), "Content-Length")
	}},
	{name: "stun", usual: true, udpOnly: true, compose: (*template).stun},
	{name: stepKeepalive, usual: true, udpOnly: true, compose: (*template).options},
	{name: "garbage", udpOnly: true, compose: func(t *template) []byte {
		return []byte(t.agent + " " + t.tag.String() + " \x00\xfe\xff")
	}},
	{name: "invite-no-c", invite: true, compose: func(t *template) []byte {
		return t.inviteOf(t.sdp(t.address(), "", t.audio(t.media)))
	}},
	{name: "ack-no-cseq", udpOnly: true, compose: withoutCSeq("ACK")},
	{name: "bye-no-cseq", udpOnly: true, compose: withoutCSeq("BYE")},
	{name: "prack-no-cseq", udpOnly: true, compose: withoutCSeq("PRACK")},
	{name: "update-no-cseq", udpOnly: true, compose: withoutCSeq("UPDATE")},
	{name: "register-expires", compose: func(t *template) []byte {
		return []byte(strings.Replace(string(t.register(0, t.tag, 1)), ";expires=0", ";expires=soon", 1))
	}},
	{name: "register-no-cseq", compose: func(t *template) []byte {
		return without(t.register(0, t.tag, 1), "CSeq")
	}},
}

// belongs reports whether the message is part of a plan. Each one that is dropped takes a while to be sure of, over TCP
// seconds: by default only what real endpoints send is tried, over UDP.
func (o odd) belongs(transport string, thorough bool) bool {
	if transport != "udp" {
		return thorough && !o.udpOnly
	}
	return thorough || o.usual
}

// oddOf returns the odd message of a step.
func oddOf(name string) (odd, bool) {
	i := slices.IndexFunc(odds, func(o odd) bool { return o.name == name })
	if i < 0 {
		return odd{}, false
	}
	return odds[i], true
}

// withoutCSeq makes requests of a method that lack a CSeq.
func withoutCSeq(method string) func(t *template) []byte {
	return func(t *template) []byte { return without(t.outside(method, nil, ""), "CSeq") }
}

// foreign offers the media of somebody else, as who arranges a call between two others does, and an origin that is neither's.
func (t *template) foreign() []byte {
	v6 := t.own.Addr().Is6()
	media := netip.AddrFrom4([4]byte{192, 0, 2, 77})
	if v6 {
		media = netip.MustParseAddr("2001:db8::77")
	}
	return t.inviteOf(t.sdp("IN "+t.family()+" "+alg.OtherAddress(v6).String(), "IN "+t.family()+" "+media.String(), t.audio(t.media)))
}

func (t *template) family() string {
	if t.own.Addr().Is6() {
		return "IP6"
	}
	return "IP4"
}

// address is the own address as o= and c= have it.
func (t *template) address() string { return "IN " + t.family() + " " + t.own.Addr().String() }

func (t *template) audio(port uint16) string { return fmt.Sprintf("m=audio %d RTP/AVP 0 8", port) }

func (t *template) video(port uint16) string {
	return fmt.Sprintf("m=video %d RTP/AVP 97\r\na=rtpmap:97 H264/90000", port)
}

// sdp is a session description with the given lines behind t=. An empty connection leaves c= out.
func (t *template) sdp(origin, connection string, lines ...string) []byte {
	head := []string{"v=0", fmt.Sprintf("o=nofixup %d 1 %s", t.tag.Number, origin), "s=-"}
	if connection != "" {
		head = append(head, "c="+connection)
	}
	head = append(head, "t=0 0")
	return []byte(strings.Join(append(head, lines...), "\r\n") + "\r\n")
}

func (t *template) webRTC() []byte {
	fingerprint := strings.TrimSuffix(strings.Repeat("A5:", 32), ":")
	public := netip.AddrFrom4([4]byte{192, 0, 2, 99}) // what a STUN server said
	return t.sdp(t.address(), t.address(),
		fmt.Sprintf("m=audio %d UDP/TLS/RTP/SAVPF 111", t.media), "a=rtpmap:111 opus/48000/2", "a=rtcp-mux",
		"a=ice-ufrag:nfx1", "a=ice-pwd:asd88fgpdd777uzjYhagZg", "a=fingerprint:sha-256 "+fingerprint, "a=setup:actpass",
		fmt.Sprintf("a=candidate:1 1 udp 2130706431 %s %d typ host", t.own.Addr(), t.media),
		fmt.Sprintf("a=candidate:2 1 udp 1694498815 %s %d typ srflx raddr %s rport %d", public, t.media, t.own.Addr(), t.media))
}

// inviteOf is an INVITE with a body of session description.
func (t *template) inviteOf(body []byte) []byte { return t.inviteAs("application/sdp", body) }

func (t *template) inviteAs(contentType string, body []byte) []byte {
	return sip.Compose(nil, "INVITE "+t.user()+" SIP/2.0", []sip.Field{
		{Name: "Via", Value: t.via()},
		{Name: "From", Value: fmt.Sprintf("<sip:nofixup@%s>;tag=%s", host(t.own.Addr()), t.fromTag())},
		{Name: "To", Value: "<" + t.user() + ">"},
		{Name: "Call-ID", Value: t.callID()},
		{Name: "CSeq", Value: "1 INVITE"},
		{Name: "Contact", Value: t.contact()},
		{Name: "Max-Forwards", Value: "70"},
		{Name: "User-Agent", Value: t.agent},
		{Name: "Content-Type", Value: contentType},
		{Name: "Content-Length", Value: strconv.Itoa(len(body))},
	}, body)
}

func (t *template) multipart() []byte {
	const boundary = "nofixup"
	part := func(contentType, text string) string {
		return "--" + boundary + "\r\nContent-Type: " + contentType + "\r\n\r\n" + text
	}
	body := part("application/sdp", string(t.sdp(t.address(), t.address(), t.audio(t.media)))) +
		part("text/plain", "nofixup\r\n") + "--" + boundary + "--\r\n"
	return t.inviteAs("multipart/mixed;boundary="+boundary, []byte(body))
}

// longURI has a parameter that fills the Request-URI up.
func (t *template) longURI() []byte {
	raw := t.options()
	end := strings.Index(string(raw), " SIP/2.0")
	return slices.Concat(raw[:end], []byte(";nofixup="+strings.Repeat("n", 256)), raw[end:])
}

// longHeader has few other headers, and short ones: the message must not need fragments, which are another question.
func (t *template) longHeader() []byte {
	return sip.Compose(nil, "OPTIONS "+t.user()+" SIP/2.0", []sip.Field{
		{Name: "Via", Value: t.via()},
		{Name: "From", Value: "<" + t.scheme() + "nofixup@nofixup.invalid>;tag=" + t.fromTag()},
		{Name: "To", Value: "<" + t.user() + ">"},
		{Name: "Call-ID", Value: t.tag.String()},
		{Name: "CSeq", Value: "1 OPTIONS"},
		{Name: "Max-Forwards", Value: "70"},
		{Name: "X-Canary", Value: t.agent + strings.Repeat("n", 1025-len("X-Canary: ")-len(t.agent))},
		{Name: "Content-Length", Value: "0"},
	}, nil)
}

// without takes a header line out.
func without(raw []byte, name string) []byte {
	text := string(raw)
	from := strings.Index(text, "\r\n"+name+": ")
	end := strings.Index(text[from+2:], "\r\n")
	return []byte(text[:from] + text[from+2+end:])
}
