package netlab_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"nofixup/alg/netlab"
)

// packet is one datagram on its way to or from a peer, one JSON object a line.
type packet struct {
	Addr    netip.AddrPort // the other side
	Payload []byte
}

// peerFunc is a UDP socket inside a namespace, worked over standard input and output: it sends what it reads and writes
// what it receives, until its input ends. Its argument is the local address.
func peerFunc(args []string) int {
	local, err := netip.ParseAddrPort(args[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("ready")
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			if err := json.NewEncoder(os.Stdout).Encode(packet{from, buf[:n]}); err != nil {
				os.Exit(1)
			}
		}
	}()
	for dec := json.NewDecoder(os.Stdin); ; {
		var p packet
		if err := dec.Decode(&p); err == io.EOF {
			return 0
		} else if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if _, err := conn.WriteToUDPAddrPort(p.Payload, p.Addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
}

// peer is the near end of a peerFunc.
type peer struct {
	local    netip.AddrPort
	send     *json.Encoder
	received chan packet
}

// newPeer opens a UDP socket on a host of a lab.
func newPeer(t testing.TB, h *netlab.Host, addr netip.Addr, port uint16) *peer {
	t.Helper()
	p := &peer{local: netip.AddrPortFrom(addr, port), received: make(chan packet, 100)}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := h.Func(ctx, "peer", p.local.String())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	ready := make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewReader(out)
		if line, _ := lines.ReadString('\n'); line == "ready\n" {
			close(ready)
		}
		for dec := json.NewDecoder(lines); ; {
			var got packet
			if dec.Decode(&got) != nil {
				break
			}
			p.received <- got
		}
		_ = cmd.Wait()
	}()
	select {
	case <-ready:
	case <-ended:
		t.Fatalf("%s: peer %v ended at once", h.Name(), p.local)
	}
	p.send = json.NewEncoder(in)
	return p
}

func (p *peer) sendTo(t testing.TB, to netip.AddrPort, payload string) {
	t.Helper()
	if err := p.send.Encode(packet{to, []byte(payload)}); err != nil {
		t.Fatal(err)
	}
}

// receive waits for the next datagram.
func (p *peer) receive(t testing.TB) packet {
	t.Helper()
	select {
	case got := <-p.received:
		return got
	case <-time.After(3 * time.Second):
		t.Fatalf("%v received nothing", p.local)
		panic("unreachable")
	}
}
