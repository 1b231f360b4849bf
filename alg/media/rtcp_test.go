package media

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

func TestReports(t *testing.T) {
	var table Table
	media := table.Flow(alice, bob)
	media.Announce(0, nil)
	media.Add(0, 0, packet(t, rtp.Header{SSRC: 9}, 160), 172)
	send := func(f *Flow, at time.Duration, p ...rtcp.Packet) {
		b, err := rtcp.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if kind, _ := f.Add(int64(at), 0, b, len(b)); kind != RTCP {
			t.Fatalf("%v", kind)
		}
	}
	const ntp = 0x0102030405060708
	send(table.Flow(alice, bob), time.Second,
		&rtcp.SenderReport{SSRC: 9, NTPTime: ntp, RTPTime: 77, PacketCount: 50, OctetCount: 8000},
		&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{Source: 9, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: "a"}}}}})
	// The answer comes from the next port, which is what RTCP has by default.
	back := table.Flow(rtcpPort(bob), rtcpPort(alice))
	send(back, 1540*time.Millisecond, &rtcp.ReceiverReport{SSRC: 5, Reports: []rtcp.ReceptionReport{{
		SSRC: 9, FractionLost: 64, TotalLost: 12, LastSequenceNumber: 1 << 16, Jitter: 33, LastSenderReport: 0x03040506, Delay: 1 << 15,
	}}})
	// A packet that is nothing but its header stops nothing.
	if kind, _ := back.Add(0, 0, []byte{0x80, 203, 0, 0, 0x80, 203, 0, 0}, 8); kind != RTCP {
		t.Errorf("%v", kind)
	}
	send(back, 2*time.Second, &rtcp.Goodbye{Sources: []uint32{5}})
	s := stats(t, &table)
	if s.SenderReports != 1 || s.Sender != (SenderReport{int64(time.Second), ntp, 77, 50, 8000}) {
		t.Errorf("%+v", s.Sender)
	}
	want := ReceptionReport{int64(1540 * time.Millisecond), 5, 64, 12, 1 << 16, 33, 40 * time.Millisecond}
	if s.Reports != 1 || s.Reception != want || s.WorstFraction != 64 {
		t.Errorf("%+v, want %+v", s.Reception, want)
	}
	if back.RTCPs != 3 || back.Byes != 1 {
		t.Errorf("%d packets, %d BYE", back.RTCPs, back.Byes)
	}
}

func FuzzAdd(f *testing.F) {
	seeds := [][]byte{packet(f, rtp.Header{SSRC: 9}, 20), packet(f, rtp.Header{SSRC: 9, SequenceNumber: 1, CSRC: []uint32{1, 2}}, 20)}
	report, err := rtcp.Marshal([]rtcp.Packet{&rtcp.SenderReport{SSRC: 9, Reports: []rtcp.ReceptionReport{{SSRC: 9}}}, &rtcp.Goodbye{Sources: []uint32{9}}})
	if err != nil {
		f.Fatal(err)
	}
	empty := slices.Concat([]byte{0x80, 203, 0, 0}, report) // a BYE of nobody in front
	for _, s := range append(seeds, report, empty) {
		f.Add(append(append([]byte{}, s...), s...), uint8(len(s)), int64(1e9), true)
		f.Add(s, uint8(3), int64(-5), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, step uint8, at int64, announced bool) {
		table := Table{MaxStreams: 5, MaxFlows: 2, Traces: true}
		flow := table.Flow(alice, bob)
		if announced {
			flow.Announce(at, []Format{{97, "x", 1}})
		}
		packets := uint64(0)
		for i := 0; len(b) > 0; i++ {
			n := min(len(b), max(int(step), 1))
			if kind, s := flow.Add(at+int64(i)*ms, uint8(i), b[:n], n); s != nil {
				if kind != RTP {
					t.Fatal("a stream without RTP")
				}
				packets++
			}
			b = b[n:]
		}
		got := uint64(0)
		for s := range flow.Streams() {
			st := s.Stats()
			got += st.Packets
			if received := st.Packets - uint64(st.Duplicates) - uint64(st.Strays); st.Expected < received || st.Lost != st.Expected-received {
				t.Fatalf("%+v", st)
			}
			if tr := st.Trace; tr.Whole && tr.Count(tr.First, tr.Last) != st.Packets-uint64(st.Duplicates)-uint64(st.Strays) {
				t.Fatalf("%d packets, of which the trace has %d: %+v", st.Packets, tr.Count(tr.First, tr.Last), tr)
			}
		}
		if table.Len() > 5 || got < packets {
			t.Fatalf("%d streams, %d packets of %d", table.Len(), got, packets)
		}
		flow.Join(flow.table.Flow(bob, alice))
		table.Forget(flow)
	})
}

func rtcpPort(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), a.Port()+1) }
