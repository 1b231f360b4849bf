package fixup

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Style is how a box treats the SIP that passes it.
type Style struct {
	Name    string // for Config.Style
	About   string // one line, lower case, for a listing
	Verdict string // what a probe must say behind it: "interference" or "clean"

	rules  []rule
	udp    func(m *message, s *Style) bool // framing; nil: every payload is a message
	tcp    func(m *message, s *Style) bool
	ports  []uint16      // destination ports of the flows it looks at
	protos []string      // and their transports
	life   time.Duration // of such a flow, if not the usual one
}

// Styles lists what there is, sorted by name.
func Styles() []Style {
	sip := func(name, about, verdict string, rules ...rule) Style {
		return Style{Name: name, About: about, Verdict: verdict, rules: rules, ports: []uint16{5060}, protos: []string{"udp"}}
	}
	var (
		dialog  = rule{name: "dialog", find: literals(dialogLines), each: true, when: outbound, put: swapped}
		session = rule{name: "session", find: literals(sessionLines), each: true, when: outbound, put: swapped}
		back    = rule{name: "back", find: literals(startLine, dialogLines, []string{"to", "t"}, sessionLines), each: true, when: inbound, put: swapped}
		length  = rule{name: "length", do: setLength}
	)
	linux := sip("linux", "the SIP helper of the Linux kernel (nf_conntrack_sip, nf_nat_sip)", "interference", linuxRules...)
	linux.udp, linux.tcp, linux.life = linuxUDP, linuxTCP, lifeLinux
	linux.protos = []string{"udp", "tcp"}

	all := []Style{
		{Name: "none", About: "plain network address translation, no byte changed", Verdict: "clean"},
		linux,
		sip("full-headers", "own address replaced in Via, From, Contact, Call-ID, Route and SDP, both ways; UDP only",
			"interference", dialog, session, back, length),
		sip("sdp-only", "own address replaced in o= and c= of what leaves; UDP only",
			"interference", session, length),
		sip("broken-length", "as sdp-only, and Content-Length keeps its old value",
			"interference", session),
		sip("inbound-only", "nothing changed on the way out, the public address replaced on the way in; UDP only",
			"interference", back, length),
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

// watches reports whether the style looks at a flow whose first packet has this
// destination port.
func (s *Style) watches(proto string, port uint16) bool {
	return slices.Contains(s.protos, proto) && slices.Contains(s.ports, port)
}

// handle applies the style to one payload. False drops it.
func (s *Style) handle(m *message) bool {
	frame := s.udp
	if m.flow.proto == "tcp" {
		frame = s.tcp
	}
	if frame == nil {
		return m.apply(s.rules, 0)
	}
	return frame(m, s)
}
