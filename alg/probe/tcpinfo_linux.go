package probe

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"nofixup/alg"
)

// tcpEnd tells what the system knows of this end of a TCP connection (tcp(7), TCP_INFO), nil if it is none of the system's. Right after
// connecting the round trip is that of the handshake: to whoever completed it. The TTL of what comes over it would tell more, but no
// option of a TCP socket gives it: IP_RECVTTL is for datagrams (net/ipv4/ip_sockglue.c).
func tcpEnd(conn net.Conn) *alg.TCPEnd {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	var end *alg.TCPEnd
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			end = &alg.TCPEnd{RTT: float64(info.Rtt) / 1000, MSS: int(info.Snd_mss)}
		}
	})
	return end
}
