package capture

import "testing"

// A key holds for the packets of its conversation, in the right direction, and for no others, whatever differs.
func TestKeyOf(t *testing.T) {
	ends := []struct {
		ip   addr
		port uint16
	}{}
	for _, ip := range []addr{{0, 1}, {0, 2}, {0, 3}, {1, 0}, {1, 1}, {2, 1}, {3, 3}} {
		for port := range uint16(4) {
			ends = append(ends, struct {
				ip   addr
				port uint16
			}{ip, port})
		}
	}
	for i, a := range ends {
		for j, b := range ends[i:] {
			k := flowKey{a.ip, b.ip, a.port, b.port, protoUDP}
			for x, src := range ends {
				for y, dst := range ends {
					for _, proto := range []uint8{protoUDP, protoTCP} {
						dir, ok := k.of(&packet{src: src.ip, dst: dst.ip, sport: src.port, dport: dst.port, proto: proto})
						there, back := x == i && y == i+j, x == i+j && y == i
						if want := (there || back) && proto == protoUDP; ok != want || ok && dir == 1 != !there {
							t.Fatalf("%+v: %+v to %+v, protocol %d: %v, direction %d", k, src, dst, proto, ok, dir)
						}
					}
				}
			}
		}
	}
}
