package reflector

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"nofixup/reflector/wire"
)

// tcpInfo tells what the system knows of this end of a TCP connection (tcp(7), TCP_INFO), nil if it is none of the system's. There is no
// TTL: a TCP socket does not tell that of what arrives.
func tcpInfo(conn net.Conn) *wire.TCP {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	var told *wire.TCP
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			told = &wire.TCP{RTT: float64(info.Rtt) / 1000, MSS: int(info.Snd_mss)}
		}
	})
	return told
}
