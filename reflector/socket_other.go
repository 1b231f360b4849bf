//go:build !linux

package reflector

import "net"

// receiveTOS does nothing: elsewhere records do not tell the octet of DSCP and ECN of datagrams over IPv4.
func receiveTOS(*net.UDPConn) {}

func parseTOS([]byte) int { return noTOS }
