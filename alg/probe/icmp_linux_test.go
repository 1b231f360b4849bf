package probe

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"nofixup/alg"
)

// control is a control message as the kernel puts it beside an ICMP error: struct sock_extended_err and who sent the error.
func control(level, kind int32, origin, icmpType, code byte, info uint32, offender []byte) []byte {
	data := binary.NativeEndian.AppendUint32(nil, uint32(syscall.ECONNREFUSED))
	data = append(data, origin, icmpType, code, 0)
	data = binary.NativeEndian.AppendUint32(data, info)
	data = binary.NativeEndian.AppendUint32(data, 0)
	data = append(data, offender...)
	raw := make([]byte, syscall.CmsgSpace(len(data)))
	binary.NativeEndian.PutUint64(raw, uint64(syscall.CmsgLen(len(data))))
	binary.NativeEndian.PutUint32(raw[8:], uint32(level))
	binary.NativeEndian.PutUint32(raw[12:], uint32(kind))
	copy(raw[16:], data)
	return raw
}

func inet(a string) []byte {
	addr := netip.MustParseAddr(a)
	if addr.Is4() {
		raw := binary.NativeEndian.AppendUint16(nil, syscall.AF_INET)
		b := addr.As4()
		return append(append(append(raw, 0, 0), b[:]...), make([]byte, 8)...)
	}
	raw := binary.NativeEndian.AppendUint16(nil, syscall.AF_INET6)
	b := addr.As16()
	return append(append(append(raw, 0, 0, 0, 0, 0, 0), b[:]...), 0, 0, 0, 0)
}

// controls are errors as the kernel tells them, and what they say.
var controls = []struct {
	raw  []byte
	want icmpError
	ok   bool
}{
	{
		control(syscall.IPPROTO_IP, syscall.IP_RECVERR, originICMP, 3, 3, 0, inet("198.51.100.1")),
		icmpError{by: netip.MustParseAddr("198.51.100.1"), reason: "port unreachable"},
		true,
	},
	{
		control(syscall.IPPROTO_IP, syscall.IP_RECVERR, originICMP, 3, 13, 0, inet("10.0.0.1")),
		icmpError{by: netip.MustParseAddr("10.0.0.1"), reason: "administratively prohibited"},
		true,
	},
	{
		control(syscall.IPPROTO_IP, syscall.IP_RECVERR, originICMP, 3, 4, 1400, inet("10.0.0.1")),
		icmpError{by: netip.MustParseAddr("10.0.0.1"), reason: "fragmentation needed", tooBig: true, nextMTU: 1400},
		true,
	},
	{
		control(syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR, originICMP6, 1, 1, 0, inet("fd00:10::1")),
		icmpError{by: netip.MustParseAddr("fd00:10::1"), reason: "administratively prohibited"},
		true,
	},
	{
		control(syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR, originICMP6, 2, 0, 1280, inet("fd00:10::1")),
		icmpError{by: netip.MustParseAddr("fd00:10::1"), reason: "packet too big", tooBig: true, nextMTU: 1280},
		true,
	},
	{
		control(syscall.IPPROTO_IP, syscall.IP_RECVERR, originICMP, 3, 77, 0, nil),
		icmpError{reason: "ICMP type 3 code 77"},
		true,
	},
	{control(syscall.IPPROTO_IP, syscall.IP_RECVERR, 1, 3, 4, 1500, nil), icmpError{}, false}, // the computer's own
	{control(syscall.SOL_SOCKET, syscall.SO_TIMESTAMP, originICMP, 3, 3, 0, nil), icmpError{}, false},
	{nil, icmpError{}, false},
}

func TestParseICMP(t *testing.T) {
	for _, tc := range controls {
		got, ok := parseICMP(tc.raw)
		if ok != tc.ok || got.by != tc.want.by || got.reason != tc.want.reason || got.tooBig != tc.want.tooBig || got.nextMTU != tc.want.nextMTU {
			t.Errorf("% x: %+v %v, want %+v", tc.raw, got, ok, tc.want)
		}
	}
}

// FuzzParseICMP shows that whatever stands beside an error is read without harm.
func FuzzParseICMP(f *testing.F) {
	if len(controls) == 0 {
		f.Fatal("no seeds")
	}
	for _, tc := range controls {
		f.Add(tc.raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if e, ok := parseICMP(raw); ok && (e.reason == "" || e.nextMTU < 0 || e.nextMTU > 1<<16) {
			t.Errorf("% x: %+v", raw, e)
		}
	})
}

// TestPendingError shows the trap that the socket is made for: with an ICMP error waiting the system refuses the next datagram,
// and it goes out all the same.
func TestPendingError(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		open, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Logf("%s: %v", host, err) // a computer without IPv6
			continue
		}
		defer open.Close()
		shut, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		nobody, _ := addrPort(shut.LocalAddr())
		shut.Close()
		somebody, _ := addrPort(open.LocalAddr())
		conn, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var got []icmpError
		d := newDatagrams(conn, somebody.Addr().Is6())
		d.refused = func(e icmpError) { got = append(got, e) }
		const times = 5
		for i := range times {
			if err := d.send([]byte("nobody"), nobody, ""); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond) // over loopback the error is there at once
			if err := d.send([]byte{byte(i)}, somebody, []string{"", alg.DFSet, alg.DFClear}[i%3]); err != nil {
				t.Fatal(err)
			}
		}
		_ = open.SetReadDeadline(time.Now().Add(5 * time.Second))
		for i := range times {
			buf := make([]byte, 10)
			if n, _, err := open.ReadFrom(buf); err != nil || n != 1 || buf[0] != byte(i) {
				t.Fatalf("%s: datagram %d: %q, %v", host, i, buf[:n], err)
			}
		}
		if len(got) != times || slices.ContainsFunc(got, func(e icmpError) bool {
			return e.by != nobody.Addr() || e.to != nobody || string(e.quoted) != "nobody" || e.reason != "port unreachable"
		}) {
			t.Errorf("%s: errors %+v", host, got)
		}
	}
}
