package capture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// talk is what one end of a connection sends.
type talk struct {
	stream   []byte
	messages [][]byte
}

func talkOf(n int, call string) talk {
	var k talk
	for i := range n {
		media := netip.AddrPort{}
		if i%2 == 0 {
			media = bob
		}
		m := sipMessage(fmt.Sprintf("MESSAGE sip:%d@b SIP/2.0", i), call, media)
		k.messages = append(k.messages, m)
		k.stream = append(k.stream, m...)
		if i%5 == 4 {
			k.stream = append(k.stream, "\r\n\r\n"...) // a ping (RFC 5626 4.4.1)
		}
	}
	return k
}

// part is a segment of a stream.
type part struct{ off, end int }

func cut(r *rand.Rand, n, most int) []part {
	var list []part
	for off := 0; off < n; {
		end := min(off+1+r.IntN(most), n)
		list = append(list, part{off, end})
		off = end
	}
	return list
}

func raws(list []*Message) [][]byte {
	var out [][]byte
	for _, m := range list {
		out = append(out, m.Raw)
	}
	return out
}

// Segments of any size, in disorder, twice, overlapping, with sequence numbers that wrap: the messages come out whole, in
// order and once.
func TestTCPDisorder(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	k := talkOf(12, "x")
	for round := range 40 {
		first := r.Uint32()
		if round%2 == 0 {
			first = -uint32(r.IntN(len(k.stream))) // wraps on the way
		}
		pieces := cut(r, len(k.stream), 700)
		for i := range pieces {
			if j := i + r.IntN(4); j < len(pieces) {
				pieces[i], pieces[j] = pieces[j], pieces[i]
			}
		}
		frames := [][]byte{tcpFrame(t, alice, bob, first-1, 0, "S", nil), tcpFrame(t, bob, alice, 900, first, "SA", nil)}
		for _, p := range pieces {
			frames = append(frames, tcpFrame(t, alice, bob, first+uint32(p.off), 901, "AP", k.stream[p.off:p.end]))
			if r.IntN(4) == 0 { // sent again, with some of what was before it
				from := max(0, p.off-r.IntN(300))
				frames = append(frames, tcpFrame(t, alice, bob, first+uint32(from), 901, "AP", k.stream[from:p.end]))
			}
		}
		got := of(t, 1, timed(frames...)...)
		if !slices.EqualFunc(raws(got.messages), k.messages, bytes.Equal) || got.Left.Gaps != 0 {
			t.Fatalf("round %d: %v, %+v", round, starts(got.messages), got.Left)
		}
		for _, m := range got.messages {
			if m.Off >= m.End || !bytes.Equal(k.stream[m.Off:m.End], m.Raw) || len(m.Frames) == 0 || !m.FromClient() {
				t.Fatalf("message %d: %d to %d, frames %v", m.ID, m.Off, m.End, m.Frames)
			}
		}
	}
}

// The frames of a message are those that hold its octets.
func TestTCPFrames(t *testing.T) {
	k := talkOf(2, "x")
	n := len(k.messages[0])
	r := of(t, 1, timed(
		tcpFrame(t, alice, bob, 1, 0, "S", nil),
		tcpFrame(t, alice, bob, 2, 1, "A", k.stream[:100]),
		tcpFrame(t, alice, bob, 102, 1, "A", k.stream[100:n+50]),
		tcpFrame(t, alice, bob, uint32(n)+52, 1, "A", k.stream[n+50:]),
	)...)
	if got, want := fmt.Sprint(r.messages[0].Frames, r.messages[1].Frames), "[2 3] [3 4]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if r.messages[0].At != start+40*ms || r.messages[1].At != start+60*ms {
		t.Error("a message is complete when its last octet is there")
	}
}

// A segment was not captured: the message with the hole is said to be cut, those after it are found.
func TestTCPGap(t *testing.T) {
	k := talkOf(6, "x")
	at := func(i int) int { return len(bytes.Join(k.messages[:i], nil)) }
	tests := []struct {
		name string
		ack  bool // the other end has got what the capture has not
	}{{"known by the acknowledgement", true}, {"known at the end", false}}
	for _, test := range tests {
		frames := [][]byte{
			tcpFrame(t, alice, bob, 0, 0, "S", nil),
			tcpFrame(t, alice, bob, 1, 1, "A", k.stream[:at(2)+100]),
			tcpFrame(t, alice, bob, uint32(at(2))+301, 1, "A", k.stream[at(2)+300:at(4)]),
		}
		if test.ack {
			frames = append(frames, tcpFrame(t, bob, alice, 1, uint32(at(4))+1, "A", nil))
		}
		frames = append(frames, tcpFrame(t, alice, bob, uint32(at(4))+1, 1, "A", k.stream[at(4):]))
		r := of(t, 1, timed(frames...)...)
		want := [][]byte{k.messages[0], k.messages[1], k.messages[2][:100], k.messages[3], k.messages[4], k.messages[5]}
		if !slices.EqualFunc(raws(r.messages), want, bytes.Equal) {
			t.Errorf("%s: %v", test.name, starts(r.messages))
			continue
		}
		if r.messages[2].Missing < 200 || r.Left.Gaps != 1 || r.Flows[0].TCP.Gaps != 1 || r.Flows[0].TCP.Missing != 200 || r.Complete() {
			t.Errorf("%s: %d missing, %+v, %+v", test.name, r.messages[2].Missing, r.Left, r.Flows[0].TCP)
		}
		if m := r.messages[3]; !bytes.Equal(k.stream[m.Off:m.End], m.Raw) {
			t.Errorf("%s: the offset after the gap is %d", test.name, m.Off)
		}
	}
}

// The capture begins in the middle of a message.
func TestTCPMidStream(t *testing.T) {
	k := talkOf(4, "x")
	n := len(k.messages[0])
	r := of(t, 1, timed(
		tcpFrame(t, alice, bob, 5000+uint32(n)/2, 1, "A", k.stream[n/2:n]),
		tcpFrame(t, alice, bob, 5000+uint32(n), 1, "A", k.stream[n:]),
	)...)
	if got := raws(r.messages); !slices.EqualFunc(got, k.messages[1:], bytes.Equal) {
		t.Errorf("%v", starts(r.messages))
	}
	// In one segment.
	r = of(t, 1, timed(
		tcpFrame(t, bob, alice, 1, 1, "A", sipMessage("SIP/2.0 200 OK", "x", bob)),
		tcpFrame(t, alice, bob, 5000, 1, "A", k.stream[n/2:]),
	)...)
	if got := raws(r.messages); !slices.EqualFunc(got[1:], k.messages[1:], bytes.Equal) {
		t.Errorf("%v", starts(r.messages))
	}
}

// Content-Length is too small by what somebody added to the body: the octets that are left over are handed on, and the
// next message is found.
func TestTCPStray(t *testing.T) {
	k := talkOf(2, "x")
	long := slices.Concat(k.messages[0], []byte("a=x\r\n"))
	r := of(t, 1, timed(
		tcpFrame(t, alice, bob, 0, 0, "S", nil),
		tcpFrame(t, alice, bob, 1, 1, "A", slices.Concat(long, k.messages[1])),
	)...)
	if len(r.messages) != 3 || !r.messages[1].Stray || string(r.messages[1].Raw) != "a=x\r\n" || !bytes.Equal(r.messages[2].Raw, k.messages[1]) {
		t.Errorf("%v", starts(r.messages))
	}
}

func TestTCPState(t *testing.T) {
	k := talkOf(1, "x")
	shots := timed(
		tcpFrame(t, alice, bob, 0, 0, "S", nil), tcpFrame(t, bob, alice, 0, 1, "SA", nil), tcpFrame(t, alice, bob, 1, 1, "AP", k.stream),
		tcpFrame(t, bob, alice, 1, 0, "FA", nil), tcpFrame(t, alice, bob, uint32(len(k.stream))+1, 0, "R", nil),
		// The same ports again are another connection.
		tcpFrame(t, alice, bob, 70000, 0, "S", nil), tcpFrame(t, alice, bob, 70001, 0, "AP", k.stream),
	)
	r := of(t, 1, shots...)
	if len(r.Flows) != 2 || len(r.messages) != 2 || r.messages[1].Flow != r.Flows[1] {
		t.Fatalf("%d flows, %v", len(r.Flows), starts(r.messages))
	}
	if got, want := *r.Flows[0].TCP, (TCPState{SYN: true, Accepted: true, FIN: [2]bool{false, true}, RST: [2]bool{true, false}, Ended: start + 60*ms}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if f := r.Flows[0]; f.Ends[0] != alice || f.Packets != [2]uint64{3, 2} || f.Octets[0] != uint64(len(k.stream)) {
		t.Errorf("%+v", f)
	}
}

// What is on the ports of SIP and is no SIP is none.
func TestTCPOthers(t *testing.T) {
	hello := slices.Concat([]byte{22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3}, make([]byte, 194))
	tests := []struct {
		name, stream string
		proto        string
	}{
		{"HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", ""},
		{"RTSP", "OPTIONS rtsp://a RTSP/1.0\r\nCSeq: 1\r\n\r\n", ""},
		{"SMTP", "220 a ESMTP\r\n", ""},
		{"remote desktop", "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00", ""},
		{"TLS", string(hello), ProtoTLS},
		{"SIP", "OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n", "sip"},
	}
	for _, test := range tests {
		frames := [][]byte{tcpFrame(t, alice, bob, 0, 0, "S", nil)}
		for i := range 50 { // octet by octet at first, then often
			b := []byte(test.stream)
			if i < len(b) {
				frames = append(frames, tcpFrame(t, alice, bob, uint32(i)+1, 1, "A", b[i:i+1]))
			}
		}
		if len(test.stream) > 50 {
			frames = append(frames, tcpFrame(t, alice, bob, 51, 1, "A", []byte(test.stream[50:])))
		}
		r := of(t, 1, timed(frames...)...)
		proto := ""
		if len(r.Flows) > 0 {
			proto = r.Flows[0].Proto
		}
		if proto != test.proto || test.proto != "sip" && len(r.messages) > 0 {
			t.Errorf("%s: %q, %v", test.name, proto, starts(r.messages))
		}
	}
}

// The web is no SIP, and is not kept.
func TestTLSElsewhere(t *testing.T) {
	hello := slices.Concat([]byte{22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3}, make([]byte, 194))
	server := netip.AddrPortFrom(bob.Addr(), 443)
	client := netip.AddrPortFrom(alice.Addr(), 50000)
	r := of(t, 1, timed(tcpFrame(t, client, server, 0, 0, "S", nil), tcpFrame(t, client, server, 1, 1, "A", hello), tcpFrame(t, client, server, 300, 1, "A", hello))...)
	if len(r.Flows) != 0 {
		t.Errorf("%+v", r.Flows[0])
	}
}

// Streams that wait for what never comes are bounded.
func TestTCPBounded(t *testing.T) {
	a := newAnalyser(Limits{Buffered: 1 << 20})
	send := func(port uint16, seq uint32, b []byte) {
		src := netip.AddrPortFrom(alice.Addr(), port)
		data := tcpFrame(t, src, bob, seq, 0, "A", b)
		a.decoder.frame(&Frame{Number: 1, At: start, Link: 1, Data: data, Size: len(data)}, 1)
	}
	head := []byte("MESSAGE sip:a SIP/2.0\r\nContent-Length: 60000\r\n\r\n")
	junk := []byte(strings.Repeat("x", 1400))
	for port := range uint16(500) {
		send(port, 1, head)
		for i := range uint32(40) {
			send(port, 1000+2000*i, junk)
		}
	}
	if a.tcp.buffered > 1<<20 || a.tcp.given == 0 {
		t.Errorf("%d octets wait, %d given up", a.tcp.buffered, a.tcp.given)
	}
	a.finish()
	if a.tcp.buffered != 0 {
		t.Errorf("%d octets wait at the end", a.tcp.buffered)
	}
}

// Each connection is a flow, also where one after the other has the same ports: a limit of flows is one of those, too.
func TestReopenedBounded(t *testing.T) {
	const most = 20
	a := newAnalyser(Limits{Flows: most})
	send := func(seq uint32, flags string, b []byte) {
		data := tcpFrame(t, alice, bob, seq, 0, flags, b)
		a.decoder.frame(&Frame{Number: 1, At: start, Link: 1, Data: data, Size: len(data)}, 1)
	}
	for n := range uint32(5 * most) {
		send(n*100000, "S", nil)
		send(n*100000+1, "A", []byte("SIP/2.0 200 OK\r\n"))
	}
	a.finish()
	if len(a.flows) > most || a.full == 0 {
		t.Errorf("%d flows, %d packets were left out", len(a.flows), a.full)
	}
}
