package fixup

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Style is how a box treats the SIP, and maybe the H.323, that passes it.
type Style struct {
	Name    string // for Config.Style
	About   string // one line, lower case, for a listing
	Verdict string // what a probe must say behind it: "interference" or "clean"

	// Everywhere says that the box looks at every port, not only at that of
	// SIP: what a probe sends elsewhere for comparison is changed as well.
	Everywhere bool

	rules []rule
	udp   func(m *message, s *Style) bool // framing; nil: every payload is a message
	tcp   func(m *message, s *Style) bool // the same of a segment
	ports []uint16                        // destination ports of the flows with SIP
	h323  bool                            // it looks at H.323 as well
	life  time.Duration                   // of such a flow, if not the usual one
}

// Styles lists what there is, sorted by name.
func Styles() []Style {
	sip := func(name, about, verdict string, rules ...rule) Style {
		return Style{Name: name, About: about, Verdict: verdict, rules: rules, tcp: wholeMessages, ports: []uint16{5060}}
	}
	var (
		dialog  = rule{name: "dialog", find: literals(dialogLines), each: true, when: outbound, put: swapped}
		session = rule{name: "session", find: literals(sessionLines), each: true, when: outbound, put: swapped}
		back    = rule{name: "back", find: literals(startLine, dialogLines, sessionLines), each: true, when: inbound, put: swapped}
		length  = rule{name: "length", do: setLength}
	)
	linux := sip("linux", "the SIP and H.323 helpers of the Linux kernel (nf_nat_sip, nf_nat_h323)", "interference", linuxRules...)
	linux.udp, linux.tcp, linux.life, linux.h323 = linuxUDP, linuxTCP, lifeLinux, true

	all := []Style{
		{Name: "none", About: "plain network address translation, no byte changed", Verdict: "clean"},
		linux,
		{Name: "linux-h323", About: "the H.323 helpers of the Linux kernel alone", Verdict: "interference", h323: true},
		sip("full-headers", "a gateway that rewrites Via, From, To, Call-ID, Contact, Route, Record-Route and SDP, both ways",
			"interference", dialog, session, back, length),
		sip("sdp-only", "a gateway that rewrites o= and c= of what leaves",
			"interference", session, length),
		sip("broken-length", "a gateway that rewrites o= and c= of what leaves and forgets Content-Length",
			"interference", session),
		sip("inbound-only", "a gateway that rewrites what comes in and nothing that leaves",
			"interference", back, length),
		sip("proxy", "a SIP proxy that says so: adds Via and Record-Route, counts Max-Forwards, fills in received and rport",
			"clean", rule{name: "forward", do: forward}),
		{
			Name: "replace", About: "a box that replaces its inside address wherever it stands, on every port, and knows no Content-Length",
			Verdict: "interference", Everywhere: true,
			rules: []rule{{name: "anywhere", find: anywhere, each: true, put: translation}},
		},
		{
			Name: "replace-given", About: "a box that replaces the one address it was given, " + given + ", wherever it stands, on every port",
			Verdict: "interference", Everywhere: true,
			rules: []rule{{name: "given", find: givenText, each: true, when: outbound, put: publicText}},
		},
	}
	slices.SortFunc(all, func(a, b Style) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func lookup(name string) (*Style, error) {
	if name == "" {
		name = "none"
	}
	var known []string
	for _, s := range Styles() {
		if s.Name == name {
			return &s, nil
		}
		known = append(known, s.Name)
	}
	return nil, fmt.Errorf("fixup: style %q: not one of %s", name, strings.Join(known, ", "))
}

// helper is what looks at a flow with this first packet, which e has expected,
// if it is not nil.
func (s *Style) helper(p Packet, e *expectation) helper {
	switch port := p.Dst.Port(); {
	case e != nil && e.helper != helperNone:
		return e.helper
	case s.Everywhere, slices.Contains(s.ports, port):
		return helperSIP
	case s.h323 && p.Proto == "tcp" && port == portQ931:
		return helperQ931
	case s.h323 && p.Proto == "udp" && port == portRAS:
		return helperRAS
	}
	return helperNone
}

// handle applies the style to one payload. False drops it.
func (s *Style) handle(m *message) bool {
	switch m.flow.helper {
	case helperQ931, helperH245:
		return linuxSegment(m)
	case helperRAS:
		return linuxRAS(m)
	}
	frame := s.udp
	if m.flow.proto == "tcp" {
		frame = s.tcp
	}
	if frame == nil {
		return m.apply(s.rules, 0)
	}
	return frame(m, s)
}
