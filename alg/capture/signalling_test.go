package capture

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"nofixup/alg"
)

// retries are when a request is sent that gets no answer, in ms from its first time (RFC 3261 17.1.1.2).
var retries = []int64{0, 500, 1500, 3500, 7500, 11500}

// again sends a message at all those times from one on.
func (s *scene) again(at int64, src, dst netip.AddrPort, m []byte) {
	for _, later := range retries {
		s.send(at+later, src, dst, m)
	}
}

// register is a REGISTER or, with a status, its answer.
func register(status string, cseq int, own netip.AddrPort, lines ...string) []byte {
	first := "REGISTER sip:example.net SIP/2.0"
	if status != "" {
		first = "SIP/2.0 " + status
	}
	m := fmt.Sprintf("%s\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKr%d\r\nFrom: <sip:a@example.net>;tag=r\r\nTo: <sip:a@example.net>\r\n"+
		"Call-ID: reg@%[2]s\r\nCSeq: %[3]d REGISTER\r\nContact: <sip:a@%[2]s>\r\n", first, own, cseq)
	for _, l := range lines {
		m += l + "\r\n"
	}
	return []byte(m + "Content-Length: 0\r\n\r\n")
}

// registered is a registration that is granted for so many seconds.
func (s *scene) registered(at int64, from, own netip.AddrPort, cseq, expires int) {
	s.send(at, from, proxy, register("", cseq, own, fmt.Sprint("Expires: ", expires)))
	s.send(at+20, proxy, from, register("200 OK", cseq, own, fmt.Sprint("Expires: ", expires)))
}

// quoting sends an ICMP error of that type and code about a message.
func (s *scene) quoting(at int64, by netip.Addr, src, dst netip.AddrPort, kind, code uint8, m []byte) {
	quoted := packetUDP(s.t, src, dst, 1, m)
	icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(kind, code)}
	b := stack(s.t, ip(by, src.Addr(), layers.IPProtocolICMPv4, 9), icmp, gopacket.Payload(quoted[:min(len(quoted), 200)]))
	s.shots = append(s.shots, shot{at: start + at*ms, data: ether(b)})
}

// pieces sends a message in fragments, those that keep names.
func (s *scene) pieces(at int64, src, dst netip.AddrPort, m []byte, keep ...int) {
	s.id++
	for i, b := range fragmented(s.t, packetUDP(s.t, src, dst, s.id, m), 1400) {
		if len(keep) == 0 || slices.Contains(keep, i) {
			s.shots = append(s.shots, shot{at: start + at*ms + int64(i), data: b})
		}
	}
}

// up is a call of 20 s with audio both ways.
func (s *scene) up(from, to netip.AddrPort, own netip.AddrPort, fromMedia, toMedia netip.AddrPort) {
	s.send(0, from, to, says(invite, "c1", "1 INVITE", own, body(fromMedia)))
	s.send(200, to, from, answer(says(ok200, "c1", "1 INVITE", own, body(toMedia)), own, to))
	s.send(220, from, to, says("ACK sip:b@example.net SIP/2.0", "c1", "1 ACK", own, ""))
	s.talk(250, fromMedia, toMedia, 1, 900)
	s.talk(260, toMedia, fromMedia, 2, 900)
}

// long is a message with a description of some length.
func long(cseq string, own netip.AddrPort) []byte {
	var lines []string
	for i := range 40 {
		lines = append(lines, fmt.Sprintf("a=rtpmap:%d codec-with-a-long-name/%d", 96+i, 8000+i))
	}
	return says(invite, "c2", cseq, own, body(phoneMedia, lines...))
}

// What one capture shows of requests that get no answer, and what it must not make of others.
func TestRequests(t *testing.T) {
	bye := says("from callee BYE sip:a@example.net SIP/2.0", "c1", "7 BYE", bob, "")
	wrong := netip.MustParseAddrPort("198.51.100.2:5060")
	for _, tc := range []struct {
		name  string
		want  []string // IDs of findings but for signs
		says  string   // in the first of them
		cause string   // of a finding ack-missing
		make  func(s *scene)
	}{
		{name: "a REGISTER without answer", want: []string{"register-unanswered"}, says: "sent 6 times in 12 s; no answer came", make: func(s *scene) {
			s.again(0, alice, proxy, register("", 1, alice))
		}},
		{name: "a REGISTER whose answers get lost", want: []string{"register-unanswered"}, says: "answers pass here", make: func(s *scene) {
			for _, at := range retries {
				s.send(at, nat, proxy, register("", 1, alice))
				s.send(at+10, proxy, nat, register("401 Unauthorized", 1, alice))
			}
		}},
		{name: "a REGISTER that is answered late", make: func(s *scene) {
			for _, at := range retries[:3] {
				s.send(at, alice, proxy, register("", 1, alice))
			}
			s.send(2000, proxy, alice, register("200 OK", 1, alice))
		}},
		{name: "a BYE to a private Contact", want: []string{"contact-unreachable"}, says: "which is private, while it signals from 198.51.100.2:40060", make: func(s *scene) {
			s.up(nat, bob, alice, natMedia, bobMedia)
			s.again(19000, bob, alice, bye)
		}},
		{name: "a BYE to another port", want: []string{"contact-unreachable"}, says: "while it signals from port 40060", make: func(s *scene) {
			s.up(nat, bob, wrong, natMedia, bobMedia)
			s.again(19000, bob, wrong, bye)
		}},
		{name: "a BYE that is refused at the Contact", want: []string{"contact-unreachable"}, says: "198.51.100.2 says that nobody is there", make: func(s *scene) {
			s.up(nat, bob, wrong, natMedia, bobMedia)
			s.send(19000, bob, wrong, bye)
			s.quoting(19010, wrong.Addr(), bob, wrong, 3, 3, bye)
		}},
		{name: "a BYE to where messages come from, of a phone that is gone", make: func(s *scene) {
			s.up(nat, bob, alice, natMedia, bobMedia)
			s.again(19000, bob, nat, bye)
		}},
		{name: "a BYE to a Contact elsewhere that is answered", make: func(s *scene) {
			s.up(nat, bob, wrong, natMedia, bobMedia)
			s.send(19000, bob, wrong, bye)
			s.send(19050, wrong, bob, says("from callee SIP/2.0 200 OK", "c1", "7 BYE", bob, ""))
		}},
		{name: "an ACK to a private Contact", want: []string{"ack-missing", "contact-unreachable"}, cause: "contact-unreachable", make: func(s *scene) {
			s.send(0, bob, nat, says(invite, "c1", "1 INVITE", bob, body(bobMedia)))
			for _, at := range append([]int64{}, retries...) {
				s.send(200+at, nat, bob, answer(says(ok200, "c1", "1 INVITE", bob, body(natMedia)), bob, alice))
			}
			s.send(220, bob, alice, says("ACK sip:a@192.168.1.10:5060 SIP/2.0", "c1", "1 ACK", bob, ""))
			s.talk(250, bobMedia, natMedia, 1, 600)
			s.talk(260, natMedia, bobMedia, 2, 600)
		}},
		{name: "a call to a binding that is gone", want: []string{"registration-lost"}, says: "registered from there 300 s before, for 3600 s", make: func(s *scene) {
			s.registered(0, nat, alice, 1, 3600)
			s.again(300020, proxy, nat, says(invite, "c9", "1 INVITE", proxy, body(bobMedia)))
		}},
		{name: "a call to a binding that expired", make: func(s *scene) {
			s.registered(0, nat, alice, 1, 60)
			s.again(300020, proxy, nat, says(invite, "c9", "1 INVITE", proxy, body(bobMedia)))
		}},
		{name: "a call to a binding that was given up", make: func(s *scene) {
			s.registered(0, nat, alice, 1, 3600)
			s.registered(9000, nat, alice, 2, 0)
			s.again(300020, proxy, nat, says(invite, "c9", "1 INVITE", proxy, body(bobMedia)))
		}},
		{name: "a call that rings", make: func(s *scene) {
			s.registered(0, nat, alice, 1, 3600)
			s.send(300020, proxy, nat, says(invite, "c9", "1 INVITE", proxy, body(bobMedia)))
			s.send(300520, proxy, nat, says(invite, "c9", "1 INVITE", proxy, body(bobMedia)))
			s.send(300600, nat, proxy, says("SIP/2.0 180 Ringing", "c9", "1 INVITE", proxy, ""))
		}},
		{name: "a binding that moves, and a call to the old one", want: []string{"registration-lost", "registration-moved"}, says: "and signals from 198.51.100.2:40063 now", make: func(s *scene) {
			later := netip.MustParseAddrPort("198.51.100.2:40063")
			s.registered(0, nat, alice, 1, 3600)
			s.registered(600000, later, alice, 2, 3600)
			s.again(900000, proxy, nat, says(invite, "c9", "1 INVITE", proxy, body(bobMedia)))
		}},
		{name: "a client that was restarted", make: func(s *scene) {
			own, other := netip.MustParseAddrPort("192.168.1.10:40001"), netip.MustParseAddrPort("198.51.100.2:40063")
			s.registered(0, nat, alice, 1, 3600)
			s.registered(600000, other, own, 2, 3600)
		}},
		{name: "a large INVITE without answer, short ones with", want: []string{"large-message-lost"}, says: "in 2 fragments; shorter ones are answered", make: func(s *scene) {
			s.registered(0, phone, phone, 1, 3600)
			for _, at := range retries {
				s.pieces(1000+at, phone, proxy, long("1 INVITE", phone))
			}
		}},
		{name: "of a large INVITE the first fragments alone, by a filter", make: func(s *scene) {
			for _, at := range retries {
				s.pieces(1000+at, phone, proxy, long("1 INVITE", phone), 0)
			}
		}},
		{name: "of a large INVITE the first fragments alone", want: []string{"large-message-lost"}, says: "of which the first fragment alone passes here", make: func(s *scene) {
			s.registered(0, phone, phone, 1, 3600)
			for _, at := range retries {
				s.pieces(1000+at, phone, proxy, long("1 INVITE", phone), 0)
			}
			s.send(60000, phone, proxy, []byte("\r\n\r\n"))
		}},
		{name: "a large INVITE that is answered, of which the capture lacks a fragment", make: func(s *scene) {
			s.pieces(1000, phone, proxy, long("1 INVITE", phone), 0)
			s.send(1020, proxy, phone, says("SIP/2.0 486 Busy Here", "c2", "1 INVITE", phone, ""))
		}},
		{name: "fragmentation needed", want: []string{"large-message-lost"}, says: "too large or lacks a fragment, in one ICMP error", make: func(s *scene) {
			m := long("1 INVITE", phone)
			s.send(0, phone, proxy, m)
			s.quoting(10, proxy.Addr(), phone, proxy, 3, 4, m)
		}},
		{name: "an INVITE that is refused", want: []string{"signalling-refused"}, says: "203.0.113.5 says so of 203.0.113.5:5060, in one ICMP error", make: func(s *scene) {
			m := says(invite, "c1", "1 INVITE", phone, body(phoneMedia))
			for _, at := range retries[:2] {
				s.send(at, phone, proxy, m)
			}
			s.quoting(510, proxy.Addr(), phone, proxy, 3, 3, m)
		}},
		{name: "an INVITE of a client that gives up at once", want: []string{"signalling-refused"}, make: func(s *scene) {
			m := says(invite, "c1", "1 INVITE", alice, body(aliceMedia))
			s.send(0, alice, proxy, m)
			s.quoting(10, proxy.Addr(), alice, proxy, 3, 3, m)
		}},
		{name: "a stranger who looks for servers", make: func(s *scene) {
			m := says(invite, "c1", "1 INVITE", phone, body(phoneMedia))
			s.send(0, phone, proxy, m)
			s.quoting(10, proxy.Addr(), phone, proxy, 3, 3, m)
		}},
		{name: "an OPTIONS that is refused", make: func(s *scene) {
			m := []byte(strings.Replace(string(says("OPTIONS sip:b@example.net SIP/2.0", "c1", "1 OPTIONS", phone, "")), ";tag=2xc1", "", 1))
			s.send(0, phone, proxy, m)
			s.quoting(10, proxy.Addr(), phone, proxy, 3, 3, m)
		}},
		{name: "an answer to a scanner that is refused", make: func(s *scene) {
			m := says("OPTIONS sip:b@example.net SIP/2.0", "c1", "1 OPTIONS", phone, "")
			s.send(0, phone, proxy, m)
			a := says(ok200, "c1", "1 OPTIONS", phone, "")
			s.send(10, proxy, phone, a)
			s.quoting(20, phone.Addr(), proxy, phone, 3, 3, a)
		}},
		{name: "T.38 that is refused", want: []string{"t38-refused"}, says: "answers 488", make: func(s *scene) {
			s.up(phone, bob, phone, phoneMedia, bobMedia)
			image := strings.Replace(body(bobMedia), "m=audio 5000 RTP/AVP 0", "m=image 5000 udptl t38", 1)
			s.send(3000, bob, phone, says("from callee INVITE sip:a@example.net SIP/2.0", "c1", "7 INVITE", bob, image))
			s.send(3100, phone, bob, says("from callee SIP/2.0 488 Not Acceptable Here", "c1", "7 INVITE", bob, ""))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &scene{t: t}
			tc.make(s)
			r := s.report()
			var got []string
			for _, f := range r.Findings {
				if f.Confidence != "" {
					if f.Confidence != alg.Low {
						t.Errorf("a sign of a gateway: %+v", f)
					}
					continue
				}
				got = append(got, f.ID)
				if f.ID == "ack-missing" && f.Cause != tc.cause {
					t.Errorf("cause %q, want %q", f.Cause, tc.cause)
				}
				if len(f.Frames) == 0 {
					t.Errorf("%s has no frames", f.ID)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
			if tc.says != "" && !strings.Contains(text(r, tc.want), tc.says) {
				t.Errorf("%q does not say %q", text(r, tc.want), tc.says)
			}
		})
	}
}

// text are the summaries of findings.
func text(r *alg.Report, ids []string) string {
	var all []string
	for _, f := range r.Findings {
		if slices.Contains(ids, f.ID) {
			all = append(all, f.Summary)
		}
	}
	return strings.Join(all, "\n")
}

// answer puts another Contact into a message.
func answer(m []byte, was, contact netip.AddrPort) []byte {
	return []byte(strings.Replace(string(m), "Contact: <sip:a@"+was.String()+">", "Contact: <sip:a@"+contact.String()+">", 1))
}

// One capture tells why media does not arrive where it was announced.
func TestMediaElsewhere(t *testing.T) {
	old := netip.MustParseAddrPort("198.51.100.99:4000")
	public := netip.MustParseAddrPort("198.51.100.2:4000")
	for _, tc := range []struct {
		name, audio, cause string
		make               func(s *scene)
	}{
		{"announced elsewhere, and refused there", alg.AudioOneWay, "media-sent-astray", func(s *scene) {
			s.call(nat, bob, 10000, body(old), body(bobMedia))
			s.talk(250, natMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, old, 2, 480)
			s.refuse(300, old.Addr(), bobMedia, old, 3, 18)
		}},
		{"announced elsewhere, and nothing passes", alg.AudioOneWay, "media-sent-astray", func(s *scene) {
			s.call(nat, bob, 10000, body(old), body(bobMedia))
			s.talk(250, natMedia, bobMedia, 1, 480)
		}},
		{"from elsewhere, both ways", alg.AudioTwoWay, "media-from-elsewhere", func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.talk(250, netip.MustParseAddrPort("203.0.113.11:5000"), phoneMedia, 2, 480)
		}},
		{"the address alone was rewritten", alg.AudioOneWay, "sdp-port-untouched", func(s *scene) {
			s.call(nat, bob, 10000, strings.Replace(body(public), "o=- 1 1 IN IP4 198.51.100.2", "o=- 1 1 IN IP4 192.168.1.10", 1), body(bobMedia))
			s.talk(250, natMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, public, 2, 480)
			s.refuse(300, public.Addr(), bobMedia, public, 3, 18)
		}},
		{"a phone that listens at another port", alg.AudioOneWay, "media-refused", func(s *scene) {
			s.call(nat, bob, 10000, body(public), body(bobMedia))
			s.talk(250, natMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, public, 2, 480)
			s.refuse(300, public.Addr(), bobMedia, public, 3, 18)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &scene{t: t}
			tc.make(s)
			if r := s.report(); len(r.Calls) != 1 || r.Calls[0].Audio != tc.audio || r.Calls[0].Cause != tc.cause {
				t.Errorf("%+v, want audio %s because of %q", r.Calls, tc.audio, tc.cause)
			}
		})
	}
}

// hop is a message as a proxy hands it on: with its own Via on top, and in Record-Route.
func hop(m []byte, own netip.AddrPort) []byte {
	head, rest, _ := strings.Cut(string(m), "\r\n")
	more := "\r\nVia: SIP/2.0/UDP " + own.String() + ";branch=z9hG4bKproxy"
	return []byte(head + more + "\r\nRecord-Route: <sip:" + own.String() + ";lr>\r\n" + rest)
}

// What others do to messages is no gateway's doing, and nobody's fault.
func TestNoSigns(t *testing.T) {
	stun := func(s *scene, at int64, client, mapped netip.AddrPort) {
		ip, port := mapped.Addr().As4(), mapped.Port()^0x2112
		id := []byte("transaction!")
		head := func(kind, n byte) []byte {
			return slices.Concat([]byte{1 &^ (1 - kind), 1, 0, n, 0x21, 0x12, 0xa4, 0x42}, id)
		}
		server := netip.MustParseAddrPort("203.0.113.9:3478")
		request := head(0, 0)
		s.send(at, client, server, request)
		s.send(at+10, server, client, slices.Concat(head(1, 12), []byte{0, 0x20, 0, 8, 0, 1, byte(port >> 8), byte(port), ip[0] ^ 0x21, ip[1] ^ 0x12, ip[2] ^ 0xa4, ip[3] ^ 0x42}))
	}
	private := func(m []byte) []byte { return answer(m, nat, alice) }
	for _, tc := range []struct {
		name string
		make func(s *scene)
	}{
		{"a proxy hop", func(s *scene) {
			m := says(invite, "c1", "1 INVITE", phone, body(phoneMedia))
			s.send(0, phone, proxy, m)
			s.send(5, proxy, bob, hop(m, proxy))
			a := answer(says(ok200, "c1", "1 INVITE", phone, body(bobMedia)), phone, bob)
			s.send(200, bob, proxy, hop(a, proxy))
			s.send(205, proxy, phone, a)
			s.send(220, phone, proxy, says("ACK sip:b@example.net SIP/2.0", "c1", "1 ACK", phone, ""))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.talk(260, bobMedia, phoneMedia, 2, 480)
		}},
		{"a proxy with a relay, for a phone behind a NAT", func(s *scene) {
			relay := netip.MustParseAddrPort("203.0.113.5:7000")
			m := says(invite, "c1", "1 INVITE", alice, body(aliceMedia))
			s.send(0, nat, proxy, m)
			relayed := strings.Replace(body(aliceMedia), "c=IN IP4 192.168.1.10", "c=IN IP4 203.0.113.5", 1)
			s.send(5, proxy, bob, hop(says(invite, "c1", "1 INVITE", alice, relayed), proxy))
			a := answer(says(ok200, "c1", "1 INVITE", alice, body(relay)), alice, bob)
			s.send(205, proxy, nat, a)
			s.talk(250, natMedia, relay, 1, 480)
			s.talk(260, relay, natMedia, 2, 480)
		}},
		{"an SBC: Call-IDs and addresses of its own", func(s *scene) {
			relay := netip.MustParseAddrPort("203.0.113.5:7000")
			s.send(0, nat, proxy, says(invite, "c1", "1 INVITE", alice, body(aliceMedia)))
			s.send(5, proxy, bob, says(invite, "c2", "1 INVITE", proxy, body(relay)))
			s.send(200, bob, proxy, answer(says(ok200, "c2", "1 INVITE", proxy, body(bobMedia)), proxy, bob))
			s.send(205, proxy, nat, answer(says(ok200, "c1", "1 INVITE", alice, body(relay)), alice, proxy))
			s.talk(250, natMedia, relay, 1, 480)
			s.talk(260, relay, natMedia, 2, 480)
		}},
		{"a B2BUA that moves the media", func(s *scene) {
			s.up(phone, bob, phone, phoneMedia, bobMedia)
			direct := netip.MustParseAddrPort("192.0.2.77:9000")
			s.send(5000, bob, phone, says("from callee INVITE sip:a@example.net SIP/2.0", "c1", "7 INVITE", bob, body(direct)))
			s.send(5100, phone, bob, answer(says("from callee SIP/2.0 200 OK", "c1", "7 INVITE", bob, body(phoneMedia)), bob, phone))
			s.send(5120, bob, phone, says("from callee ACK sip:a@example.net SIP/2.0", "c1", "7 ACK", bob, ""))
		}},
		{"STUN, and a second medium left private", func(s *scene) {
			stun(s, 0, nat, nat)
			s.send(100, nat, bob, says(invite, "c1", "1 INVITE", nat, body(natMedia, "m=video 4002 RTP/AVP 34", "c=IN IP4 192.168.1.10")))
		}},
		{"comedia: a Contact that is private, and received=", func(s *scene) {
			m := private(says(invite, "c1", "1 INVITE", nat, body(aliceMedia)))
			s.send(0, nat, bob, []byte(strings.ReplaceAll(string(m), nat.String()+";", alice.String()+";rport;")))
			a := strings.ReplaceAll(string(answer(says(ok200, "c1", "1 INVITE", nat, body(bobMedia)), nat, bob)), nat.String()+";", alice.String()+";rport=40060;received=198.51.100.2;")
			s.send(200, bob, nat, []byte(a))
			s.talk(250, natMedia, bobMedia, 1, 480)
			s.talk(350, bobMedia, natMedia, 2, 470)
		}},
		{"captured twice", func(s *scene) {
			s.registered(0, alice, alice, 1, 3600)
			for _, x := range slices.Clone(s.shots) {
				s.shots = append(s.shots, shot{at: x.at + 5000, data: x.data})
			}
		}},
		{"a registration through a proxy", func(s *scene) {
			for i, at := range []int64{0, 600000} {
				s.send(at, proxy, bob, hop(register("", i+1, alice), proxy))
				s.send(at+9, bob, proxy, hop(register("200 OK", i+1, alice), proxy))
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &scene{t: t}
			tc.make(s)
			for _, f := range s.report().Findings {
				if f.Severity != alg.Info || f.Confidence != "" && f.Confidence != alg.Low {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// Signs that one capture shows of a gateway that translates to one side alone.
func TestSignsOfOneSide(t *testing.T) {
	s := &scene{t: t}
	// Answers of a server behind a gateway: received= is mapped back, which other answers show to be translated.
	for i, received := range []string{"198.51.100.2", "192.168.1.10"} {
		via := fmt.Sprintf(";rport=5060;received=%s;", received)
		a := strings.Replace(string(register("200 OK", i+1, alice)), ";", via, 1)
		s.send(int64(i)*100, alice, proxy, register("", i+1, alice))
		s.send(int64(i)*100+10, proxy, alice, []byte(a))
	}
	// An answer whose Via is not the request's, at another port than the request came from.
	odd := netip.MustParseAddrPort("192.168.1.10:40000")
	q := strings.Replace(string(says("OPTIONS sip:b@example.net SIP/2.0", "c1", "1 OPTIONS", alice, "")), ";branch", ";rport;branch", 1)
	s.send(1000, odd, proxy, []byte(q))
	s.send(1010, proxy, alice, []byte(strings.NewReplacer("OPTIONS sip:b@example.net SIP/2.0", ok200, ";rport;", ";rport=40060;", "UDP 192.168.1.10:5060", "UDP 198.51.100.2:40060").Replace(q)))
	// The same INVITE with other octets.
	m := says(invite, "c3", "1 INVITE", nat, body(natMedia))
	s.send(2000, nat, bob, m)
	s.send(2500, nat, bob, []byte(strings.ReplaceAll(string(m), "IN IP4 198.51.100.2", "IN IP4 192.168.1.10")))
	r := s.report()
	want := map[string]alg.Confidence{
		"sign-received-mapped via[0].received": alg.High, "sign-answer-altered via[0].sent-by": alg.High, "sign-answer-redirected socket": alg.High,
		"sign-repetition-altered sdp.c.address": alg.Medium, "sign-repetition-altered sdp.o.address": alg.Medium, "sign-mixed-addresses sdp.o.address": alg.Low,
	}
	for _, f := range r.Findings {
		k := f.ID + " " + f.Field
		if c, ok := want[k]; !ok || c != f.Confidence || len(f.Frames) == 0 {
			t.Errorf("%+v", f)
		}
		delete(want, k)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	if r.Verdict != alg.OverallInconclusive || r.Fault() {
		t.Errorf("%s: a sign proves nothing", r.Verdict)
	}
}

// What is kept of requests is bounded, and what is left out is counted.
func TestSignallingBounds(t *testing.T) {
	var g Signalling
	f := &Flow{ID: 1, Proto: alg.ProtoSIP, Transport: "udp", Ends: [2]netip.AddrPort{alice, proxy}}
	const n = 3 * maxUnsettled
	for i := range n {
		raw := strings.NewReplacer("reg@", fmt.Sprintf("%d@", i), "z9hG4bK", fmt.Sprintf("z9hG4bK%d", i), "sip:a@", fmt.Sprintf("sip:%d@", i)).Replace(string(register("", 1, alice)))
		m := &Message{ID: i + 1, Flow: f, Proto: alg.ProtoSIP, Call: fmt.Sprint(i), Src: alice, Dst: proxy, At: start + int64(i)*ms, Raw: []byte(raw), Frames: []int{i}}
		g.Add(m)
		if i%2 == 0 {
			ok := strings.Replace(raw, "REGISTER sip:example.net SIP/2.0", "SIP/2.0 200 OK", 1)
			g.Add(&Message{ID: n + i, Flow: f, Proto: alg.ProtoSIP, Call: fmt.Sprint(i), Src: proxy, Dst: alice, At: start + int64(i)*ms, Raw: []byte(ok), Frames: []int{i}})
		}
	}
	if len(g.waiting) > maxRequests+1 || len(g.queue) != len(g.waiting) || len(g.open) > maxUnsettled || len(g.clients.queue) > 2*maxDialogs || len(g.clients.known) != len(g.clients.queue) {
		t.Errorf("%d wait, %d open, %d clients", len(g.waiting), len(g.open), len(g.clients.queue))
	}
	var j alg.Judge
	g.Judge(&j)
	if want := n/2 - maxUnsettled/2; g.Left != want || g.octets != 0 || len(j.Report().Findings) != 0 {
		t.Errorf("%d left out, want %d; %d octets kept; %v", g.Left, want, g.octets, ids(j.Report()))
	}
}

// On a stream a Content-Length that is too small leaves octets over.
func TestSignLeftOver(t *testing.T) {
	k := talkOf(2, "x")
	for more, want := range map[string]int{"": 0, "a=x\r\n": 1} {
		s := &scene{t: t, shots: timed(
			tcpFrame(t, alice, bob, 0, 0, "S", nil),
			tcpFrame(t, alice, bob, 1, 1, "A", slices.Concat(k.messages[0], []byte(more), k.messages[1])),
		)}
		r := s.report()
		if signs(r) != want || want > 0 && (r.Findings[0].ID != "sign-content-length" || r.Findings[0].Confidence != alg.Low || string(r.Findings[0].Got) != more) {
			t.Errorf("%q: %+v", more, r.Findings)
		}
	}
}
