package capture

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nofixup/alg"
)

var (
	phoneB      = netip.MustParseAddrPort("198.51.100.30:5060")
	phoneBMedia = netip.MustParseAddrPort("198.51.100.30:4600")
)

// tagged gives the callee of a message another tag.
func tagged(m []byte, tag string) []byte {
	return []byte(strings.ReplaceAll(string(m), "tag=2x", "tag="+tag+"x"))
}

// reinvite is an INVITE in the call of the callee's, with what it is answered with; a status other than 200 refuses it.
func (s *scene) reinvite(at int64, cseq int, status, offer, answer string) {
	n := fmt.Sprintf("%d INVITE", cseq)
	s.send(at, bob, phone, says("from callee INVITE sip:a@example.net SIP/2.0", "c1", n, bob, offer))
	if status == "" {
		return
	}
	s.send(at+100, phone, bob, says("from callee SIP/2.0 "+status, "c1", n, bob, answer))
	s.send(at+120, bob, phone, says("from callee ACK sip:a@example.net SIP/2.0", "c1", fmt.Sprintf("%d ACK", cseq), bob, ""))
}

// talkFrom is talk that begins with another packet than the first.
func (s *scene) talkFrom(at int64, src, dst netip.AddrPort, ssrc uint32, first, n int) {
	for i := range n {
		s.send(at+int64(i)*20, src, dst, rtpPacket(s.t, ssrc, 0, first+i))
	}
}

// What offers and answers, forks, holds and refusals make of a call.
func TestDialogs(t *testing.T) {
	bundle := func(media netip.AddrPort) string {
		return strings.Replace(body(media, fmt.Sprintf("a=rtcp-mux\r\na=mid:0\r\nm=video %d RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=rtcp-mux\r\na=mid:1", media.Port())), "t=0 0\r\n", "t=0 0\r\na=group:BUNDLE 0 1\r\n", 1)
	}
	held := body(bobMedia, "a=sendonly")
	for _, tc := range []struct {
		name, state, audio, cause string
		packets                   [2]int // to the caller, to the callee; estimates within 2
		make                      func(s *scene)
	}{
		{"a refused hold leaves the session in force, and nothing comes back", "ended", alg.AudioOneWay, "media-one-way", [2]int{0, 1480}, func(s *scene) {
			s.call(phone, bob, 30000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 1480)
			s.reinvite(400, 7, "488 Not Acceptable Here", held, "")
		}},
		{"a refused change of address leaves the old one", "ended", alg.AudioTwoWay, "", [2]int{980, 980}, func(s *scene) {
			s.call(phone, bob, 20000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 980)
			s.talk(250, bobMedia, phoneMedia, 2, 980)
			s.reinvite(2000, 7, "491 Request Pending", body(bobMedia), "")
			s.send(2010, phone, bob, says(invite, "c1", "9 INVITE", phone, body(phoneMedia))) // glare
			s.send(2020, bob, phone, says("SIP/2.0 491 Request Pending", "c1", "9 INVITE", phone, ""))
		}},
		{"a refused re-INVITE to T.38", "ended", alg.AudioTwoWay, "", [2]int{1480, 1480}, func(s *scene) {
			s.call(phone, bob, 30000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 1480)
			s.talk(250, bobMedia, phoneMedia, 2, 1480)
			s.reinvite(1000, 7, "488 Not Acceptable Here", strings.Replace(body(bobMedia), "m=audio 5000 RTP/AVP 0", "m=image 5000 udptl t38", 1), "")
		}},
		{"hold and resume", "ended", alg.AudioTwoWay, "", [2]int{800, 800}, func(s *scene) {
			s.call(phone, bob, 60000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 490)
			s.talk(250, bobMedia, phoneMedia, 2, 490)
			s.reinvite(10000, 7, "200 OK", held, body(phoneMedia, "a=recvonly"))
			s.reinvite(50000, 8, "200 OK", body(bobMedia), body(phoneMedia))
			s.talkFrom(50200, phoneMedia, bobMedia, 1, 490, 310)
			s.talkFrom(50200, bobMedia, phoneMedia, 2, 490, 310)
		}},
		{"nothing comes back after a resume", "ended", alg.AudioOneWay, "media-one-way", [2]int{490, 2980}, func(s *scene) {
			s.call(phone, bob, 60000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 2980)
			s.talk(250, bobMedia, phoneMedia, 2, 490)
			s.reinvite(10000, 7, "200 OK", held, body(phoneMedia, "a=recvonly"))
			s.reinvite(20000, 8, "200 OK", body(bobMedia), body(phoneMedia))
		}},
		{"it stops after a hold", "ended", alg.AudioOneWay, "media-one-way", [2]int{990, 2490}, func(s *scene) {
			s.call(phone, bob, 60000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 490)
			s.talk(250, bobMedia, phoneMedia, 2, 490)
			s.reinvite(10000, 7, "200 OK", held, body(phoneMedia, "a=recvonly"))
			s.reinvite(19900, 8, "200 OK", body(bobMedia), body(phoneMedia))
			s.talkFrom(20000, phoneMedia, bobMedia, 1, 490, 2000)
			s.talkFrom(20000, bobMedia, phoneMedia, 2, 490, 500)
		}},
		{"a session timer refreshed, and it stops", "ended", alg.AudioOneWay, "media-one-way", [2]int{500, 1980}, func(s *scene) {
			s.call(phone, bob, 40000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 1980)
			s.talk(250, bobMedia, phoneMedia, 2, 500)
			s.reinvite(5000, 7, "200 OK", body(bobMedia), body(phoneMedia))
			s.send(15000, bob, phone, says("from callee UPDATE sip:a@example.net SIP/2.0", "c1", "8 UPDATE", bob, ""))
			s.send(15100, phone, bob, says("from callee SIP/2.0 200 OK", "c1", "8 UPDATE", bob, ""))
		}},
		{"a hold without an answer in the capture", "ended", alg.AudioTwoWay, "", [2]int{490, 2980}, func(s *scene) {
			s.call(phone, bob, 60000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 2980)
			s.talk(250, bobMedia, phoneMedia, 2, 490)
			s.send(9990, bob, phone, says("from callee UPDATE sip:a@example.net SIP/2.0", "c1", "7 UPDATE", bob, body(bobMedia, "a=inactive")))
			s.send(10000, phone, bob, says("from callee SIP/2.0 200 OK", "c1", "7 UPDATE", bob, body(phoneMedia, "a=inactive")))
		}},
		{"held as RFC 2543 has it", "ended", alg.AudioTwoWay, "", [2]int{2980, 490}, func(s *scene) {
			zero := netip.AddrPortFrom(netip.IPv4Unspecified(), 5000)
			s.call(phone, bob, 60000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 490)
			s.talk(250, bobMedia, phoneMedia, 2, 2980)
			s.reinvite(10000, 7, "200 OK", body(zero), body(phoneMedia))
		}},
		{"the offer in 200, the answer in ACK", "ended", alg.AudioOneWay, "media-one-way", [2]int{0, 480}, func(s *scene) {
			s.send(0, phone, bob, says(invite, "c1", "1 INVITE", phone, ""))
			s.send(200, bob, phone, says(ok200, "c1", "1 INVITE", phone, body(bobMedia)))
			s.send(220, phone, bob, says("ACK sip:b@example.net SIP/2.0", "c1", "1 ACK", phone, body(phoneMedia)))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.send(10000, phone, bob, says("BYE sip:b@example.net SIP/2.0", "c1", "2 BYE", phone, ""))
		}},
		{"the offer in 200, the answer in ACK: one way agreed on", "ended", alg.AudioNotExpected, "", [2]int{0, 480}, func(s *scene) {
			s.send(0, phone, bob, says(invite, "c1", "1 INVITE", phone, ""))
			s.send(200, bob, phone, says(ok200, "c1", "1 INVITE", phone, body(bobMedia)))
			s.send(220, phone, bob, says("ACK sip:b@example.net SIP/2.0", "c1", "1 ACK", phone, body(phoneMedia, "a=sendonly")))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.send(10000, phone, bob, says("BYE sip:b@example.net SIP/2.0", "c1", "2 BYE", phone, ""))
		}},
		{"the answer in a reliable 183, then PRACK and UPDATE", "ended", alg.AudioOneWay, "media-one-way", [2]int{0, 450}, func(s *scene) {
			s.send(0, phone, bob, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
			s.send(100, bob, phone, says("SIP/2.0 183 Session Progress", "c1", "1 INVITE", phone, body(bobMedia, "a=inactive")))
			s.send(120, phone, bob, says("PRACK sip:b@example.net SIP/2.0", "c1", "2 PRACK", phone, ""))
			s.send(140, bob, phone, says(ok200, "c1", "2 PRACK", phone, ""))
			s.send(160, phone, bob, says("UPDATE sip:b@example.net SIP/2.0", "c1", "3 UPDATE", phone, body(phoneMedia)))
			s.send(180, bob, phone, says(ok200, "c1", "3 UPDATE", phone, body(bobMedia)))
			s.send(1000, bob, phone, says(ok200, "c1", "1 INVITE", phone, ""))
			s.send(1020, phone, bob, says("ACK sip:b@example.net SIP/2.0", "c1", "1 ACK", phone, ""))
			s.talk(1000, phoneMedia, bobMedia, 1, 450)
			s.send(10000, phone, bob, says("BYE sip:b@example.net SIP/2.0", "c1", "4 BYE", phone, ""))
		}},
		{"early media alone, then nothing", "ended", alg.AudioUnknown, "", [2]int{0, 0}, func(s *scene) {
			s.send(0, phone, bob, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
			s.send(100, bob, phone, says("SIP/2.0 183 Session Progress", "c1", "1 INVITE", phone, body(bobMedia)))
			s.talk(120, bobMedia, phoneMedia, 2, 200)
			s.send(5000, bob, phone, says(ok200, "c1", "1 INVITE", phone, body(bobMedia)))
			s.send(20000, phone, bob, says("BYE sip:b@example.net SIP/2.0", "c1", "4 BYE", phone, ""))
		}},
		{"two ring with early media, one answers", "ended", alg.AudioTwoWay, "", [2]int{900, 900}, func(s *scene) {
			s.send(0, phone, bob, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
			s.send(100, bob, phone, tagged(says("SIP/2.0 183 Session Progress", "c1", "1 INVITE", phone, body(phoneBMedia)), "8"))
			s.send(110, bob, phone, says("SIP/2.0 183 Session Progress", "c1", "1 INVITE", phone, body(bobMedia)))
			s.talk(120, phoneBMedia, phoneMedia, 3, 80)
			s.talk(120, bobMedia, phoneMedia, 2, 993)
			s.send(2000, bob, phone, says(ok200, "c1", "1 INVITE", phone, body(bobMedia)))
			s.talk(2000, phoneMedia, bobMedia, 1, 900)
			s.send(20000, phone, bob, says("BYE sip:b@example.net SIP/2.0", "c1", "2 BYE", phone, ""))
		}},
		{"two answer, one is hung up on at once", "ended", alg.AudioOneWay, "media-one-way", [2]int{0, 950}, func(s *scene) {
			s.send(0, phone, bob, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
			s.send(500, bob, phone, says(ok200, "c1", "1 INVITE", phone, body(bobMedia)))
			s.send(520, phone, bob, says("ACK sip:b@example.net SIP/2.0", "c1", "1 ACK", phone, ""))
			s.send(600, bob, phone, tagged(says(ok200, "c1", "1 INVITE", phone, body(phoneBMedia, "a=inactive")), "8"))
			s.send(620, phone, bob, tagged(says("ACK sip:b@example.net SIP/2.0", "c1", "1 ACK", phone, ""), "8"))
			s.send(700, phone, bob, tagged(says("BYE sip:b@example.net SIP/2.0", "c1", "2 BYE", phone, ""), "8"))
			s.talk(800, phoneMedia, bobMedia, 1, 950)
			s.send(20000, phone, bob, says("BYE sip:b@example.net SIP/2.0", "c1", "3 BYE", phone, ""))
		}},
		{"two answer, the first is hung up on", "answered", alg.AudioOneWay, "media-one-way", [2]int{0, 950}, func(s *scene) {
			s.send(0, phone, bob, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
			s.send(500, bob, phone, tagged(says(ok200, "c1", "1 INVITE", phone, body(phoneBMedia, "a=inactive")), "8"))
			s.send(510, bob, phone, says(ok200, "c1", "1 INVITE", phone, body(bobMedia)))
			s.send(520, phone, bob, tagged(says("BYE sip:b@example.net SIP/2.0", "c1", "2 BYE", phone, ""), "8"))
			s.talk(800, phoneMedia, bobMedia, 1, 950)
		}},
		{"CANCEL and 200 cross", "ended", alg.AudioUnknown, "", [2]int{0, 0}, func(s *scene) {
			s.send(0, phone, bob, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
			s.send(500, phone, bob, says("CANCEL sip:b@example.net SIP/2.0", "c1", "1 CANCEL", phone, ""))
			s.send(501, bob, phone, says(ok200, "c1", "1 INVITE", phone, body(bobMedia)))
			s.send(520, bob, phone, says(ok200, "c1", "1 CANCEL", phone, ""))
			s.send(540, phone, bob, says("ACK sip:b@example.net SIP/2.0", "c1", "1 ACK", phone, ""))
			s.send(560, phone, bob, says("BYE sip:b@example.net SIP/2.0", "c1", "2 BYE", phone, ""))
		}},
		{"cancelled", "cancelled", alg.AudioNotExpected, "", [2]int{0, 0}, func(s *scene) {
			s.send(0, phone, bob, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
			s.send(500, phone, bob, says("CANCEL sip:b@example.net SIP/2.0", "c1", "1 CANCEL", phone, ""))
			s.send(520, bob, phone, says(ok200, "c1", "1 CANCEL", phone, ""))
			s.send(540, bob, phone, says("SIP/2.0 487 Request Terminated", "c1", "1 INVITE", phone, ""))
		}},
		{"redirected", "failed 302", alg.AudioNotExpected, "", [2]int{0, 0}, func(s *scene) {
			s.send(0, phone, bob, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
			s.send(100, bob, phone, says("SIP/2.0 302 Moved Temporarily", "c1", "1 INVITE", phone, ""))
		}},
		{"redirected and answered elsewhere", "ended", alg.AudioTwoWay, "", [2]int{480, 480}, func(s *scene) {
			s.send(0, phone, proxy, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
			s.send(100, proxy, phone, says("SIP/2.0 302 Moved Temporarily", "c1", "1 INVITE", phone, ""))
			s.send(110, phone, bob, says(invite, "c1", "2 INVITE", phone, body(phoneMedia)))
			s.send(200, bob, phone, says(ok200, "c1", "2 INVITE", phone, body(bobMedia)))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, phoneMedia, 2, 480)
			s.send(10000, phone, bob, says("BYE sip:b@example.net SIP/2.0", "c1", "3 BYE", phone, ""))
		}},
		{"challenged and given up", "failed 401", alg.AudioNotExpected, "", [2]int{0, 0}, func(s *scene) {
			s.send(0, phone, bob, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
			s.send(100, bob, phone, says("SIP/2.0 401 Unauthorized", "c1", "1 INVITE", phone, ""))
		}},
		{"challenged, then it rings", "ringing", alg.AudioNotExpected, "", [2]int{0, 0}, func(s *scene) {
			s.send(0, phone, bob, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
			s.send(100, bob, phone, says("SIP/2.0 407 Proxy Authentication Required", "c1", "1 INVITE", phone, ""))
			s.send(150, phone, bob, says(invite, "c1", "2 INVITE", phone, body(phoneMedia)))
			s.send(200, bob, phone, says("SIP/2.0 180 Ringing", "c1", "2 INVITE", phone, ""))
		}},
		{"one of a proxy's branches is busy, another answers", "ended", alg.AudioTwoWay, "", [2]int{480, 480}, func(s *scene) {
			s.call(phone, proxy, 10000, body(phoneMedia), body(bobMedia))
			s.send(10, proxy, phoneB, says(invite, "c1", "1 INVITE", proxy, body(phoneMedia)))
			s.send(11, proxy, bob, says(invite, "c1", "1 INVITE", proxy, body(phoneMedia)))
			s.send(50, phoneB, proxy, tagged(says("SIP/2.0 486 Busy Here", "c1", "1 INVITE", proxy, ""), "8"))
			s.send(190, bob, proxy, says(ok200, "c1", "1 INVITE", proxy, body(bobMedia)))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, phoneMedia, 2, 480)
		}},
		{"a relay that loses one way of its second half", "ended", alg.AudioOneWay, "media-one-way", [2]int{0, 480}, func(s *scene) {
			relay, relayB := netip.MustParseAddrPort("203.0.113.5:7000"), netip.MustParseAddrPort("203.0.113.5:7002")
			s.call(phone, proxy, 10000, body(phoneMedia), body(relay))
			s.send(10, proxy, bob, says(invite, "c1", "1 INVITE", proxy, body(relayB)))
			s.send(190, bob, proxy, says(ok200, "c1", "1 INVITE", proxy, body(bobMedia)))
			s.talk(250, phoneMedia, relay, 1, 480)
			s.talk(251, relayB, bobMedia, 1, 480)
			s.talk(261, relay, phoneMedia, 2, 480) // an announcement of the relay's
		}},
		{"a relay on the way, a session timer refreshed from either end, and it stops", "ended", alg.AudioOneWay, "media-one-way", [2]int{490, 1980}, func(s *scene) {
			relay, relayB := netip.MustParseAddrPort("203.0.113.5:7000"), netip.MustParseAddrPort("203.0.113.5:7002")
			s.call(phone, proxy, 40000, body(phoneMedia), body(relay))
			s.send(10, proxy, bob, says(invite, "c1", "1 INVITE", proxy, body(relayB)))
			s.send(190, bob, proxy, says(ok200, "c1", "1 INVITE", proxy, body(bobMedia)))
			const update = "from callee UPDATE sip:a@example.net SIP/2.0"
			s.send(5000, bob, proxy, says(update, "c1", "7 UPDATE", bob, body(bobMedia)))
			s.send(5010, proxy, phone, says(update, "c1", "7 UPDATE", bob, body(relay)))
			s.send(5100, phone, proxy, says("from callee SIP/2.0 200 OK", "c1", "7 UPDATE", bob, body(phoneMedia)))
			s.send(5110, proxy, bob, says("from callee SIP/2.0 200 OK", "c1", "7 UPDATE", bob, body(relayB)))
			s.send(15000, phone, proxy, says("UPDATE sip:b@example.net SIP/2.0", "c1", "8 UPDATE", phone, body(phoneMedia)))
			s.send(15010, proxy, bob, says("UPDATE sip:b@example.net SIP/2.0", "c1", "8 UPDATE", phone, body(relayB)))
			s.send(15100, bob, proxy, says(ok200, "c1", "8 UPDATE", phone, body(bobMedia)))
			s.send(15110, proxy, phone, says(ok200, "c1", "8 UPDATE", phone, body(relay)))
			s.talk(250, phoneMedia, relay, 1, 1980)
			s.talk(251, relayB, bobMedia, 1, 1980)
			s.talk(250, bobMedia, relayB, 2, 490)
			s.talk(251, relay, phoneMedia, 2, 490)
		}},
		{"descriptions that were captured in part", "ended", alg.AudioUnknown, "", [2]int{0, 480}, func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia, "a=sendonly"), body(bobMedia, "a=recvonly"))
			for i := range s.shots[:3] {
				s.shots[i].size = len(s.shots[i].data)
				s.shots[i].data = s.shots[i].data[:len(s.shots[i].data)-14]
			}
			s.talk(250, phoneMedia, bobMedia, 1, 480)
		}},
		{"responses come to another port than requests come from", "ended", alg.AudioTwoWay, "", [2]int{480, 480}, func(s *scene) {
			odd := netip.MustParseAddrPort("198.51.100.20:33000")
			s.send(0, odd, bob, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
			s.send(200, bob, phone, says(ok200, "c1", "1 INVITE", phone, body(bobMedia)))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, phoneMedia, 2, 480)
			s.send(10000, odd, bob, says("BYE sip:b@example.net SIP/2.0", "c1", "2 BYE", phone, ""))
		}},
		{"responses come from another host", "ended", alg.AudioTwoWay, "", [2]int{480, 480}, func(s *scene) {
			s.send(0, phone, proxy, says(invite, "c1", "1 INVITE", phone, body(phoneMedia)))
			s.send(200, netip.MustParseAddrPort("203.0.113.6:5060"), phone, says(ok200, "c1", "1 INVITE", phone, body(bobMedia)))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, phoneMedia, 2, 480)
			s.send(10000, phone, proxy, says("BYE sip:b@example.net SIP/2.0", "c1", "2 BYE", phone, ""))
		}},
		{"audio and video on one port", "ended", alg.AudioOneWay, "media-one-way", [2]int{0, 480}, func(s *scene) {
			s.call(phone, bob, 10000, bundle(phoneMedia), bundle(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			for i := range 480 { // video alone comes back
				s.send(260+int64(i)*20, bobMedia, phoneMedia, rtpPacket(s.t, 9, 96, i))
			}
		}},
		{"audio and video on one port, both ways", "ended", alg.AudioTwoWay, "", [2]int{480, 480}, func(s *scene) {
			s.call(phone, bob, 10000, bundle(phoneMedia), bundle(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, phoneMedia, 2, 480)
			for i := range 480 {
				s.send(260+int64(i)*20, bobMedia, phoneMedia, rtpPacket(s.t, 9, 96, i))
			}
		}},
		{"two audio lines, one of them inactive", "ended", alg.AudioTwoWay, "", [2]int{480, 480}, func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia, "m=audio 4200 RTP/AVP 0", "a=inactive"), body(bobMedia, "m=audio 5200 RTP/AVP 0", "a=inactive"))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, phoneMedia, 2, 480)
		}},
		{"RTCP on the port of RTP is no audio", "ended", alg.AudioOneWay, "media-one-way", [2]int{0, 480}, func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia, "a=rtcp-mux"), body(bobMedia, "a=rtcp-mux"))
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			for i := range 100 {
				s.send(300+int64(i)*50, bobMedia, phoneMedia, []byte{0x80, 201, 0, 1, 0, 0, 0, byte(i)})
			}
		}},
		{"T.38 and back", "ended", alg.AudioTwoWay, "", [2]int{980, 980}, func(s *scene) {
			image := strings.Replace(body(bobMedia), "m=audio 5000 RTP/AVP 0", "m=image 5000 udptl t38", 1)
			s.call(phone, bob, 60000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 490)
			s.talk(250, bobMedia, phoneMedia, 2, 490)
			s.reinvite(10000, 7, "200 OK", image, strings.ReplaceAll(image, "203.0.113.10", "198.51.100.20"))
			s.reinvite(50000, 8, "200 OK", body(bobMedia), body(phoneMedia))
			s.talkFrom(50200, phoneMedia, bobMedia, 1, 490, 490)
			s.talkFrom(50200, bobMedia, phoneMedia, 2, 490, 490)
		}},
		{"after T.38 nothing comes back", "ended", alg.AudioOneWay, "media-one-way", [2]int{490, 1980}, func(s *scene) {
			image := strings.Replace(body(bobMedia), "m=audio 5000 RTP/AVP 0", "m=image 5000 udptl t38", 1)
			s.call(phone, bob, 60000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 490)
			s.talk(250, bobMedia, phoneMedia, 2, 490)
			s.reinvite(10000, 7, "200 OK", image, strings.ReplaceAll(image, "203.0.113.10", "198.51.100.20"))
			s.reinvite(30000, 8, "200 OK", body(bobMedia), body(phoneMedia))
			s.talkFrom(30200, phoneMedia, bobMedia, 1, 490, 1490)
		}},
		{"silence suppression on either side of a hold", "ended", alg.AudioTwoWay, "", [2]int{250, 2980}, func(s *scene) {
			s.call(phone, bob, 60000, body(phoneMedia), body(bobMedia))
			s.talk(250, phoneMedia, bobMedia, 1, 2980)
			for i, at := range []int64{250, 3000, 6000, 13000, 16000} {
				s.talkFrom(at, bobMedia, phoneMedia, 2, i*50, 50)
			}
			s.reinvite(9000, 7, "200 OK", held, body(phoneMedia, "a=recvonly"))
			s.reinvite(12000, 8, "200 OK", body(bobMedia), body(phoneMedia))
		}},
		{"it goes on when the capture ends", "answered", alg.AudioTwoWay, "", [2]int{480, 480}, func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia), body(bobMedia))
			s.shots = s.shots[:4] // no BYE
			s.talk(250, phoneMedia, bobMedia, 1, 480)
			s.talk(250, bobMedia, phoneMedia, 2, 480)
		}},
		{"it went on when the capture began: BYE", "ended, began before", alg.AudioUnknown, "", [2]int{0, 0}, func(s *scene) {
			s.send(5000, phone, bob, says("BYE sip:b@example.net SIP/2.0", "c1", "2 BYE", phone, ""))
			s.send(5020, bob, phone, says(ok200, "c1", "2 BYE", phone, ""))
		}},
		{"it went on when the capture began: media both ways", "ended, began before", alg.AudioTwoWay, "", [2]int{400, 400}, func(s *scene) {
			s.send(0, phone, bob, says("INFO sip:b@example.net SIP/2.0", "c1", "2 INFO", phone, ""))
			s.talk(10, phoneMedia, bobMedia, 1, 400)
			s.talk(10, bobMedia, phoneMedia, 2, 400)
			s.send(9000, phone, bob, says("BYE sip:b@example.net SIP/2.0", "c1", "3 BYE", phone, ""))
		}},
		{"it went on when the capture began: a re-INVITE, and nothing comes back", "ended, began before", alg.AudioOneWay, "media-one-way", [2]int{480, 0}, func(s *scene) {
			s.reinvite(0, 7, "200 OK", body(bobMedia), body(phoneMedia)) // its caller is bob
			s.talk(200, phoneMedia, bobMedia, 1, 480)
			s.send(10000, phone, bob, says("BYE sip:b@example.net SIP/2.0", "c1", "2 BYE", phone, ""))
		}},
		{"it rang when the capture began", "ended, began before", alg.AudioUnknown, "", [2]int{0, 480}, func(s *scene) {
			s.call(phone, bob, 10000, body(phoneMedia), body(bobMedia))
			s.shots = s.shots[1:] // no INVITE
			s.talk(250, phoneMedia, bobMedia, 1, 480)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &scene{t: t}
			tc.make(s)
			r := s.report()
			if len(r.Calls) != 1 {
				t.Fatalf("%+v", r.Calls)
			}
			c := r.Calls[0]
			state := c.State
			if c.Began {
				state += ", began before"
			}
			if state != tc.state || c.Audio != tc.audio || c.Cause != tc.cause {
				t.Errorf("%s, audio %s because of %q (%s), findings %v; want %s, %s, %q", state, c.Audio, c.Cause, c.Why, ids(r), tc.state, tc.audio, tc.cause)
			}
			for i, n := range c.Packets {
				if n < tc.packets[i]-2 || n > tc.packets[i]+2 {
					t.Errorf("packets %d, want %d", c.Packets, tc.packets)
				}
			}
			if tc.cause == "" && r.Fault() {
				t.Errorf("findings %v", ids(r))
			}
			if c.Audio == alg.AudioUnknown && c.Why == "" || c.Audio == alg.AudioNotExpected && c.Why == "" {
				t.Error("no reason is given")
			}
		})
	}
}

// What a media finding says about when it stopped is about the time in which audio was agreed on.
func TestStopped(t *testing.T) {
	s := &scene{t: t}
	s.call(phone, bob, 60000, body(phoneMedia), body(bobMedia))
	s.talk(250, phoneMedia, bobMedia, 1, 2980)
	s.talk(250, bobMedia, phoneMedia, 2, 490)
	s.reinvite(10000, 7, "200 OK", body(bobMedia, "a=sendonly"), body(phoneMedia, "a=recvonly"))
	s.reinvite(20000, 8, "200 OK", body(bobMedia), body(phoneMedia))
	r := s.report()
	i := slices.IndexFunc(r.Findings, func(f alg.Finding) bool { return f.ID == "media-one-way" })
	if i < 0 || !strings.Contains(r.Findings[i].Summary, "goes on for 40 s") {
		t.Errorf("%+v", r.Findings)
	}
}
