package report_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nofixup/alg"
	"nofixup/alg/report"
	"nofixup/h323"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var began = time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC)

// scene builds a report: messages on flows, judged as a run would be.
type scene struct {
	evidence alg.Evidence
	trials   []alg.Trial
	network  alg.Network
	now      time.Time
}

func newScene() *scene {
	s := &scene{now: began, network: alg.Network{
		Local: netip.MustParseAddr("10.0.0.9"), Interface: "eth0", MTU: 1500, Reflector: netip.MustParseAddr("203.0.113.10"),
	}}
	s.evidence.Complete = true
	for _, p := range []alg.Point{{Name: alg.Inside, Role: "client"}, {Name: alg.Outside, Role: "reflector"}} {
		p.From, p.To, p.Complete = began, began.Add(time.Hour), true
		s.evidence.Points = append(s.evidence.Points, p)
	}
	return s
}

func (s *scene) nat() *scene {
	s.network.NAT, s.network.NATs, s.network.Public = true, 1, netip.MustParseAddr("198.51.100.2")
	return s
}

// flow adds a flow of SIP and returns its number.
func (s *scene) flow(port uint16, source alg.SourcePort, control bool) int {
	return s.flowOf(alg.ProtoSIP, "udp", port, source, control)
}

func (s *scene) flowOf(proto, transport string, port uint16, source alg.SourcePort, control bool) int {
	local, remote := s.network.Local, s.network.Reflector
	family := 4
	if local.Is6() {
		family = 6
	}
	from := source
	if from == alg.Ephemeral {
		from = 40000
	}
	f := alg.Flow{
		ID: len(s.evidence.Flows) + 1,
		Path: alg.Path{
			Proto: proto, Transport: transport, Family: family, Port: port, SourcePort: source, Control: control,
		},
		Inside:  [2]netip.AddrPort{netip.AddrPortFrom(local, uint16(from)), netip.AddrPortFrom(remote, port)},
		Outside: [2]netip.AddrPort{netip.AddrPortFrom(local, uint16(from)), netip.AddrPortFrom(remote, port)},
	}
	if s.network.NAT {
		f.Outside[0] = netip.AddrPortFrom(s.network.Public, uint16(from))
	}
	s.evidence.Flows = append(s.evidence.Flows, f)
	return f.ID
}

// send adds tries of a message; lost ones have no got.
func (s *scene) send(flow int, outbound bool, step string, tries int, sent string, got *string) {
	for try := range tries {
		s.now = s.now.Add(time.Second)
		id := len(s.evidence.Pairs) + 1
		p := alg.Pair{
			ID: id, Flow: flow, Seq: id, Try: try + 1, Outbound: outbound, Step: step, Shape: alg.ShapeLocal, Role: alg.RoleProbe,
			Inside: &alg.Sighting{At: s.now, End: len(sent), Raw: []byte(sent)},
		}
		if strings.Contains(step, "no-cseq") {
			p.Shape, p.Breaks = alg.ShapeNone, "RFC 3261 8.1.1: no CSeq"
		}
		if got != nil {
			p.Outside = &alg.Sighting{At: s.now, End: len(*got), Raw: []byte(*got)}
		}
		if !outbound {
			p.Inside, p.Outside = p.Outside, p.Inside
		}
		s.evidence.Pairs = append(s.evidence.Pairs, p)
	}
}

// both sends a message and an answer through a box that rewrites by the pairs of old and new octets, or leaves them alone.
func (s *scene) both(flow, tries int, request, response string, rewrite ...string) {
	out := strings.NewReplacer(rewrite...).Replace(request)
	s.send(flow, true, "invite", tries, request, &out)
	back := make([]string, len(rewrite))
	for i := 0; i < len(rewrite); i += 2 {
		back[i], back[i+1] = rewrite[i+1], rewrite[i]
	}
	in := strings.NewReplacer(back...).Replace(response)
	s.send(flow, false, "invite", tries, response, &in)
}

func (s *scene) report() *alg.Report {
	var j alg.Judge
	for _, c := range s.evidence.Cases(s.trials) {
		j.Add(c)
	}
	r := j.Report()
	r.Version, r.Source, r.Started, r.Duration = "0.1", "probe", began, 4200
	notes := r.Network.Notes
	r.Network = s.network
	r.Network.Notes = append(notes, s.network.Notes...)
	r.Trials = append(r.Trials, s.trials...)
	r.Evidence = s.evidence
	return r
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

var (
	invite = crlf(`INVITE sip:bob@203.0.113.10 SIP/2.0
Via: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKa1;rport
Max-Forwards: 70
From: "Alice" <sip:alice@10.0.0.9>;tag=a1
To: <sip:bob@203.0.113.10>
Call-ID: c1@example
CSeq: 1 INVITE
Contact: <sip:alice@10.0.0.9:5060>
Content-Type: application/sdp
Content-Length: 119

v=0
o=alice 1 1 IN IP4 10.0.0.9
s=-
c=IN IP4 10.0.0.9
t=0 0
m=audio 40000 RTP/AVP 0 8
m=video 40002 RTP/AVP 97
`)
	busy = crlf(`SIP/2.0 486 Busy Here
Via: SIP/2.0/UDP 198.51.100.2:5060;branch=z9hG4bKa1;received=198.51.100.2;rport=5060
From: "Alice" <sip:alice@198.51.100.2:5060>;tag=a1
To: <sip:bob@203.0.113.10>;tag=b1
Call-ID: c1@example
CSeq: 1 INVITE
Content-Length: 0

`)
	noCSeq = strings.ReplaceAll(invite, "CSeq: 1 INVITE\r\n", "")
	// What the Linux helper does to the messages above.
	linux = []string{
		"UDP 10.0.0.9", "UDP 198.51.100.2", "alice@10.0.0.9>", "alice@198.51.100.2:5060>", "alice@10.0.0.9:", "alice@198.51.100.2:",
		"IP4 10.0.0.9", "IP4 198.51.100.2", "Length: 119", "Length: 127", "received=10.0.0.9", "received=198.51.100.2",
	}
)

// linuxScene is a Linux gateway with its helper on, on both source ports, and clean control ports.
func linuxScene() *scene {
	s := newScene().nat()
	main, other := s.flow(5060, 5060, false), s.flow(5060, alg.Ephemeral, false)
	control := s.flow(15060, 5060, true)
	for _, f := range []int{control, main, other} {
		if f == control {
			s.both(f, 20, invite, busy)
			s.send(f, true, "invite-no-cseq", 1, noCSeq, &noCSeq)
			continue
		}
		s.both(f, 2, invite, busy, linux...)
		s.send(f, true, "invite-no-cseq", 8, noCSeq, nil)
		s.both(f, 1, invite, busy, linux...)
	}
	return s
}

// changed is one message through a box that makes got of sent.
func changed(sent, got string) *scene {
	s := newScene()
	main := s.flow(5060, 5060, false)
	s.send(main, true, "invite", 1, sent, &got)
	s.send(main, false, "invite", 1, busy, &busy)
	return s
}

// wire is a message of H.323.
func wire(raw []byte, _ []h323.Span, err error) string {
	if err != nil {
		panic(err) // what goes in stands below
	}
	return string(raw)
}

// setup is a Setup from an address, with as many extension bits.
func setup(own netip.Addr, bits int) string {
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(own, port) }
	return wire(h323.CallMessage{ID: [16]byte{1}, Body: h323.SetupBody{
		ExtensionBits: bits, Source: []h323.Alias{{Kind: h323.AliasH323ID, Value: "alice"}},
		SourceCallSignalAddress: at(40100), H245Address: at(40108),
		FastStart: []h323.Channel{
			{Number: 1, MediaControl: at(40001)},
			{Number: 2, Reverse: true, Media: at(40000), MediaControl: at(40001)},
			{Number: 3, Codec: h323.CodecH261, MediaControl: at(40003)},
			{Number: 4, Codec: h323.CodecH261, Reverse: true, Media: at(40002), MediaControl: at(40003)},
		},
	}}.Append(nil))
}

// h323Scene is a Linux gateway with its H.323 helper on.
func h323Scene() *scene {
	s := newScene().nat()
	private, public := string(s.network.Local.AsSlice()), string(s.network.Public.AsSlice())
	main, control := s.flowOf(alg.ProtoH323, "tcp", 1720, alg.Ephemeral, false), s.flowOf(alg.ProtoH323, "tcp", 11720, alg.Ephemeral, true)
	release := wire(h323.CallMessage{ID: [16]byte{1}, Body: h323.ReleaseBody{}}.Append(nil))
	good := func(tries int) {
		for _, f := range []int{control, main} {
			s.send(f, true, "release", tries, release, &release)
			s.send(f, false, "release", tries, release, &release)
		}
	}
	good(20)
	sent := setup(s.network.Local, 28)
	got := strings.NewReplacer(private, public, "\x9c\xac", "\xa0\x00").Replace(sent)
	s.send(main, true, alg.StepSetup, 1, sent, &got)
	s.send(main, true, alg.StepSetupSplitMiddle, 1, sent, &sent)
	s.send(control, true, alg.StepSetup, 1, sent, &sent)
	// Of this one the gateway finds one address alone.
	sent = setup(s.network.Local, 27)
	from := strings.Index(sent, private+"\x9c\xa4")
	got = sent[:from] + public + sent[from+4:]
	s.send(main, true, "setup-27", 1, sent, &got)
	alias := strings.Replace(sent, "\x00a\x00l\x00i\x00c\x00e", "\x00g\x00u\x00e\x00s\x00\xe9", 1)
	s.send(main, true, "setup-12", 1, sent, &alias)
	s.send(control, true, "facility", 1, release, &release)
	facility := wire(h323.CallMessage{ID: [16]byte{1}, Body: h323.FacilityBody{}}.Append(nil))
	s.send(control, true, "facility-lost", 1, facility, &facility)
	for range 6 { // each on a connection of its own, which it stalls
		s.send(s.flowOf(alg.ProtoH323, "tcp", 1720, alg.Ephemeral, false), true, "facility-lost", 1, facility, nil)
	}
	good(1)
	for range 6 {
		s.trials = append(s.trials, alg.Trial{
			Kind: alg.TrialH245, Path: s.evidence.Flows[main-1].Path, At: began, Outcome: alg.OutcomeFailed, Detail: "no answer within 3 s",
			Src: netip.MustParseAddrPort("10.0.0.9:40001"), Dst: netip.MustParseAddrPort("203.0.113.10:30000"),
		})
	}
	ras := s.flowOf(alg.ProtoRAS, "udp", 1719, 1719, false)
	grq := wire(h323.RASMessage{Body: h323.GatekeeperRequest{RASAddress: netip.MustParseAddrPort("10.0.0.9:1719")}}.Append(nil))
	grqGot := strings.ReplaceAll(grq, private, public)
	s.send(ras, true, "grq", 1, grq, &grqGot)
	s.send(ras, false, "grq", 1, release, &release)
	return s
}

func scenes() map[string]func() *scene {
	all := signallingScenes()
	maps.Copy(all, mediaScenes())
	return all
}

func signallingScenes() map[string]func() *scene {
	return map[string]func() *scene{
		"clean": func() *scene {
			s := newScene().nat()
			for _, source := range []alg.SourcePort{5060, alg.Ephemeral} {
				f := s.flow(5060, source, false)
				s.both(f, 1, invite, busy)
				s.send(f, true, "invite-no-cseq", 1, noCSeq, &noCSeq)
				s.both(s.flow(15060, source, true), 3, invite, busy)
			}
			return s
		},
		"interference": linuxScene,
		"notes": func() *scene {
			s := linuxScene()
			s.network.Notes = []string{
				"HTTPS arrives from 192.0.2.7, SIP from 198.51.100.2: the network has several public addresses",
				"a note that is long enough to be wrapped at any width, since it goes on and on about what limits the meaning of the result",
			}
			return s
		},
		"tls-intercepted": func() *scene {
			s := newScene().nat()
			s.evidence.Flows, s.evidence.Pairs = []alg.Flow{}, []alg.Pair{}
			path := alg.Path{Proto: alg.ProtoSIPS, Transport: "tls", Family: 4, Port: 5061}
			here := alg.Handshake{Version: "TLS 1.2", Cipher: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", Binding: strings.Repeat("a1", 32)}
			there := alg.Handshake{Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", ALPN: "sip/2", Binding: strings.Repeat("b2", 32)}
			s.trials = []alg.Trial{{
				Kind: alg.TrialTLS, Path: path, Outcome: alg.OutcomeOK, At: began,
				Src: netip.MustParseAddrPort("10.0.0.9:40000"), Dst: netip.MustParseAddrPort("203.0.113.10:5061"),
				TLS: &alg.TLS{
					Expected: alg.Certificate{SHA256: strings.Repeat("0f", 32), Pin: "sha256//iB2rc5LEzX0z6lbBYYTgc3CKMfKxeGJjJTbAa1O7M/w="},
					Chain: []alg.Certificate{{
						Subject: "CN=203.0.113.10", Issuer: "CN=Inspection CA\x1b[31m,O=Example", SHA256: strings.Repeat("3c", 32),
						Pin: "sha256//x1Ykc5LEzX0z6lbBYYTgc3CKMfKxeGJjJTbAa1O7M/w=",
					}},
					Best: alg.Handshake{Version: "TLS 1.3", ALPN: "sip/2"}, Client: here, Server: &there,
				},
			}}
			return s
		},
		"inconclusive": func() *scene {
			s := newScene().nat()
			main, control := s.flow(5060, 5060, false), s.flow(15060, 5060, true)
			s.both(control, 9, invite, busy)
			s.both(main, 1, invite, busy)
			s.evidence.Flows = append(s.evidence.Flows, alg.Flow{ID: 3, Path: alg.Path{Proto: "sip", Transport: "udp", Family: 6, Port: 5060, SourcePort: 5060}})
			s.trials = []alg.Trial{{
				Kind: "socket", Path: s.evidence.Flows[2].Path, Outcome: alg.OutcomeFailed, Detail: "port 5060 is in use on this computer",
				Src: netip.MustParseAddrPort("[2001:db8::9]:5060"), Dst: netip.MustParseAddrPort("[2001:db8:1::10]:5060"), At: began,
			}}
			return s
		},
		"blocked": func() *scene {
			s := newScene().nat()
			main, control := s.flow(5060, 5060, false), s.flow(15060, 5060, true)
			s.both(control, 20, invite, busy)
			s.send(main, true, "invite", 8, invite, nil)
			return s
		},
		"dropped": func() *scene {
			s := newScene()
			main, control := s.flow(5060, 5060, false), s.flow(15060, 5060, true)
			register := strings.ReplaceAll(invite, "INVITE", "REGISTER")
			s.both(control, 20, invite, busy)
			s.send(control, true, "register", 1, register, &register)
			s.both(main, 1, invite, busy)
			s.send(main, true, "register", 8, register, nil)
			s.both(main, 1, invite, busy)
			return s
		},
		"proxy": func() *scene {
			return changed(invite, strings.NewReplacer("Via: ", "Via: SIP/2.0/UDP 198.51.100.2;branch=z9hG4bKp\r\nVia: ", "s: 70", "s: 69").Replace(invite))
		},
		"ipv6": func() *scene {
			s := newScene()
			s.network.Local, s.network.Reflector = netip.MustParseAddr("2001:db8::9"), netip.MustParseAddr("2001:db8:1::10")
			main := s.flow(5060, 5060, false)
			v6 := strings.NewReplacer("IP4 10.0.0.9", "IP6 2001:db8::9", "10.0.0.9", "[2001:db8::9]").Replace(invite)
			got := strings.NewReplacer("UDP [2001:db8::9]", "UDP [2001:db8:ff::2]", "IP6 2001:db8::9", "IP6 2001:db8:ff::2").Replace(v6)
			s.send(main, true, "invite", 1, v6, &got)
			s.send(main, false, "invite", 1, busy, &busy)
			return s
		},
		"long-lines": func() *scene {
			long := strings.Replace(invite, ";rport", ";x="+strings.Repeat("0123456789", 20)+";rport", 1)
			long = strings.Replace(long, "Contact: ", "X-Long: "+strings.Repeat("abcdefghi ", 30)+"\r\nContact: ", 1)
			got := strings.NewReplacer("UDP 10.0.0.9", "UDP 198.51.100.2", ";rport", ";rport=5060;received=198.51.100.2").Replace(long)
			got = strings.Replace(got, "abcdefghi abcdefghi \r\n", "abcdefghi ABCDEFGHI\r\n", 1)
			return changed(long, got)
		},
		"control-characters": func() *scene {
			got := strings.NewReplacer(
				"c1@example", "\x1b[31m\x00\a\xff@example", "alice@10.0.0.9:", "al\xc3\xa9\tice@10.0.0.9:", "s=-", "s=\u202e\x9b2J",
				"CSeq: 1 INVITE\r\n", "CSeq: 1 INVITE\r\nX-\x1b: \x1b]0;title\a\r\n",
			).Replace(invite)
			s := changed(invite, got)
			s.network.Notes = []string{"a note with \x1b[2J and \u202eturned\u202c in it"}
			s.network.Interface = "eth\x1b0"
			return s
		},
		"spelling": func() *scene {
			got := strings.NewReplacer(
				"Via: ", "v: ", "From: ", "f: ", "To: ", "t: ", "Call-ID: ", "Call-Id:   ", "CSeq", "Cseq", "Contact", "CONTACT", "Max-Forwards: 70\r\n", "",
				"Content-Type: ", "Max-Forwards: 70\r\nc: ",
			).Replace(invite)
			return changed(invite, got)
		},
		"lines": func() *scene {
			got := strings.NewReplacer(
				"CSeq", "X-Firewall: passed\r\nCSeq", "s=-\r\n", "s=-\r\ni=(o=IN IP4 10.0.0.9)\r\n", "m=video 40002 RTP/AVP 97\r\n", "",
			).Replace(invite)
			return changed(invite, got)
		},
		"h323": h323Scene,
		"h323-ipv6": func() *scene {
			s := newScene()
			s.network.Local, s.network.Reflector = netip.MustParseAddr("2001:db8::9"), netip.MustParseAddr("2001:db8:1::10")
			main := s.flowOf(alg.ProtoH323, "tcp", 1720, alg.Ephemeral, false)
			sent := setup(s.network.Local, 28)
			got := strings.Replace(sent, string(s.network.Local.AsSlice()), string(netip.MustParseAddr("2001:db8:ff::2").AsSlice()), 1)
			s.send(main, true, "setup", 1, sent, &got)
			lost := sent[:len(sent)-20]
			s.send(main, true, "setup-12", 1, sent, &lost)
			return s
		},
		"body": func() *scene {
			xml := strings.NewReplacer("application/sdp", "application/dialog-info+xml").Replace(invite[:strings.Index(invite, "v=0")]) +
				"<?xml version=\"1.0\"?>\r\n<dialog-info>\r\n  <dialog id=\"1\" local-tag=\"a\" entity=\"sip:alice@10.0.0.9\"/>\r\n</dialog-info>\r\n"
			return changed(xml, strings.Replace(xml, "alice@10.0.0.9\"", "alice@198.51.100.2\"", 1))
		},
	}
}

func TestText(t *testing.T) {
	goldens := map[string]bool{}
	check := func(t *testing.T, name string, s *scene, opts report.TextOptions) {
		t.Helper()
		var b bytes.Buffer
		if err := report.Text(&b, s.report(), opts); err != nil {
			t.Fatal(err)
		}
		inspect(t, b.String(), opts)
		golden := filepath.Join("testdata", name+".txt")
		goldens[filepath.Base(golden)] = true
		if *update {
			if err := os.WriteFile(golden, b.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%s differs:\n%s", golden, b.String())
		}
	}
	for name, scene := range scenes() {
		t.Run(name, func(t *testing.T) { check(t, name, scene(), report.TextOptions{}) })
	}
	for _, name := range []string{"interference", "long-lines", "inconclusive", "h323", "h323-ipv6", "media-depends"} {
		t.Run(name+"-60", func(t *testing.T) { check(t, name+"-60", scenes()[name](), report.TextOptions{Width: 60}) })
	}
	for _, name := range []string{"interference", "clean", "control-characters", "h323", "media-nat"} {
		t.Run(name+"-color", func(t *testing.T) { check(t, name+"-color", scenes()[name](), report.TextOptions{Color: true}) })
	}
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !goldens[filepath.Base(f)] {
			t.Errorf("%s is nobody's", f)
		}
	}
}

// inspect asserts what holds for all text: nothing but printable characters, line ends and our own colours, and no
// excerpt wider than asked for.
func inspect(t *testing.T, text string, opts report.TextOptions) {
	t.Helper()
	plain := text
	for _, c := range []string{"0", "1", "2", "31", "32", "33", "1;31", "1;32", "1;33", "1;2"} {
		if opts.Color {
			plain = strings.ReplaceAll(plain, "\x1b["+c+"m", "")
		}
	}
	width := opts.Width
	if width == 0 {
		width = 100
	}
	for i, line := range strings.Split(plain, "\n") {
		for _, c := range []byte(line) {
			if c < 0x20 || c >= 0x7f {
				t.Errorf("line %d holds the octet %#x: %q", i+1, c, line)
				break
			}
		}
		if len(line) > width && (strings.HasPrefix(line, "    sent") || strings.HasPrefix(line, "    got")) {
			t.Errorf("line %d has %d columns: %q", i+1, len(line), line)
		}
	}
}

// Colours change nothing but colours.
func TestColor(t *testing.T) {
	for name, scene := range scenes() {
		var plain, color bytes.Buffer
		r := scene().report()
		if err := report.Text(&plain, r, report.TextOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := report.Text(&color, r, report.TextOptions{Color: true}); err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for part := range strings.SplitSeq(color.String(), "\x1b[") {
			if got.Len() > 0 || !strings.HasPrefix(color.String(), part) {
				_, part, _ = strings.Cut(part, "m")
			}
			got.WriteString(part)
		}
		if got.String() != plain.String() {
			t.Errorf("%s: without its colours the text is another:\n%s", name, got.String())
		}
	}
}

// Every caret stands under an octet that differs, and the octets above the carets are those of the finding.
func TestMarks(t *testing.T) {
	for _, name := range []string{"interference", "ipv6"} {
		var b bytes.Buffer
		if err := report.Text(&b, scenes()[name]().report(), report.TextOptions{}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(b.String(), "\n")
		marked := 0
		for i, line := range lines {
			if strings.Trim(line, " ^") != "" || !strings.Contains(line, "^") {
				continue
			}
			marked++
			above := lines[i-1]
			under := above[strings.Index(line, "^") : strings.LastIndex(line, "^")+1]
			if !strings.HasPrefix(under, "10.0.0.9") && !strings.HasPrefix(under, "198.51.100.2") && !strings.HasPrefix(under, "2001:db8:") &&
				!strings.HasPrefix(under, "[2001:db8:") && under != "119" && under != "127" && !strings.HasPrefix(under, ":5060") {
				t.Errorf("%s: %q is marked in %q", name, under, above)
			}
		}
		if marked == 0 {
			t.Errorf("%s marks nothing", name)
		}
	}
}

// A report from a file may hold anything.
func TestDamagedReport(t *testing.T) {
	one := &alg.Sighting{Raw: []byte("INVITE x SIP/2.0\r\n")}
	marks := []alg.Mark{{Pair: 1}, {Pair: 1, SentOff: -5, SentEnd: 99, GotOff: 50, GotEnd: -3}, {Pair: 9}, {Pair: 2, SentEnd: 4}, {Pair: 3, GotEnd: 4}, {Pair: 4}}
	r := &alg.Report{
		Verdict: "\x1b[31m",
		Network: alg.Network{Local: netip.MustParseAddr("fe80::1%\x1b[2J"), Notes: []string{"\x1b", ""}},
		Paths:   []alg.PathResult{{}, {Path: alg.Path{Proto: "\x1b\tx", Transport: "\n"}, Outbound: "a b\x1b", Inbound: "\x9b", Reason: "\x1b]0;\a"}},
		Evidence: alg.Evidence{Pairs: []alg.Pair{
			{ID: 1, Outbound: true, Inside: one, Outside: one}, {ID: 2, Outbound: true, Inside: one}, {ID: 3, Outbound: true, Outside: one}, {ID: 4},
		}},
		Triggers: []string{"\x1b[5m", "\xff"},
	}
	for i, m := range marks {
		for _, kind := range []alg.ChangeKind{"", alg.ChangeAltered, alg.ChangeReordered, alg.ChangeMissed, "\x1b"} {
			f := alg.Finding{
				ID: fmt.Sprint("id\x1b", i, kind), Severity: alg.Severity("\x1b"), Kind: kind, Field: "f\x1b", Message: "m\x1b\n", Proto: "\r",
				Direction: "\x00", Summary: "\x7f", Symptom: "\x1b", Advice: "\u202e", Marks: []alg.Mark{m},
			}
			r.Findings = append(r.Findings, f)
			f.Proto = alg.ProtoH323
			for k, field := range []string{"", "\x1b.ip", ".port", ".h323-ID", ".h323-ID"} {
				f.Field, f.Sent, f.Got = field, alg.Bytes("\x00\x1b\xd8\x00"[:k]), alg.Bytes(strings.Repeat("\x1b", 200))
				r.Findings = append(r.Findings, f)
			}
		}
	}
	r.Media = &alg.MediaSummary{Hears: "\x1b", Without: "\x9b", Settings: []string{"\x1b[2J", ""}}
	for _, s := range []string{"", "\x1b[1m\n"} {
		r.Trials = append(r.Trials,
			alg.Trial{Path: alg.Path{Proto: alg.ProtoMedia, Transport: s}, Media: &alg.Media{Signalling: s, Kind: s, Towards: s, NotSent: s, Sent: -1, Received: -5}},
			alg.Trial{Kind: s, Media: &alg.Media{Received: 9, Stream: &alg.Stream{Jitter: -7, DSCP: -1}}},
			alg.Trial{Pinhole: &alg.Pinhole{From: s, NotSent: s, Listening: s}}, alg.Trial{Binding: &alg.Binding{Idle: -1}},
		)
	}
	r.Paths = append(r.Paths, alg.PathResult{Path: alg.Path{Proto: alg.ProtoMedia, Transport: "\x1b"}, Outbound: alg.Blocked})
	r.Findings = append(r.Findings, alg.Finding{Proto: alg.ProtoMedia, Cause: "\x1b", Field: "sdp.\x1b", Sent: alg.Bytes("\x1b")},
		alg.Finding{Proto: alg.ProtoMedia, Cause: "c", Field: "\x1b.ip", Sent: alg.Bytes("\x1b")})
	for _, opts := range []report.TextOptions{{}, {Color: true}, {Width: 1}, {Width: -1}} {
		var b bytes.Buffer
		if err := report.Text(&b, r, opts); err != nil {
			t.Fatal(err)
		}
		opts.Width = 100
		inspect(t, b.String(), opts)
	}
	if err := report.Text(&bytes.Buffer{}, &alg.Report{}, report.TextOptions{}); err != nil {
		t.Fatal(err)
	}
}
