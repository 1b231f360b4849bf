package capture

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
)

// However often addresses are announced while announcements are chained, no more than the bounds is kept, what is not is counted,
// and the latest and the oldest stay.
func TestChainBounds(t *testing.T) {
	for _, tc := range []struct {
		name             string
		addresses, times int
		kept             int
		lost             uint64
	}{
		{"as many of one address as are kept", 1, maxChain + 1, maxChain, 0},
		{"more", 1, 10 * maxChain, maxChain, 9*maxChain - 1},
		{"a few of many addresses", maxChained / 2, 3, maxChained, 0},
		{"too many", maxChained / 2, 4, maxChained, maxChained / 2},
		{"none of what came too late", maxChained - 1, 3, maxChained, maxChained - 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			list := announced{chained: true, chains: map[*Announcement]int{}}
			at := func(i int) netip.AddrPort {
				return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 4000)
			}
			for n := range tc.times {
				for i := range tc.addresses {
					list.add(&Announcement{Addr: at(i), At: int64(n + 1)})
				}
			}
			chained := 0
			for i := range tc.addresses {
				a := list.get(endpointOf(at(i)))
				if a.At != int64(tc.times) {
					t.Fatalf("%s: the latest is of %d", a.Addr, a.At)
				}
				n := 0
				for ; a.prev != nil; a = a.prev {
					if n++; a.prev.At >= a.At {
						t.Fatalf("%d before %d", a.prev.At, a.At)
					}
				}
				if n > 0 && a.At != 1 {
					t.Errorf("%s: the oldest is of %d", a.Addr, a.At)
				}
				chained += n
			}
			if chained != tc.kept || len(list.chains) != tc.kept || list.lost != tc.lost {
				t.Errorf("%d are kept, %d counted, %d lost; want %d and %d", chained, len(list.chains), list.lost, tc.kept, tc.lost)
			}
			list.unchain()
			for i := range tc.addresses {
				if a := list.get(endpointOf(at(i))); a.prev != nil || a.At != int64(tc.times) {
					t.Fatalf("%s: %d, before it %v", a.Addr, a.At, a.prev)
				}
			}
		})
	}
}

// Calls that follow each other on the same ports keep their streams where files are read in halves, whatever the next call has of
// media, and whichever file it is in.
func TestSplitCalls(t *testing.T) {
	var files [2][]shot
	at := start
	n := 0
	for i := range files {
		add := func(b []byte) {
			at += 20 * ms
			files[i] = append(files[i], shot{at: at, data: b})
		}
		for range 12 {
			n++
			add(udpFrame(t, alice, bob, sipMessage("INVITE sip:c@d SIP/2.0", fmt.Sprint(n), aliceMedia)))
			add(udpFrame(t, bob, alice, sipMessage("SIP/2.0 200 OK", fmt.Sprint(n), bobMedia)))
			if n%4 == 0 {
				continue // without media
			}
			for seq := range 130 {
				add(udpFrame(t, aliceMedia, bobMedia, rtpPacket(t, uint32(n), 0, seq)))
				add(udpFrame(t, bobMedia, aliceMedia, rtpPacket(t, uint32(100+n), 0, seq)))
			}
		}
	}
	le := binary.LittleEndian
	names := write(t, pcapFile(le, magicNano, 1, files[0]), pcapFile(le, magicNano, 1, files[1]))
	read := func(o Options) []Stream {
		o.traces = true
		c, err := Read(context.Background(), names, o)
		if err != nil {
			t.Fatal(err)
		}
		return c.Streams
	}
	whole, halves := read(Options{OneCore: true}), read(Options{splitLen: 1})
	if len(whole) != 2*n*3/4 {
		t.Fatalf("%d streams", len(whole))
	}
	for _, s := range whole {
		if want := fmt.Sprint(s.SSRC % 100); s.Receiver == nil || s.Receiver.Call != want {
			t.Errorf("stream %d: %+v", s.SSRC, s.Receiver)
		}
	}
	compareStreams(t, halves, whole)
}
