//go:build !linux

package probe

import (
	"errors"
	"syscall"
)

// Systems other than Linux do not tell an ordinary program who sent an ICMP error, or which datagram it is about, and what they
// set DF to is their choice.

const socketLimits = "this system does not tell a program who refuses a datagram, and chooses itself whether routers may fragment it"

func prepareSocket(syscall.RawConn, bool) (df, errs bool) { return false, false }

func setDF(syscall.RawConn, bool, string) error {
	return errors.New("DF cannot be chosen on this system")
}

func readErrors(syscall.RawConn) []icmpError { return nil }
