package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"nofixup/alg"
)

// scene is a capture in the making. Times are in ms from its start.
type scene struct {
	t     testing.TB
	shots []shot
	id    uint16
}

var (
	phone      = netip.MustParseAddrPort("198.51.100.20:5060")
	phoneMedia = netip.MustParseAddrPort("198.51.100.20:4000")
	nat        = netip.MustParseAddrPort("198.51.100.2:40060")
	natMedia   = netip.MustParseAddrPort("198.51.100.2:40000")
	proxy      = netip.MustParseAddrPort("203.0.113.5:5060")
)

func (s *scene) send(at int64, src, dst netip.AddrPort, payload []byte) {
	s.id++
	s.shots = append(s.shots, shot{at: start + at*ms, data: ether(packetUDP(s.t, src, dst, s.id, payload))})
}

// talk sends n packets of audio, one every 20 ms.
func (s *scene) talk(at int64, src, dst netip.AddrPort, ssrc uint32, n int) {
	for i := range n {
		s.send(at+int64(i)*20, src, dst, rtpPacket(s.t, ssrc, 0, i))
	}
}

// refuse sends ICMP errors about media, one every 500 ms.
func (s *scene) refuse(at int64, by netip.Addr, src, dst netip.AddrPort, code uint8, n int) {
	for i := range n {
		quoted := packetUDP(s.t, src, dst, 1, rtpPacket(s.t, 1, 0, i))
		icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, code)}
		b := stack(s.t, ip(by, src.Addr(), layers.IPProtocolICMPv4, 9), icmp, gopacket.Payload(quoted[:60]))
		s.shots = append(s.shots, shot{at: start + (at+int64(i)*500)*ms, data: ether(b)})
	}
}

// body is a description of audio at an address, with more lines.
func body(media netip.AddrPort, lines ...string) string {
	if !media.IsValid() {
		return ""
	}
	b := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\n", media.Addr(), media.Addr(), media.Port())
	for _, l := range lines {
		b += l + "\r\n"
	}
	return b
}

// says is a message of the call: the caller has tag 1, the callee tag 2. by is the caller's request or, with "from callee ", the
// callee's; own is the address in Via and Contact.
func says(first, call, cseq string, own netip.AddrPort, description string) []byte {
	from, to := "1", "2"
	if rest, ok := strings.CutPrefix(first, "from callee "); ok {
		first, from, to = rest, "2", "1"
	}
	method := strings.Fields(cseq)[1]
	m := first + "\r\nVia: SIP/2.0/UDP " + own.String() + ";branch=z9hG4bK" + strings.ReplaceAll(cseq, " ", "") + "\r\n" +
		"Max-Forwards: 70\r\nFrom: <sip:a@example.net>;tag=" + from + "x" + call + "\r\nTo: <sip:b@example.net>"
	if method != "INVITE" || !strings.HasPrefix(first, "INVITE") || from == "2" {
		m += ";tag=" + to + "x" + call
	}
	m += "\r\nCall-ID: " + call + "\r\nCSeq: " + cseq + "\r\nContact: <sip:a@" + own.String() + ">\r\n"
	if description != "" {
		m += "Content-Type: application/sdp\r\n"
	}
	return []byte(m + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(description)) + description)
}

const (
	invite = "INVITE sip:b@example.net SIP/2.0"
	ok200  = "SIP/2.0 200 OK"
)

// call is a call that is answered at 200 ms and ended by the caller, with what either end describes.
func (s *scene) call(from, to netip.AddrPort, end int64, offer, answer string) {
	s.send(0, from, to, says(invite, "c1", "1 INVITE", from, offer))
	s.send(100, to, from, says("SIP/2.0 180 Ringing", "c1", "1 INVITE", from, ""))
	s.send(200, to, from, says(ok200, "c1", "1 INVITE", from, answer))
	s.send(220, from, to, says("ACK sip:b@example.net SIP/2.0", "c1", "1 ACK", from, ""))
	s.send(end, from, to, says("BYE sip:b@example.net SIP/2.0", "c1", "2 BYE", from, ""))
	s.send(end+20, to, from, says(ok200, "c1", "2 BYE", from, ""))
}

// file writes the capture.
func (s *scene) file(name string) string {
	s.t.Helper()
	slices.SortStableFunc(s.shots, func(a, b shot) int { return int(min(1, max(-1, a.at-b.at))) })
	path := filepath.Join(s.t.TempDir(), name)
	if err := os.WriteFile(path, pcapFile(binary.LittleEndian, magicNano, 1, s.shots), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *scene) report() *alg.Report {
	s.t.Helper()
	r, err := Report(s.t.Context(), Config{Files: []string{s.file("one.pcap")}})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// ids are the IDs of the findings of a report.
func ids(r *alg.Report) (list []string) {
	for _, f := range r.Findings {
		list = append(list, f.ID)
	}
	return list
}

// What one capture shows of one call, and what it must not be taken for.
func TestOneCall(t *testing.T) {
	both := func(s *scene, end int64) {
		n := int(end-300) / 20
		s.talk(250, phoneMedia, bobMedia, 1, n)
		s.talk(260, bobMedia, phoneMedia, 2, n)
	}
	for _, tc := range []struct {
		name, state, audio, cause string
		findings                  int
		make                      func(s *scene)
	}{
		{"both ways", "ended", alg.AudioTwoWay, "", 0, func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia), body(bobMedia))
			both(s, 10000)
		}},
		{"nothing back", "ended", alg.AudioOneWay, "media-one-way", 1, func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
		}},
		{"three packets back", "ended", alg.AudioOneWay, "media-one-way", 1, func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, phoneMedia, 2, 3)
		}},
		{"too short to tell", "ended", alg.AudioUnknown, "", 0, func(s *scene) {
			s.call(phone, bob, 4000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 40)
		}},
		{"audio at a host name", "ended", alg.AudioUnknown, "", 0, func(s *scene) {
			s.call(phone, bob, 10000, strings.Replace(body(phoneMedia), phoneMedia.Addr().String(), "media.example.org", -1), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
		}},
		{"no media captured", "ended", alg.AudioUnknown, "", 0, func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia), body(bobMedia))
		}},
		{"private and nothing comes back", "ended", alg.AudioOneWay, "media-address-private", 2, func(s *scene) {
			s.call(alice, bob, 10000, body(aliceMedia), body(bobMedia))
			s.talk(250, aliceMedia, bobMedia, 1, 480)
		}},
		{"private, seen outside, sent to the private address", "ended", alg.AudioOneWay, "media-address-private", 2, func(s *scene) {
			s.call(nat, bob, 10000, body(aliceMedia), body(bobMedia))
			s.talk(250, natMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, aliceMedia, 2, 480)
		}},
		{"latching, seen inside", "ended", alg.AudioTwoWay, "media-latched", 1, func(s *scene) {
			s.call(alice, bob, 10000, body(aliceMedia), body(bobMedia))
			s.talk(250, aliceMedia, bobMedia, 1, 480)
			s.talk(350, bobMedia, aliceMedia, 2, 470)
		}},
		{"latching, seen outside", "ended", alg.AudioTwoWay, "media-latched", 1, func(s *scene) {
			s.call(nat, bob, 10000, body(aliceMedia), body(bobMedia))
			s.talk(250, natMedia, bobMedia, 1, 480)
			s.talk(350, bobMedia, natMedia, 2, 470)
		}},
		{"private on both sides", "ended", alg.AudioTwoWay, "", 0, func(s *scene) {
			far, farMedia := netip.MustParseAddrPort("10.3.3.3:5060"), netip.MustParseAddrPort("10.3.3.3:6000")
			s.call(alice, far, 10000, body(aliceMedia), body(farMedia))
			s.talk(250, aliceMedia, farMedia, 1, 480)
			s.talk(350, farMedia, aliceMedia, 2, 470)
		}},
		{"a client that knows its public address (STUN)", "ended", alg.AudioTwoWay, "", 0, func(s *scene) {
			s.call(nat, bob, 10000, body(natMedia), body(bobMedia))
			s.talk(250, natMedia, bobMedia, 1, 480)
			s.talk(350, bobMedia, natMedia, 2, 470)
		}},
		{"every packet twice", "ended", alg.AudioTwoWay, "", 0, func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia), body(bobMedia))
			both(s, 10000)
			for _, x := range slices.Clone(s.shots) {
				s.shots = append(s.shots, shot{at: x.at + 5000, data: x.data})
			}
		}},
		{"declined video", "ended", alg.AudioTwoWay, "", 0, func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia, "m=video 4002 RTP/AVP 34"), body(bobMedia, "m=video 0 RTP/AVP 34"))
			both(s, 10000)
		}},
		{"a switch to T.38", "ended", alg.AudioNotExpected, "", 0, func(s *scene) {
			s.call(phone, bob, 60000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 100)
			image := strings.Replace(body(bobMedia), "m=audio 5000 RTP/AVP 0", "m=image 5000 udptl t38", 1)
			s.send(3000, bob, phone, says("from callee INVITE sip:a@example.net SIP/2.0", "c1", "7 INVITE", bob, image))
			s.send(3100, phone, bob, says("from callee SIP/2.0 200 OK", "c1", "7 INVITE", bob, strings.Replace(image, "203.0.113.10", "198.51.100.20", -1)))
		}},
		{"a hold with music", "ended", alg.AudioTwoWay, "", 0, func(s *scene) {
			s.call(phone, bob, 60000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, phoneMedia, 2, 2900)
			s.send(10000, bob, phone, says("from callee INVITE sip:a@example.net SIP/2.0", "c1", "7 INVITE", bob, body(bobMedia, "a=sendonly")))
			s.send(10100, phone, bob, says("from callee SIP/2.0 200 OK", "c1", "7 INVITE", bob, body(phoneMedia, "a=recvonly")))
		}},
		{"a re-INVITE to direct media", "ended", alg.AudioTwoWay, "", 0, func(s *scene) {
			s.call(phone, bob, 60000, body(phoneMedia), body(bobMedia))
			both(s, 3000)
			s.send(3000, bob, phone, says("from callee INVITE sip:a@example.net SIP/2.0", "c1", "7 INVITE", bob, body(netip.MustParseAddrPort("192.0.2.77:9000"))))
			s.send(3100, phone, bob, says("from callee SIP/2.0 200 OK", "c1", "7 INVITE", bob, body(phoneMedia)))
		}},
		{"an announcement: one way agreed on", "ended", alg.AudioNotExpected, "", 0, func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia, "a=recvonly"), body(bobMedia, "a=sendonly"))
			s.talk(250, bobMedia, phoneMedia, 2, 480)
		}},
		{"a proxy with a relay", "ended", alg.AudioTwoWay, "", 0, func(s *scene) {
			relay, relayB := netip.MustParseAddrPort("203.0.113.5:7000"), netip.MustParseAddrPort("203.0.113.5:7002")
			s.call(phone, proxy, 10000, body(phoneMedia), body(relay))
			s.send(10, proxy, bob, says(invite, "c1", "1 INVITE", proxy, body(relayB)))
			s.send(190, bob, proxy, says(ok200, "c1", "1 INVITE", proxy, body(bobMedia)))
			s.talk(250, phoneMedia, relay, 1, 480)
			s.talk(251, relayB, bobMedia, 1, 480)
			s.talk(260, bobMedia, relayB, 2, 480)
			s.talk(261, relay, phoneMedia, 2, 480)
		}},
		{"it stops after five seconds", "ended", alg.AudioOneWay, "media-one-way", 1, func(s *scene) {
			s.call(phone, bob, 40000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 1980)
			s.talk(250, bobMedia, phoneMedia, 2, 250)
		}},
		{"it pauses: silence suppression", "ended", alg.AudioTwoWay, "", 0, func(s *scene) {
			s.call(phone, bob, 40000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 1980)
			s.talk(250, bobMedia, phoneMedia, 2, 100)
			for i := range 100 {
				s.send(6000+int64(i)*20, bobMedia, phoneMedia, rtpPacket(s.t, 2, 0, 100+i))
			}
		}},
		{"refused all along", "ended", alg.AudioOneWay, "media-refused", 2, func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia), body(bobMedia))
			both(s, 10000)
			s.refuse(300, bob.Addr(), phoneMedia, bobMedia, 3, 18)
		}},
		{"refused at the end alone", "ended", alg.AudioTwoWay, "", 0, func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia), body(bobMedia))
			both(s, 12000)
			s.refuse(9500, bob.Addr(), phoneMedia, bobMedia, 3, 4)
		}},
		{"no ACK", "ended", alg.AudioTwoWay, "", 1, func(s *scene) {
			s.send(0, phone, bob, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
			for i, at := range []int64{200, 700, 1700, 3700, 7700, 11700, 15700, 19700, 23700, 27700, 31700} {
				s.send(at, bob, phone, says(ok200, "c1", "1 INVITE", phone, body(bobMedia)))
				_ = i
			}
			both(s, 32000)
			s.send(32200, bob, phone, says("from callee BYE sip:a@example.net SIP/2.0", "c1", "1 BYE", bob, ""))
		}},
		{"busy", "failed 486", alg.AudioNotExpected, "", 0, func(s *scene) {
			s.send(0, phone, bob, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
			s.send(100, bob, phone, says("SIP/2.0 486 Busy Here", "c1", "1 INVITE", phone, ""))
		}},
		{"the capture ends while it rings", "ringing", alg.AudioNotExpected, "", 0, func(s *scene) {
			s.send(0, phone, bob, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
			s.send(100, bob, phone, says("SIP/2.0 183 Session Progress", "c1", "1 INVITE", phone, body(bobMedia)))
			s.talk(250, bobMedia, phoneMedia, 2, 480)
		}},
		{"nobody answers", "unanswered", alg.AudioNotExpected, "", 0, func(s *scene) {
			s.send(0, phone, bob, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &scene{t: t}
			tc.make(s)
			r := s.report()
			if len(r.Calls) != 1 {
				t.Fatalf("%+v", r.Calls)
			}
			if c := r.Calls[0]; c.State != tc.state || c.Audio != tc.audio || c.Cause != tc.cause || len(r.Findings)-signs(r) != tc.findings {
				t.Errorf("%s, audio %s because of %q, findings %v; want %s, %s, %q, %d", c.State, c.Audio, c.Cause, ids(r), tc.state, tc.audio, tc.cause, tc.findings)
			}
			if tc.name == "no ACK" && !slices.Contains(ids(r), "ack-missing") {
				t.Errorf("%v", ids(r))
			}
			for _, f := range r.Findings {
				if f.Confidence != "" && f.Confidence != alg.Low {
					t.Errorf("a sign of a gateway: %+v", f)
				}
			}
			for _, p := range r.Paths {
				if p.Outbound != alg.Untested || p.Inbound != alg.Untested {
					t.Errorf("one capture proves nothing: %+v", p)
				}
			}
		})
	}
}

// translation makes of what the inside sees what the outside does: another clock, and a NAT.
type translation struct {
	clock   time.Duration
	rewrite func(m []byte, outbound bool) []byte // nil leaves messages alone
	lose    func(m []byte) bool
}

// pair writes a call from behind a NAT as both sides see it.
func pair(t *testing.T, x translation) *alg.Report {
	in, out := &scene{t: t}, &scene{t: t}
	clock := x.clock.Milliseconds()
	carry := func(at int64, outbound bool, m []byte) {
		got := m
		if x.rewrite != nil {
			got = x.rewrite(m, outbound)
		}
		lost := x.lose != nil && x.lose(m)
		if outbound {
			in.send(at, alice, bob, m)
			if !lost {
				out.send(at+clock+1, nat, bob, got)
			}
			return
		}
		out.send(at+clock, bob, nat, got)
		if !lost {
			in.send(at+1, bob, alice, m)
		}
	}
	carry(0, true, says(invite, "c1", "1 INVITE", alice, body(aliceMedia)))
	carry(500, true, says(invite, "c1", "1 INVITE", alice, body(aliceMedia)))
	carry(1600, false, says(ok200, "c1", "1 INVITE", alice, body(bobMedia)))
	carry(1700, true, says("ACK sip:b@example.net SIP/2.0", "c1", "1 ACK", alice, ""))
	carry(5000, true, says("INFO sip:b@example.net SIP/2.0", "c1", "2 INFO", alice, ""))
	carry(5100, false, says(ok200, "c1", "2 INFO", alice, ""))
	carry(12000, true, says("BYE sip:b@example.net SIP/2.0", "c1", "3 BYE", alice, ""))
	carry(12100, false, says(ok200, "c1", "3 BYE", alice, ""))
	in.talk(2000, aliceMedia, bobMedia, 1, 480)
	out.talk(2001+clock, natMedia, bobMedia, 1, 480)
	out.talk(2000+clock, bobMedia, natMedia, 2, 480)
	in.talk(2001, bobMedia, aliceMedia, 2, 480)
	// Both captures begin before the call and end after it.
	for _, at := range []int64{-3000, 15000} {
		in.send(at, alice, bob, []byte("\r\n\r\n"))
		out.send(at+clock, nat, bob, []byte("\r\n\r\n"))
	}
	r, err := Report(t.Context(), Config{Inside: []string{in.file("in.pcap")}, Outside: []string{out.file("out.pcap")}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What two captures show of the box between them.
func TestTwoSides(t *testing.T) {
	public := func(m []byte, _ bool) []byte {
		got := bytes.ReplaceAll(m, []byte("192.168.1.10:5060"), []byte("198.51.100.2:40060"))
		head, rest, _ := bytes.Cut(bytes.ReplaceAll(got, []byte("192.168.1.10"), []byte("198.51.100.2")), []byte("\r\n\r\n"))
		i := bytes.LastIndex(head, []byte(": "))
		return slices.Concat(head[:i], fmt.Appendf(nil, ": %d\r\n\r\n", len(rest)), rest)
	}
	for _, tc := range []struct {
		name string
		translation
		verdict           alg.Overall
		outbound, inbound alg.Verdict
		want              []string // findings that must be there; none means no more than information
		call              string   // of finding, where it matters
	}{
		{"a NAT alone", translation{}, alg.OverallClean, alg.Clean, alg.Clean, nil, ""},
		{"another clock", translation{clock: 3721 * time.Second}, alg.OverallClean, alg.Clean, alg.Clean, nil, ""},
		{"a clock behind", translation{clock: -40 * time.Second}, alg.OverallClean, alg.Clean, alg.Clean, nil, ""},
		{"a gateway", translation{rewrite: public}, alg.OverallInterference, alg.Altered, alg.Altered, []string{"via-rewritten", "contact-rewritten", "sdp-connection-rewritten"}, ""},
		{"a gateway that rewrites Call-ID", translation{clock: time.Minute, rewrite: func(m []byte, _ bool) []byte {
			return bytes.ReplaceAll(m, []byte("Call-ID: c1"), []byte("Call-ID: d9"))
		}}, alg.OverallInterference, alg.Altered, alg.Altered, []string{"call-id-rewritten"}, ""},
		{"a message is lost", translation{lose: func(m []byte) bool { return bytes.HasPrefix(m, []byte("INFO")) }}, alg.OverallInconclusive, alg.Untested, alg.Clean, nil, ""},
		{"one try of two is lost", translation{lose: func() func(m []byte) bool {
			n := 0
			return func(m []byte) bool {
				if bytes.HasPrefix(m, []byte("INVITE")) {
					n++
				}
				return n == 1 && bytes.HasPrefix(m, []byte("INVITE"))
			}
		}()}, alg.OverallClean, alg.Clean, alg.Clean, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := pair(t, tc.translation)
			if len(r.Paths) != 1 || r.Verdict != tc.verdict || r.Paths[0].Outbound != tc.outbound || r.Paths[0].Inbound != tc.inbound {
				t.Errorf("%s, %+v, notes %q", r.Verdict, r.Paths, r.Network.Notes)
			}
			for _, want := range tc.want {
				if !slices.Contains(ids(r), want) {
					t.Errorf("no %s in %v", want, ids(r))
				}
			}
			if len(tc.want) == 0 && r.Fault() {
				t.Errorf("%v", ids(r))
			}
			if len(r.Calls) != 1 || r.Calls[0].Audio != alg.AudioTwoWay {
				t.Errorf("%+v", r.Calls)
			}
			if r.Network.Local != alice.Addr() || r.Network.Public != nat.Addr() {
				t.Errorf("%+v", r.Network)
			}
			// What was kept gives the same verdicts and findings once more.
			var j alg.Judge
			for _, c := range r.Evidence.Cases(r.Trials) {
				j.Add(c)
			}
			if again := j.Report(); again.Verdict != r.Verdict {
				t.Errorf("judged again: %s, was %s", again.Verdict, r.Verdict)
			}
		})
	}
}

// A proxy that the phone sends to is no box in between: what it makes of a call is not held against the way.
func TestProxyBetween(t *testing.T) {
	in, out := &scene{t: t}, &scene{t: t}
	in.call(alice, proxy, 10000, body(aliceMedia), body(bobMedia))
	out.call(netip.MustParseAddrPort("203.0.113.6:5060"), bob, 10000, body(natMedia), body(bobMedia))
	r, err := Report(t.Context(), Config{Inside: []string{in.file("in.pcap")}, Outside: []string{out.file("out.pcap")}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Paths) != 0 || len(r.Findings) != 0 || r.Verdict != alg.OverallInconclusive {
		t.Errorf("%s, %+v, %v", r.Verdict, r.Paths, ids(r))
	}
}

// signs counts the findings that are signs of a gateway.
func signs(r *alg.Report) (n int) {
	for _, f := range r.Findings {
		if f.Confidence != "" {
			n++
		}
	}
	return n
}
