package reflector

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"nofixup/reflector/wire"
)

// peer is the other end of a connection to a bench, made of two pipes: what one Write sends is what one read of the reflector
// gets, as far as it has room for it, and either end can close its direction alone.
type peer struct {
	service  string   // that it connected to
	up, down net.Conn // the peer's ends
	st       *stream
	done     chan struct{} // closed when the reflector is done with the connection
	ended    time.Time     // when that was
	eof      chan struct{} // closed when the reflector has closed its direction

	mu  sync.Mutex
	got bytes.Buffer
}

// duplex is the reflector's end.
type duplex struct {
	net.Conn      // what it sends
	up            net.Conn
	local, remote netip.AddrPort
}

func (d duplex) LocalAddr() net.Addr               { return net.TCPAddrFromAddrPort(d.local) }
func (d duplex) RemoteAddr() net.Addr              { return net.TCPAddrFromAddrPort(d.remote) }
func (d duplex) Read(b []byte) (int, error)        { return d.up.Read(b) }
func (d duplex) SetReadDeadline(t time.Time) error { return d.up.SetReadDeadline(t) }
func (d duplex) CloseWrite() error                 { return d.Conn.Close() }

func (d duplex) Close() error {
	d.up.Close()
	return d.Conn.Close()
}

// whole is a connection that cannot close one direction alone.
type whole struct{ net.Conn }

// dial connects to the port of SIP of the bench. Unless the peer is deaf it takes all that the reflector sends.
func (b *bench) dial(t tb, from netip.AddrPort, deaf bool) *peer {
	t.Helper()
	return b.dialTo(t, b.svc.service, from, deaf)
}

// dialTo connects to a service.
func (b *bench) dialTo(t tb, service string, from netip.AddrPort, deaf bool) *peer {
	t.Helper()
	p := &peer{service: service, done: make(chan struct{}), eof: make(chan struct{})}
	var up, down net.Conn
	p.up, up = net.Pipe()
	down, p.down = net.Pipe()
	b.connect(t, p, duplex{down, up, here, from}, deaf)
	return p
}

func (b *bench) connect(t tb, p *peer, conn net.Conn, deaf bool) {
	end := b.svc.endpoint
	if p.service != "" {
		end.service = p.service
	}
	p.st = newStream(b.Server, &listener{endpoint: end}, conn)
	if !b.enroll(p.st) {
		t.Fatal("the server is ending")
	}
	go func() {
		defer close(p.done)
		defer b.discharge(p.st)
		p.st.run()
		p.ended = time.Now()
	}()
	if deaf {
		close(p.eof)
	} else {
		go func() {
			defer close(p.eof)
			buf := make([]byte, 4096)
			for {
				n, err := p.down.Read(buf)
				p.mu.Lock()
				p.got.Write(buf[:n])
				p.mu.Unlock()
				if err != nil {
					return
				}
			}
		}()
	}
	t.Cleanup(func() {
		p.up.Close()
		p.down.Close()
		<-p.done
		<-p.eof
	})
}

// send writes the parts one after the other, and gives up where the reflector does.
func (p *peer) send(parts ...string) error {
	for _, part := range parts {
		if _, err := io.WriteString(p.up, part); err != nil {
			return err
		}
	}
	return nil
}

// hangUp closes the peer's direction, waits until the reflector is done with the connection, and returns all that came.
func (p *peer) hangUp() string {
	p.up.Close()
	<-p.done
	<-p.eof
	return p.received()
}

// settled returns what has come when the reflector is done with all that was sent: it takes an empty packet of H.323 then.
func (p *peer) settled(t tb) string {
	t.Helper()
	if err := p.send("\x03", "\x00\x00\x04"); err != nil {
		t.Fatal(err)
	}
	p.st.mu.Lock()
	out := int(p.st.out)
	p.st.mu.Unlock()
	for deadline := time.Now().Add(10 * time.Second); len(p.received()) < out; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what was written has not come")
		}
	}
	return p.received()
}

// await waits until a text has come.
func (p *peer) await(t tb, text string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(p.received(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no " + text)
		}
	}
}

func (p *peer) received() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got.String()
}

// tcpRequest is request over TCP, with its length.
func tcpRequest(method string, token wire.Token, number uint32, body string, lines ...string) string {
	raw := request(method, token, append(lines, "Content-Length: "+strconv.Itoa(len(body)))...) + body
	raw = strings.Replace(raw, "SIP/2.0/UDP", "SIP/2.0/TCP", 1)
	return strings.ReplaceAll(raw, wire.Tag{Token: token, Number: 1}.String(), wire.Tag{Token: token, Number: number}.String())
}

// books lays a session's receipts over TCP side by side with the stream: they must be without gaps, in order, and end once.
type books struct {
	in, out       string
	inEnd, outEnd string
	silences      []string
	reads         int
}

// keepBooks reads the receipts of one connection.
func keepBooks(t interface {
	Helper()
	Fatalf(string, ...any)
}, sess *session, num uint64,
) (b books) {
	t.Helper()
	var last time.Time
	answerable := map[uint64]bool{}
	for i, r := range receiptsOf(sess) {
		if r.Seq != uint64(i+1) {
			t.Fatalf("receipt %d has seq %d", i+1, r.Seq)
		}
		if r.Conn != num {
			continue
		}
		data, end := &b.in, &b.inEnd
		if r.Direction == wire.Out {
			data, end = &b.out, &b.outEnd
		}
		switch {
		case r.Transport != "tcp" || r.Local != here || !r.Remote.IsValid() || r.At.Before(last.Add(-time.Second)):
			t.Fatalf("receipt %+v", r)
		case *end != "":
			t.Fatalf("%+v after the end", r)
		case r.End == "" && r.Off != int64(len(*data)):
			t.Fatalf("%+v does not follow %d octets", r, len(*data))
		case r.End == "" && len(r.Data) == 0:
			t.Fatalf("an empty receipt %+v", r)
		case r.Direction == wire.Out && r.Answers != 0 && !answerable[r.Answers]:
			t.Fatalf("%+v answers what is not there or silent", r)
		}
		last = r.At
		*data += string(r.Data)
		*end = r.End
		if r.Direction == wire.In && r.End == "" {
			if !r.Proven {
				t.Fatalf("not proven: %+v", r)
			}
			b.reads++
			b.silences = append(b.silences, r.Silence)
			answerable[r.Seq] = r.Silence == "" || r.Silence == wire.SilenceQuiet
		}
	}
	return b
}
