package netlab_test

import (
	"net/netip"
	"syscall"
)

// sippQuits makes sipp end as soon as its calls have, and write its statistics.
const sippQuits = syscall.SIGUSR1

// holdPort binds a port for UDP and listens on it for TCP, for good. Not with package net, which would set SO_REUSEADDR.
func holdPort(at netip.AddrPort) error {
	for _, kind := range []int{syscall.SOCK_DGRAM, syscall.SOCK_STREAM} {
		fd, err := syscall.Socket(syscall.AF_INET, kind|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
			return err
		}
		if kind == syscall.SOCK_STREAM {
			if err := syscall.Listen(fd, 5); err != nil {
				return err
			}
		}
	}
	return nil
}
