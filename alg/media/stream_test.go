package media

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
)

var (
	alice = netip.MustParseAddrPort("192.168.1.10:4000")
	bob   = netip.MustParseAddrPort("203.0.113.10:5000")
)

const ms = int64(time.Millisecond)

// packet composes a packet with pion's encoder, so that the decoder here has a referee.
func packet(t testing.TB, h rtp.Header, payload int) []byte {
	t.Helper()
	h.Version = 2
	p := rtp.Packet{Header: h, Payload: make([]byte, payload)}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stats are those of the only stream.
func stats(t testing.TB, table *Table) Stats {
	t.Helper()
	list := slices.Collect(table.Streams())
	if len(list) != 1 {
		t.Fatalf("%d streams", len(list))
	}
	return list[0].Stats()
}

func TestHeader(t *testing.T) {
	h := rtp.Header{PayloadType: 96, Marker: true, SequenceNumber: 513, Timestamp: 1 << 31, SSRC: 0xfeedbeef, CSRC: []uint32{1, 2}}
	if err := h.SetExtension(1, []byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	h.Extension, h.ExtensionProfile = true, 0xbede
	b := packet(t, h, 160)
	got, ok := ParseHeader(b)
	if want := (Header{96, 513, 1 << 31, 0xfeedbeef}); !ok || got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, n, ok := octets(b, len(b)); !ok || n != 160 {
		t.Errorf("%d octets of payload", n)
	}
	b[0] |= 0x20
	b[len(b)-1] = 4
	if _, n, ok := octets(b, len(b)); !ok || n != 156 {
		t.Errorf("%d octets of padded payload", n)
	}
}

func TestClassify(t *testing.T) {
	tests := []struct {
		name string
		b    []byte
		want Kind
	}{
		{"rtp", packet(t, rtp.Header{SSRC: 1}, 20), RTP},
		{"rtcp", []byte{0x80, 200, 0, 1, 0, 0, 0, 1}, RTCP},
		{"stun", append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...), None},
		{"version 0", make([]byte, 12), None},
		{"sip", []byte("OPTIONS sip:a SIP/2.0\r\n"), None},
		{"dtls", append([]byte{22, 0xfe, 0xfd}, make([]byte, 20)...), None},
		{"short", []byte{0x80, 0, 0}, None},
	}
	for _, test := range tests {
		if got := Classify(test.b); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// Jitter is that of RFC 3550 A.8, computed here as the RFC has it, in ticks.
func TestJitter(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, rate := range []uint32{8000, 48000, 90000} {
		var table Table
		f := table.Flow(alice, bob)
		f.Announce(0, []Format{{96, "opus", rate}})
		var want, peak float64
		var lastTransit float64
		ticks := rate / 50
		stamp := uint32(math.MaxUint32 - 500*ticks) // wraps on the way
		at := 5 * int64(time.Second)
		for i := range 1000 {
			arrival := at + int64(r.IntN(8_000_000))
			f.Add(arrival, 0, packet(t, rtp.Header{PayloadType: 96, SequenceNumber: uint16(i), Timestamp: stamp, SSRC: 9}, 20), 32)
			transit := float64(arrival)*float64(rate)/1e9 - float64(i)*float64(ticks)
			if i > 0 {
				want += (math.Abs(transit-lastTransit) - want) / 16
				peak = max(peak, want)
			}
			lastTransit = transit
			at, stamp = at+20*ms, stamp+ticks
		}
		s := stats(t, &table)
		for _, c := range []struct {
			name      string
			got, want float64
		}{{"jitter", s.Jitter.Seconds(), want / float64(rate)}, {"maximum", s.MaxJitter.Seconds(), peak / float64(rate)}} {
			if math.Abs(c.got-c.want) > 1e-6 {
				t.Errorf("%d Hz: %s %v s, want %v s", rate, c.name, c.got, c.want)
			}
		}
	}
}

func TestEventsMakeNoJitter(t *testing.T) {
	var table Table
	f := table.Flow(alice, bob)
	f.Announce(0, []Format{{101, "telephone-event", 8000}})
	at, seq := int64(time.Second), uint16(0)
	send := func(pt uint8, stamp uint32) {
		f.Add(at, 46, packet(t, rtp.Header{PayloadType: pt, SequenceNumber: seq, Timestamp: stamp, SSRC: 9}, 160), 172)
		at, seq = at+20*ms, seq+1
	}
	for i := range uint32(100) {
		if i >= 50 && i < 70 {
			send(101, 50*160) // all packets of one event bear its beginning
			continue
		}
		send(0, i*160)
	}
	s := stats(t, &table)
	if s.MaxJitter > time.Microsecond || s.Lost != 0 {
		t.Errorf("jitter %v, lost %d", s.MaxJitter, s.Lost)
	}
	want := []PayloadCount{{Format{0, "PCMU", 8000}, 80}, {Format{101, "telephone-event", 8000}, 20}}
	if !slices.Equal(s.Payloads, want) || s.DSCP != 46 || s.DSCPs != 1<<46 {
		t.Errorf("payloads %v, DSCP %d %x", s.Payloads, s.DSCP, s.DSCPs)
	}
}

func TestSilence(t *testing.T) {
	var table Table
	f := table.Flow(alice, bob)
	at := int64(0)
	f.Announce(at, nil)
	at += 300 * ms
	for i := range uint16(100) {
		if i == 50 {
			at += 3000 * ms // the sender is silent: no number is missing
		}
		f.Add(at, 0, packet(t, rtp.Header{SequenceNumber: i, Timestamp: uint32(at / ms * 8), SSRC: 9}, 160), 172)
		at += 20 * ms
	}
	s := stats(t, &table)
	if s.Silence != 3020*time.Millisecond || s.SilenceLost != 0 || s.SilenceAt != 300*ms+49*20*ms || s.Delay != 300*ms {
		t.Errorf("%v at %v, %d lost, delay %v", s.Silence, time.Duration(s.SilenceAt), s.SilenceLost, time.Duration(s.Delay))
	}
	if s.Jitter > time.Microsecond {
		t.Errorf("silence made a jitter of %v", s.Jitter)
	}
}

func TestGuessedClock(t *testing.T) {
	for _, rate := range rates {
		var table Table
		f := table.Flow(alice, bob)
		for i := range uint16(200) {
			stamp := uint32(float64(i) * 0.02 * float64(rate))
			f.Add(int64(i)*20*ms+int64(i%3)*ms, 0, packet(t, rtp.Header{PayloadType: 97, SequenceNumber: i, Timestamp: stamp, SSRC: 9}, 20), 32)
		}
		s := stats(t, &table)
		if got := s.Payloads[0].Format.Rate; got != rate || !s.ClockGuessed || s.Jitter == 0 {
			t.Errorf("%d Hz: guessed %d, jitter %v", rate, got, s.Jitter)
		}
	}
}

// Nothing announced the address: what does not behave like a stream is none.
func TestProbation(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	noise := func(i int) []byte {
		b := make([]byte, 100)
		for j := range b {
			b[j] = byte(r.Uint32())
		}
		return b
	}
	counter := func(i int) []byte { // a protocol with a counter where the number stands and none of the rest
		b := make([]byte, 100)
		b[0], b[3], b[7] = 0x80, byte(i), byte(200-i)
		b[11] = 1
		return b
	}
	stream := func(i int) []byte {
		return packet(t, rtp.Header{PayloadType: 8, SequenceNumber: uint16(i), Timestamp: uint32(i * 160), SSRC: 7}, 160)
	}
	tests := []struct {
		name string
		n    int
		make func(int) []byte
		want int
	}{
		{"noise", 20000, noise, 0},
		{"a counter", 100, counter, 0},
		{"four packets", 4, stream, 0},
		{"five packets", 5, stream, 1},
	}
	for _, test := range tests {
		var table Table
		f := table.Flow(alice, bob)
		for i := range test.n {
			b := test.make(i)
			f.Add(int64(i)*20*ms, 0, b, len(b))
		}
		if got := len(slices.Collect(table.Streams())); got != test.want {
			t.Errorf("%s: %d streams, want %d", test.name, got, test.want)
		}
		if test.want == 1 && stats(t, &table).Packets != 5 {
			t.Errorf("%s: the packets of the probation are not counted: %+v", test.name, stats(t, &table))
		}
	}
}

func TestBounds(t *testing.T) {
	table := Table{MaxStreams: 100, MaxFlows: 50}
	for i := range 200 {
		f := table.Flow(netip.AddrPortFrom(alice.Addr(), uint16(i)), bob)
		if f == nil {
			continue
		}
		f.Announce(0, nil)
		for ssrc := range uint32(100) {
			for seq := range uint16(2) {
				f.Add(0, 0, packet(t, rtp.Header{SequenceNumber: seq, SSRC: ssrc}, 20), 32)
			}
		}
	}
	if table.Len() != 100 || table.Overflow == 0 {
		t.Errorf("%d streams, %d of overflow", table.Len(), table.Overflow)
	}
	for _, f := range table.flows {
		table.Forget(f)
	}
	if table.Len() != 0 || len(table.bySSRC) != 0 || len(table.flows) != 0 {
		t.Errorf("%d streams, %d sources, %d flows are left", table.Len(), len(table.bySSRC), len(table.flows))
	}
}

// Two accounts of two halves come to what one account of the whole does.
func TestJoin(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 100 {
		n := 600
		whole, front, back := new(Table), new(Table), new(Table)
		cut := 100 + r.IntN(400)
		at := int64(0)
		for i := range n {
			if r.IntN(20) == 0 {
				continue
			}
			at = int64(i)*20*ms + int64(r.IntN(5_000_000))
			b := packet(t, rtp.Header{SequenceNumber: uint16(65000 + i), Timestamp: uint32(i * 160), SSRC: 9}, 160)
			half := front
			if i >= cut {
				half = back
			}
			for _, table := range []*Table{whole, half} {
				table.Flow(alice, bob).Add(at, 0, b, len(b))
			}
		}
		front.Flow(alice, bob).Join(back.Flow(alice, bob))
		got, want := stats(t, front), stats(t, whole)
		if d := got.Jitter - want.Jitter; d.Abs() > 10*time.Microsecond {
			t.Errorf("jitter %v, want %v", got.Jitter, want.Jitter)
		}
		got.Jitter, got.MeanJitter, got.MaxJitter = want.Jitter, want.MeanJitter, want.MaxJitter
		if !slices.Equal(got.Payloads, want.Payloads) {
			t.Errorf("payloads %v, want %v", got.Payloads, want.Payloads)
		}
		got.Payloads, want.Payloads = nil, nil
		if !equal(got, want) {
			t.Fatalf("cut at %d:\n got %+v\nwant %+v", cut, got, want)
		}
	}
}

func equal(a, b Stats) bool {
	return a.Packets == b.Packets && a.Octets == b.Octets && a.Expected == b.Expected && a.Lost == b.Lost && a.Gaps == b.Gaps &&
		a.LongestGap == b.LongestGap && a.Silence == b.Silence && a.SilenceAt == b.SilenceAt && a.SilenceLost == b.SilenceLost &&
		a.First == b.First && a.Last == b.Last && a.FirstSequence == b.FirstSequence && a.Duplicates == b.Duplicates && a.Late == b.Late
}

func TestAddAllocatesNothing(t *testing.T) {
	var table Table
	f := table.Flow(alice, bob)
	f.Announce(0, nil)
	b := packet(t, rtp.Header{SSRC: 9}, 160)
	report := []byte{0x80, 201, 0, 1, 0, 0, 0, 1}
	seq, at := uint16(0), int64(0)
	f.Add(at, 0, b, len(b))
	if n := testing.AllocsPerRun(1000, func() {
		seq, at = seq+1, at+20*ms
		b[2], b[3] = byte(seq>>8), byte(seq)
		f.Add(at, 0, b, len(b))
		f.Add(at, 0, report, len(report))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	var table Table
	f := table.Flow(alice, bob)
	f.Announce(0, nil)
	p := packet(b, rtp.Header{SSRC: 9}, 160)
	seq, at := uint16(0), int64(0)
	b.ReportAllocs()
	for b.Loop() {
		seq, at = seq+1, at+20*ms
		p[2], p[3] = byte(seq>>8), byte(seq)
		f.Add(at, 0, p, len(p))
	}
}
