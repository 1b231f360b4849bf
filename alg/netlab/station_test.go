package netlab_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"nofixup/alg/netlab"
)

// order is what a station is told, one JSON object a line. It does one after the other.
type order struct {
	Do       string           // "open", "send", "close" or "forget"
	UDP, TCP []netip.AddrPort // to open: where to receive datagrams and connections
	Message  message          // to send
}

// notice is what a station says: that something has arrived, or that an order is done.
type notice struct {
	Arrived *message `json:",omitempty"`
	Error   string   `json:",omitempty"` // of the order that is done
}

// sockets is the far end of a station.
type sockets struct {
	mu        sync.Mutex // guards out and conns
	out       *json.Encoder
	conns     map[[2]netip.AddrPort]*net.TCPConn // by local and remote address
	udp       map[netip.AddrPort]*net.UDPConn
	listeners []*net.TCPListener
	running   sync.WaitGroup
}

// serve carries out orders until there are no more.
func (s *sockets) serve(in io.Reader) error {
	s.reset()
	for dec := json.NewDecoder(in); ; {
		var o order
		switch err := dec.Decode(&o); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		var n notice
		if err := s.obey(o); err != nil {
			n.Error = fmt.Sprintf("%s: %v", o.Do, err)
		}
		s.say(n)
	}
}

func (s *sockets) say(n notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.out.Encode(n) // when nobody listens any more, the orders end as well
}

func (s *sockets) obey(o order) error {
	switch o.Do {
	case "open":
		return s.open(o.UDP, o.TCP)
	case "send":
		return s.send(o.Message)
	case "close":
		s.reset()
		return nil
	case "forget":
		return forgetFlows()
	}
	return errors.New("unknown order")
}

func (s *sockets) open(udp, tcp []netip.AddrPort) error {
	for _, at := range udp {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return err
		}
		s.udp[at] = conn
		s.running.Go(func() {
			for buf := make([]byte, 1<<16); ; {
				n, from, err := conn.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				s.say(notice{Arrived: &message{"udp", from, at, buf[:n]}})
			}
		})
	}
	for _, at := range tcp {
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		if err != nil {
			return err
		}
		s.listeners = append(s.listeners, l)
		s.running.Go(func() {
			for {
				conn, err := l.AcceptTCP()
				if err != nil {
					return
				}
				s.connected(conn)
			}
		})
	}
	return nil
}

// connected reads what comes over a connection.
func (s *sockets) connected(conn *net.TCPConn) {
	local, remote := unmapped(conn.LocalAddr()), unmapped(conn.RemoteAddr())
	s.mu.Lock()
	s.conns[[2]netip.AddrPort{local, remote}] = conn
	s.mu.Unlock()
	s.running.Go(func() {
		for buf := make([]byte, 1<<16); ; {
			n, err := conn.Read(buf)
			if n > 0 {
				s.say(notice{Arrived: &message{"tcp", remote, local, buf[:n]}})
			}
			if err != nil {
				return
			}
		}
	})
}

func unmapped(a net.Addr) netip.AddrPort {
	at := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

func (s *sockets) send(m message) error {
	if m.Proto == "udp" {
		conn := s.udp[m.Src]
		if conn == nil {
			return fmt.Errorf("no socket at %v", m.Src)
		}
		_, err := conn.WriteToUDPAddrPort(m.Payload, m.Dst)
		return err
	}
	key := [2]netip.AddrPort{m.Src, m.Dst}
	s.mu.Lock()
	conn := s.conns[key]
	s.mu.Unlock()
	if conn == nil {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(m.Src), Timeout: 3 * time.Second}
		c, err := d.Dial("tcp", m.Dst.String())
		if err != nil {
			return err
		}
		conn = c.(*net.TCPConn)
		s.connected(conn)
	}
	// Package net has switched Nagle's algorithm off: this is one segment.
	_, err := conn.Write(m.Payload)
	return err
}

// reset closes everything and waits for the readers: only then are the ports free.
func (s *sockets) reset() {
	for _, l := range s.listeners {
		l.Close()
	}
	for _, conn := range s.udp {
		conn.Close()
	}
	s.mu.Lock()
	for _, conn := range s.conns {
		_ = conn.SetLinger(0) // with a reset: no TIME_WAIT on the port, and nothing is sent again
		conn.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
	s.listeners, s.udp, s.conns = nil, map[netip.AddrPort]*net.UDPConn{}, map[[2]netip.AddrPort]*net.TCPConn{}
}

// stationFunc is the far end of a station: it carries out what it reads and says what arrives, until its input ends.
func stationFunc([]string) int {
	s := &sockets{out: json.NewEncoder(os.Stdout)}
	if err := s.serve(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// station is a process on a host of a lab that sends and receives at any of the host's addresses. A [peer] has one
// socket; a station opens as many as a vector needs, anew for each vector, which a process for each would be too slow for.
type station struct {
	name    string
	addrs   []netip.Addr
	process *netlab.Process
	orders  *json.Encoder
	done    chan error
	arrived chan message
	early   []message // what came before something that was waited for
}

// stationPatience bounds what takes no time unless something is broken.
const stationPatience = 10 * time.Second

// newStation starts a station on a host that has the addresses.
func newStation(t *testing.T, h *netlab.Host, addrs ...netip.Addr) *station {
	t.Helper()
	cmd := h.Func(context.Background(), "station")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, stdout := io.Pipe()
	cmd.Stdout = stdout
	s := &station{
		name: h.Name(), addrs: addrs, orders: json.NewEncoder(in), done: make(chan error, 1), arrived: make(chan message, 1000),
	}
	s.process = netlab.Start(t, cmd)
	go func() {
		<-s.process.Done()
		stdout.Close()
	}()
	go func() {
		defer out.Close()
		for dec := json.NewDecoder(out); ; {
			var n notice
			switch {
			case dec.Decode(&n) != nil:
				return
			case n.Arrived != nil:
				s.arrived <- *n.Arrived
			case n.Error != "":
				s.done <- errors.New(n.Error)
			default:
				s.done <- nil
			}
		}
	}()
	return s
}

// do gives an order and waits until it is carried out.
func (s *station) do(t *testing.T, o order) {
	t.Helper()
	err := s.orders.Encode(o)
	if err == nil {
		select {
		case err = <-s.done:
		case <-s.process.Done():
			err = errors.New("it has ended")
		case <-time.After(stationPatience):
			err = errors.New("it does not answer")
		}
	}
	if err != nil {
		t.Fatalf("station %s: %v: %s", s.name, err, s.process.Output())
	}
}

// next returns the next message that has arrived, or false if there is none when the time is over.
func (s *station) next(over <-chan time.Time) (message, bool) {
	if len(s.early) > 0 {
		m := s.early[0]
		s.early = s.early[1:]
		return m, true
	}
	select {
	case m := <-s.arrived:
		return m, true
	default:
	}
	select {
	case m := <-s.arrived:
		return m, true
	case <-over:
		return message{}, false
	}
}

// await waits for a message with the payload and keeps what comes before it.
func (s *station) await(t *testing.T, payload []byte) message {
	t.Helper()
	for over := time.After(stationPatience); ; {
		select {
		case m := <-s.arrived:
			if bytes.Equal(m.Payload, payload) {
				return m
			}
			s.early = append(s.early, m)
		case <-over:
			t.Fatalf("station %s: %q does not arrive", s.name, payload)
		}
	}
}

// rest takes what has arrived and nobody has asked for.
func (s *station) rest() []message {
	all := s.early
	s.early = nil
	for {
		select {
		case m := <-s.arrived:
			all = append(all, m)
		default:
			return all
		}
	}
}
