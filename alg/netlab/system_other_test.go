//go:build !linux

package netlab_test

import (
	"errors"
	"net/netip"
	"os"
)

var sippQuits = os.Interrupt

func holdPort(netip.AddrPort) error { return errors.ErrUnsupported }
