package reflector

import (
	"net"
	"syscall"
)

// receiveTOS has the system tell the octet of DSCP and ECN of every datagram over IPv4, which golang.org/x/net/ipv4 has no flag
// for: ip(7), IP_RECVTOS.
func receiveTOS(udp *net.UDPConn) {
	raw, err := udp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_RECVTOS, 1)
	})
}

// parseTOS returns what the control messages of a datagram over IPv4 say of it.
func parseTOS(oob []byte) int {
	list, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return noTOS
	}
	for _, m := range list {
		if m.Header.Level == syscall.IPPROTO_IP && m.Header.Type == syscall.IP_TOS && len(m.Data) > 0 {
			return int(m.Data[0])
		}
	}
	return noTOS
}
