//go:build !linux

package reflector

import (
	"net"

	"nofixup/reflector/wire"
)

// tcpInfo tells nothing: systems other than Linux are not asked for what they know of a TCP connection.
func tcpInfo(net.Conn) *wire.TCP { return nil }
