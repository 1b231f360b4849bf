package probe

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// newDialer is a dialer that asks for ICMP errors while it connects. What it returns beside it adds them to the error, and must be
// called once, after dialling.
//
// Linux keeps such errors for a TCP socket as long as it connects, but a dialer closes the socket before it reports that it failed:
// a duplicate of the descriptor keeps it. Once it is connected, the option would make errors fatal that TCP gets over
// (RFC 1122 4.2.3.9), so that it is taken back.
func newDialer() (*net.Dialer, func(error) error) {
	var (
		mu   sync.Mutex // a dialer may connect on several sockets at once
		kept []int
		v6   []bool
	)
	d := &net.Dialer{}
	d.Control = func(network, address string, c syscall.RawConn) error {
		if err := reuse(network, address, c); err != nil || network[0] != 't' {
			return err
		}
		six := network == "tcp6"
		if setInt(c, six, syscall.IP_RECVERR, syscall.IPV6_RECVERR, 1) != nil {
			return nil // then nobody tells who refused, that is all
		}
		syscall.ForkLock.RLock() // between the two calls no program may be started
		defer syscall.ForkLock.RUnlock()
		_ = c.Control(func(fd uintptr) {
			if n, err := syscall.Dup(int(fd)); err == nil {
				syscall.CloseOnExec(n)
				mu.Lock()
				defer mu.Unlock()
				kept, v6 = append(kept, n), append(v6, six)
			}
		})
		return nil
	}
	return d, func(err error) error {
		mu.Lock()
		defer mu.Unlock()
		var errs []icmpError
		for i, fd := range kept {
			if err != nil {
				errs = append(errs, readQueue(fd)...)
			}
			level, option := syscall.IPPROTO_IP, syscall.IP_RECVERR
			if v6[i] {
				level, option = syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR
			}
			_ = syscall.SetsockoptInt(fd, level, option, 0)
			_ = syscall.Close(fd)
		}
		return refusal(err, errs)
	}
}

// refusal adds to the error of a connection what ICMP said of it. A connection that is refused without an ICMP error was reset.
func refusal(err error, errs []icmpError) error {
	if err == nil {
		return nil
	}
	for _, e := range errs {
		if !e.tooBig {
			return &refusedError{e.by, e.reason, err}
		}
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return &refusedError{err: err}
	}
	return err
}
