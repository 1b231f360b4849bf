package probe

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"

	"nofixup/alg"
)

// What include/uapi/linux/in.h, in6.h and errqueue.h have and package syscall lacks.
const (
	pmtuDont                = 0 // IP_PMTUDISC_DONT: DF clear, fragmented here if it must be
	pmtuWant                = 1 // IP_PMTUDISC_WANT, the default: DF set, fragmented here by what is known of the path
	pmtuProbe               = 3 // IP_PMTUDISC_PROBE: DF set, whatever is known of the path
	originICMP, originICMP6 = 2, 3
)

// socketLimits says what the system cannot do, for the report.
const socketLimits = ""

// prepareSocket asks for ICMP errors, and reports what the system can do.
func prepareSocket(raw syscall.RawConn, v6 bool) (df, errs bool) {
	errs = setInt(raw, v6, syscall.IP_RECVERR, syscall.IPV6_RECVERR, 1) == nil
	return setDF(raw, v6, "") == nil, errs
}

// setDF chooses DF for the datagrams that are sent next; "" leaves it to the system.
func setDF(raw syscall.RawConn, v6 bool, df string) error {
	mode := pmtuWant
	switch df {
	case alg.DFSet:
		mode = pmtuProbe
	case alg.DFClear:
		mode = pmtuDont
	}
	return setInt(raw, v6, syscall.IP_MTU_DISCOVER, syscall.IPV6_MTU_DISCOVER, mode)
}

func setInt(raw syscall.RawConn, v6 bool, option, option6, value int) error {
	level := syscall.IPPROTO_IP
	if v6 {
		level, option = syscall.IPPROTO_IPV6, option6
	}
	var err error
	if cerr := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), level, option, value) }); cerr != nil {
		return cerr
	}
	return err
}

// readErrors empties the error queue of a socket (ip(7), IP_RECVERR).
func readErrors(raw syscall.RawConn) []icmpError {
	var out []icmpError
	_ = raw.Control(func(fd uintptr) { out = readQueue(int(fd)) })
	return out
}

// maxErrors bounds one reading of the queue, which is bounded by the socket's memory.
const maxErrors = 256

func readQueue(fd int) (out []icmpError) {
	payload, control := make([]byte, 2048), make([]byte, 512)
	for range maxErrors {
		n, oobn, _, to, err := syscall.Recvmsg(fd, payload, control, syscall.MSG_ERRQUEUE|syscall.MSG_DONTWAIT)
		if err != nil {
			return out
		}
		if e, ok := parseICMP(control[:oobn]); ok {
			e.quoted = append([]byte(nil), payload[:max(0, n)]...)
			e.to = sockaddr(to)
			out = append(out, e)
		}
	}
	return out
}

// parseICMP reads struct sock_extended_err and the address of the sender behind it.
func parseICMP(control []byte) (e icmpError, ok bool) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return e, false
	}
	for _, m := range messages {
		v6 := m.Header.Level == syscall.IPPROTO_IPV6 && m.Header.Type == syscall.IPV6_RECVERR
		if !v6 && (m.Header.Level != syscall.IPPROTO_IP || m.Header.Type != syscall.IP_RECVERR) {
			continue
		}
		const size = 16 // of the structure; the address follows
		if len(m.Data) < size || m.Data[4] != originICMP && m.Data[4] != originICMP6 {
			continue // an error of this computer's own
		}
		kind, code := m.Data[5], m.Data[6]
		info := binary.NativeEndian.Uint32(m.Data[8:])
		e.reason, e.tooBig = icmpReason(kind, code, m.Data[4] == originICMP6)
		if e.tooBig {
			e.nextMTU = int(min(info, 1<<16))
		}
		switch offender := m.Data[size:]; {
		case len(offender) >= 8 && binary.NativeEndian.Uint16(offender) == syscall.AF_INET:
			e.by = netip.AddrFrom4([4]byte(offender[4:8]))
		case len(offender) >= 24 && binary.NativeEndian.Uint16(offender) == syscall.AF_INET6:
			e.by = netip.AddrFrom16([16]byte(offender[8:24])).Unmap()
		}
		return e, true
	}
	return e, false
}

// icmpReason is what an error says.
func icmpReason(kind, code uint8, v6 bool) (reason string, tooBig bool) {
	if v6 {
		switch kind {
		case 1: // RFC 4443 3.1
			names := []string{
				"no route", "administratively prohibited", "beyond scope of source address", "address unreachable", "port unreachable",
				"source address failed policy", "reject route",
			}
			if int(code) < len(names) {
				return names[code], false
			}
		case 2:
			return "packet too big", true
		case 3:
			return "time exceeded", false
		}
		return fmt.Sprintf("ICMPv6 type %d code %d", kind, code), false
	}
	switch kind {
	case 3: // RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1
		names := map[uint8]string{
			0: "network unreachable", 1: "host unreachable", 2: "protocol unreachable", 3: "port unreachable",
			9: "network administratively prohibited", 10: "host administratively prohibited", 13: "administratively prohibited",
		}
		if code == 4 {
			return "fragmentation needed", true
		}
		if name := names[code]; name != "" {
			return name, false
		}
	case 11:
		return "time exceeded", false
	}
	return fmt.Sprintf("ICMP type %d code %d", kind, code), false
}

func sockaddr(a syscall.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}
