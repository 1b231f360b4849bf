package netlab_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/net/dns/dnsmessage"
)

// namesFunc is a nameserver that knows no name: it says so of each (RFC 1035 4.1.1, RCODE 3). Its argument is the local
// address.
func namesFunc(args []string) int {
	if err := serveNames(args[0]); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return 1
}

func serveNames(local string) error {
	conn, err := net.ListenPacket("udp", local)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for buf := make([]byte, 1<<16); ; {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil {
			continue
		}
		m.Response, m.RecursionAvailable, m.RCode = true, true, dnsmessage.RCodeNameError
		m.Answers, m.Authorities, m.Additionals = nil, nil, nil
		answer, err := m.Pack()
		if err != nil {
			return err
		}
		if _, err := conn.WriteTo(answer, from); err != nil {
			return err
		}
	}
}

// softphoneFunc holds a UDP and a TCP port as a phone program does that lets nobody share them. Its argument is the local
// address.
func softphoneFunc(args []string) int {
	local, err := netip.ParseAddrPort(args[0])
	if err == nil {
		err = holdPort(local)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	select {}
}
