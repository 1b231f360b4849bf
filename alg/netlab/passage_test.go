package netlab_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"nofixup/alg"
	"nofixup/alg/capture"
	"nofixup/alg/netlab"
)

// speech is the n-th packet of a stream of G.711.
func speech(ssrc uint32, n int) string {
	b := []byte{0x80, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	b = binary.BigEndian.AppendUint32(b, uint32(n)*160)
	b = binary.BigEndian.AppendUint32(b, ssrc)
	r := rand.New(rand.NewPCG(uint64(ssrc), uint64(n)))
	for range 160 {
		b = append(b, byte(r.Uint32()))
	}
	return string(b)
}

// callMessage is a message of a call between two peers, with the address of its sender's media if that is valid.
func callMessage(first, cseq string, own, media netip.AddrPort) string {
	body := ""
	if media.IsValid() {
		body = fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\n", media.Addr(), media.Port())
	}
	tag := ";tag=2"
	if first[:6] == "INVITE" {
		tag = ""
	}
	return first + "\r\nVia: SIP/2.0/UDP " + own.String() + ";rport;branch=z9hG4bK" + cseq[:1] + "\r\nMax-Forwards: 70\r\n" +
		"From: <sip:a@example.net>;tag=1\r\nTo: <sip:b@example.net>" + tag + "\r\nCall-ID: passage\r\nCSeq: " + cseq +
		"\r\nContact: <sip:a@" + own.String() + ">\r\nContent-Type: application/sdp\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body
}

// TestPassages has the kernel lose, hold back and drop the media of a call between two captures: what these say is what was done.
func TestPassages(t *testing.T) {
	netlab.Require(t, "tcpdump")
	t.Parallel()
	const packets = 250
	for _, tc := range []struct {
		name, rule   string
		audio, cause string
		findings     []string // about media
		out, in      func(p *alg.Passage) bool
	}{
		{
			"clean", "", alg.AudioTwoWay, "media-latched",
			[]string{"media-latched"},
			func(p *alg.Passage) bool { return p.Sent == packets && p.Lost == 0 },
			func(p *alg.Passage) bool { return p.Sent == packets && p.Lost == 0 },
		},
		{
			"one in ten is lost", "udp dport 5000 numgen inc mod 10 3 drop", alg.AudioTwoWay, "media-latched",
			[]string{"media-latched", "media-lossy"},
			func(p *alg.Passage) bool { return p.Sent == packets && p.Lost == packets/10 },
			func(p *alg.Passage) bool { return p.Sent == packets && p.Lost == 0 },
		},
		{
			"none gets out", "udp dport 5000 drop", alg.AudioOneWay, "media-blocked",
			[]string{"media-blocked", "media-one-way"},
			func(p *alg.Passage) bool { return p.Blocked && p.Sent == packets },
			func(p *alg.Passage) bool { return p.Sent == packets && p.Lost == 0 },
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.Up(t, netlab.Plain)
			phone, server := newPeer(t, lab.Host("lan"), netlab.LANAddr, 5060), newPeer(t, lab.Host("wan"), netlab.WANAddr, 5060)
			ear, far := newPeer(t, lab.Host("lan"), netlab.LANAddr, 4000), newPeer(t, lab.Host("wan"), netlab.WANAddr, 5000)
			if tc.rule != "" {
				lab.Host("isp").NFT(t, "table ip passage {\nchain c { type filter hook forward priority 0; "+tc.rule+"; }\n}")
			}
			inside, outside := lab.Host("lan").Capture(t, "l0"), lab.Host("wan").Capture(t, "w0")
			phone.sendTo(t, server.local, callMessage("INVITE sip:b@example.net SIP/2.0", "1 INVITE", phone.local, ear.local))
			from := server.receive(t).Addr
			server.sendTo(t, from, callMessage("SIP/2.0 200 OK", "1 INVITE", phone.local, far.local))
			phone.receive(t)
			phone.sendTo(t, server.local, callMessage("ACK sip:b@example.net SIP/2.0", "1 ACK", phone.local, netip.AddrPort{}))
			server.receive(t)
			time.Sleep(1500 * time.Millisecond) // beyond what is left out at either end of captures
			// The phone's first packet opens the NAT; one from outside that came before it would take its port.
			ear.sendTo(t, far.local, speech(1, 0))
			time.Sleep(100 * time.Millisecond)
			heard := drain(ear, far)
			next := time.Now()
			for n := range packets {
				if n > 0 {
					ear.sendTo(t, far.local, speech(1, n))
				}
				far.sendTo(t, port(netlab.PublicAddr, 4000), speech(2, n))
				next = next.Add(20 * time.Millisecond)
				time.Sleep(time.Until(next))
			}
			time.Sleep(1500 * time.Millisecond)
			close(heard)
			phone.sendTo(t, server.local, callMessage("BYE sip:b@example.net SIP/2.0", "2 BYE", phone.local, netip.AddrPort{}))
			server.receive(t)
			server.sendTo(t, from, callMessage("SIP/2.0 200 OK", "2 BYE", phone.local, netip.AddrPort{}))
			phone.receive(t)

			r, err := capture.Report(t.Context(), capture.Config{Inside: []string{inside.Stop(t)}, Outside: []string{outside.Stop(t)}})
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, f := range r.Findings {
				ids = append(ids, f.ID)
			}
			slices.Sort(ids)
			if len(r.Calls) != 1 || r.Calls[0].Audio != tc.audio || r.Calls[0].Cause != tc.cause || !slices.Equal(ids, tc.findings) {
				t.Errorf("%+v, findings %v, notes %q", r.Calls, ids, r.Network.Notes)
			}
			found := 0
			for i := range r.Passages {
				p := &r.Passages[i]
				want := tc.out
				if p.Direction == alg.Inbound {
					want = tc.in
				}
				if want(p) && p.Missed == 0 && p.Before == 0 {
					found++
				} else {
					t.Errorf("%+v", *p)
				}
				if p.Samples > 0 && (p.Delay < 0 || p.Delay > 100) {
					t.Errorf("%+v", *p)
				}
			}
			if found != 2 || r.Clock == nil || r.Clock.Offset < -50 || r.Clock.Offset > 50 {
				t.Errorf("%d passages, clock %+v", found, r.Clock)
			}
		})
	}
}

// drain takes what peers receive until the channel that it returns is closed.
func drain(peers ...*peer) chan struct{} {
	over := make(chan struct{})
	for _, p := range peers {
		go func() {
			for {
				select {
				case <-p.received:
				case <-over:
					return
				}
			}
		}()
	}
	return over
}
