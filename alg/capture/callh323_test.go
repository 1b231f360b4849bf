package capture

import (
	"net/netip"
	"slices"
	"testing"

	"nofixup/alg"
	"nofixup/h323"
)

// connection is one of TCP in a scene.
type connection struct {
	s        *scene
	ends     [2]netip.AddrPort // client, server
	sent     [2]uint32
	accepted bool
}

// send writes octets of the client, or of the server.
func (c *connection) send(at int64, from int, data ...[]byte) {
	add := func(at int64, from int, seq uint32, flags string, payload []byte) {
		c.s.shots = append(c.s.shots, shot{at: start + at*ms, data: tcpFrame(c.s.t, c.ends[from], c.ends[1-from], seq, c.sent[1-from]+1, flags, payload)})
	}
	if !c.accepted {
		add(at-2, 0, 0, "S", nil)
		add(at-1, 1, 0, "SA", nil)
		c.accepted = true
	}
	payload := slices.Concat(data...)
	add(at, from, c.sent[from]+1, "AP", payload)
	c.sent[from] += uint32(len(payload))
}

// video is a packet of H.263 (RFC 3551).
func (s *scene) video(at int64, src, dst netip.AddrPort, ssrc uint32, n int) {
	for i := range n {
		s.send(at+int64(i)*20, src, dst, rtpPacket(s.t, ssrc, 34, i))
	}
}

// What the channels of H.323 make of a call: fastStart, tunnelled H.245, H.245 on a connection of its own.
func TestChannels(t *testing.T) {
	id := [16]byte{7}
	signalling, control := netip.MustParseAddrPort("203.0.113.10:1720"), netip.MustParseAddrPort("203.0.113.10:34567")
	from := netip.MustParseAddrPort("198.51.100.20:40000")
	message := func(t *testing.T, callee bool, body h323.CallBody, list ...h323.Control) []byte {
		b, _, err := h323.CallMessage{Reference: 5, FromCallee: callee, ID: id, Body: body, Tunnelling: len(list) > 0, Control: list}.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	pdu := func(t *testing.T, c h323.Control) []byte {
		b, _, err := h323.AppendControlTPKT(nil, c)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ack := func(n uint16, a netip.AddrPort) h323.ChannelAck {
		return h323.ChannelAck{Number: n, Media: a, MediaControl: next(a)}
	}
	fast := func(rtp netip.AddrPort, callee bool) []h323.Channel {
		// The proposal to receive has the caller's address, the one to send gets the callee's in the answer.
		if callee {
			return []h323.Channel{{Number: 11, Media: rtp, MediaControl: next(rtp)}, {Number: 12, Reverse: true, MediaControl: next(rtp)}}
		}
		return []h323.Channel{{Number: 11, MediaControl: next(rtp)}, {Number: 12, Reverse: true, Media: rtp, MediaControl: next(rtp)}}
	}
	for _, tc := range []struct {
		name, audio, cause, why string
		packets                 [2]int
		make                    func(t *testing.T, s *scene, call, h245 *connection)
	}{
		{"H.245 on its own, two PDUs in a segment, a packet lost", alg.AudioTwoWay, "", "", [2]int{449, 450}, func(t *testing.T, s *scene, call, h245 *connection) {
			call.send(10, 0, message(t, false, h323.SetupBody{}))
			call.send(200, 1, message(t, true, h323.AnswerBody{Message: h323.Connect, H245Address: control}))
			h245.send(220, 0, pdu(t, h323.Channel{Number: 1}))
			h245.send(240, 1, pdu(t, ack(1, bobMedia)), pdu(t, h323.Channel{Number: 1}))
			h245.send(260, 0, pdu(t, ack(1, phoneMedia)))
			s.talk(300, phoneMedia, bobMedia, 1, 450)
			s.talk(300, bobMedia, phoneMedia, 2, 200)
			s.talkFrom(4320, bobMedia, phoneMedia, 2, 201, 249)
			call.send(10000, 0, message(t, false, h323.ReleaseBody{}))
		}},
		{"tunnelled, nothing comes back", alg.AudioOneWay, "media-one-way", "", [2]int{0, 450}, func(t *testing.T, s *scene, call, _ *connection) {
			call.send(10, 0, message(t, false, h323.SetupBody{}))
			call.send(200, 1, message(t, true, h323.AnswerBody{Message: h323.Connect}))
			call.send(220, 0, message(t, false, h323.FacilityBody{}, h323.Channel{Number: 3}))
			call.send(240, 1, message(t, true, h323.FacilityBody{}, ack(3, bobMedia), h323.Channel{Number: 4}))
			call.send(260, 0, message(t, false, h323.FacilityBody{}, ack(4, phoneMedia)))
			s.talk(300, phoneMedia, bobMedia, 1, 450)
			call.send(10000, 0, message(t, false, h323.ReleaseBody{}))
		}},
		{"fastStart accepted, nothing comes back", alg.AudioOneWay, "media-one-way", "", [2]int{0, 450}, func(t *testing.T, s *scene, call, _ *connection) {
			call.send(10, 0, message(t, false, h323.SetupBody{FastStart: fast(phoneMedia, false)}))
			call.send(200, 1, message(t, true, h323.AnswerBody{Message: h323.Connect, FastStart: fast(bobMedia, true)}))
			s.talk(300, phoneMedia, bobMedia, 1, 450)
			call.send(10000, 0, message(t, false, h323.ReleaseBody{}))
		}},
		{"fastStart refused, nothing opened", alg.AudioUnknown, "", "what both ends agreed on was not captured", [2]int{0, 0}, func(t *testing.T, s *scene, call, _ *connection) {
			call.send(10, 0, message(t, false, h323.SetupBody{FastStart: fast(phoneMedia, false)}))
			call.send(200, 1, message(t, true, h323.AnswerBody{Message: h323.Connect}))
			call.send(10000, 0, message(t, false, h323.ReleaseBody{}))
		}},
		{"fastStart refused, then opened by H.245 elsewhere", alg.AudioTwoWay, "", "", [2]int{450, 450}, func(t *testing.T, s *scene, call, h245 *connection) {
			call.send(10, 0, message(t, false, h323.SetupBody{FastStart: fast(phoneBMedia, false)}))
			call.send(200, 1, message(t, true, h323.AnswerBody{Message: h323.Connect, H245Address: control}))
			h245.send(240, 1, pdu(t, ack(1, bobMedia)))
			h245.send(260, 0, pdu(t, ack(1, phoneMedia)))
			s.talk(300, phoneMedia, bobMedia, 1, 450)
			s.talk(300, bobMedia, phoneMedia, 2, 450)
			call.send(10000, 0, message(t, false, h323.ReleaseBody{}))
		}},
		{"one channel rejected", alg.AudioNotExpected, "", "to the callee alone by agreement: 450 packets, 0 the other way", [2]int{0, 450}, func(t *testing.T, s *scene, call, h245 *connection) {
			call.send(10, 0, message(t, false, h323.SetupBody{}))
			call.send(200, 1, message(t, true, h323.AnswerBody{Message: h323.Connect, H245Address: control}))
			h245.send(240, 1, pdu(t, ack(1, bobMedia)), pdu(t, h323.Channel{Number: 1}))
			h245.send(260, 0, pdu(t, h323.ChannelReject{Number: 1}))
			s.talk(300, phoneMedia, bobMedia, 1, 450)
			call.send(10000, 0, message(t, false, h323.ReleaseBody{}))
		}},
		{"a channel closed", alg.AudioTwoWay, "", "", [2]int{485, 2450}, func(t *testing.T, s *scene, call, h245 *connection) {
			call.send(10, 0, message(t, false, h323.SetupBody{}))
			call.send(200, 1, message(t, true, h323.AnswerBody{Message: h323.Connect, H245Address: control}))
			h245.send(240, 1, pdu(t, ack(5, bobMedia)))
			h245.send(260, 0, pdu(t, ack(6, phoneMedia)))
			s.talk(300, phoneMedia, bobMedia, 1, 2450)
			s.talk(300, bobMedia, phoneMedia, 2, 485)
			h245.send(10000, 1, pdu(t, h323.ChannelClose{Number: 6}))
			call.send(50000, 0, message(t, false, h323.ReleaseBody{}))
		}},
		{"a channel closed and opened again, and nothing comes", alg.AudioOneWay, "media-one-way", "", [2]int{485, 2450}, func(t *testing.T, s *scene, call, h245 *connection) {
			call.send(10, 0, message(t, false, h323.SetupBody{}))
			call.send(200, 1, message(t, true, h323.AnswerBody{Message: h323.Connect, H245Address: control}))
			h245.send(240, 1, pdu(t, ack(5, bobMedia)))
			h245.send(260, 0, pdu(t, ack(6, phoneMedia)))
			s.talk(300, phoneMedia, bobMedia, 1, 2450)
			s.talk(300, bobMedia, phoneMedia, 2, 485)
			h245.send(10000, 1, pdu(t, h323.ChannelClose{Number: 6}))
			h245.send(12000, 0, pdu(t, ack(7, phoneMedia)))
			call.send(50000, 0, message(t, false, h323.ReleaseBody{}))
		}},
		{"video comes back, and no audio", alg.AudioOneWay, "media-one-way", "", [2]int{0, 450}, func(t *testing.T, s *scene, call, h245 *connection) {
			call.send(10, 0, message(t, false, h323.SetupBody{}))
			call.send(200, 1, message(t, true, h323.AnswerBody{Message: h323.Connect, H245Address: control}))
			h245.send(240, 1, pdu(t, ack(5, bobMedia)))
			h245.send(260, 0, pdu(t, ack(6, phoneMedia)), pdu(t, ack(8, phoneBMedia)))
			s.talk(300, phoneMedia, bobMedia, 1, 450)
			s.video(300, bobMedia, phoneBMedia, 2, 450)
			call.send(10000, 0, message(t, false, h323.ReleaseBody{}))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &scene{t: t}
			tc.make(t, s, &connection{s: s, ends: [2]netip.AddrPort{from, signalling}}, &connection{s: s, ends: [2]netip.AddrPort{next(from), control}})
			r := s.report()
			if len(r.Calls) != 1 {
				t.Fatalf("%+v", r.Calls)
			}
			if c := r.Calls[0]; c.Audio != tc.audio || c.Cause != tc.cause || c.Why != tc.why || c.Packets != tc.packets {
				t.Errorf("%s because of %q (%s), packets %d, findings %v; want %s, %q (%s), %d", c.Audio, c.Cause, c.Why, c.Packets, ids(r), tc.audio, tc.cause, tc.why, tc.packets)
			}
		})
	}
}
