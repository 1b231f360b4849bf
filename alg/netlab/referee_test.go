package netlab_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	sipgosip "github.com/emiago/sipgo/sip"

	"nofixup/alg"
	"nofixup/alg/netlab"
)

// TestReferees has two SIP stacks that share nothing with this program judge what a probe sends. What a probe calls valid must
// be valid to them: a firewall that drops what is malformed would else be called a gateway.
//
//   - sipp is the tool that SIP servers are tested with, with a reader of its own. It shows that whoever only looks for the
//     header fields that he needs finds them, and it complains about none of the messages. The INVITE with odd spelling is not
//     for it: sipp knows CSeq in no other spelling than this, and mixes up a compact Via with a long one.
//   - sipgo is a stack with a full parser and a transaction layer. It shows that each request opens a transaction, that each
//     ACK finds its way, that answers find theirs by the Via, and that nothing is answered 400 or logged. Its parser also
//     takes the responses that a probe sends.
//
// The requests are those of a probe behind plain NAT, as its evidence has them. Each goes out once more, in the same order and
// over the transport that its Via names, from a socket that it shares with its call and with nothing else: sipgo answers a
// CANCEL over the connection of its INVITE.
func TestReferees(t *testing.T) {
	netlab.Require(t, "sipp", "ss")
	t.Parallel()
	lab := netlab.Up(t, netlab.Plain)
	wan := lab.Host("wan")
	url, pin := reflectorAt(t, wan, netlab.WANAddr, netlab.WANAddr6)
	report, exit := probe(t, lab, url, pin, "--only", "sip,media")
	if exit != 0 {
		t.Errorf("exit code %d: not all was sent that a probe sends: %v", exit, report.Network.Notes)
	}
	flows := map[int]netip.Addr{} // where to
	transports := map[int]string{}
	speaksSIP := map[int]bool{}
	for _, f := range report.Evidence.Flows {
		flows[f.ID], transports[f.ID], speaksSIP[f.ID] = f.Inside[1].Addr(), f.Path.Transport, f.Path.Proto == alg.ProtoSIP
	}
	var calls []call
	methods := map[string]int{}
	responses := 0
	for i := range report.Evidence.Pairs {
		p := &report.Evidence.Pairs[i]
		if !p.Outbound || p.Breaks != "" || !speaksSIP[p.Flow] || p.Step == "stun" {
			continue
		}
		msg, err := sipgosip.ParseMessage(p.Inside.Raw)
		if err != nil {
			t.Errorf("%s: sipgo's parser: %v\n%s", p.Step, err, p.Inside.Raw)
			continue
		}
		switch msg := msg.(type) {
		case *sipgosip.Request:
			methods[string(msg.Method)]++
			calls = append(calls, call{
				Step: p.Step + " " + p.Shape, Method: string(msg.Method), Transport: transports[p.Flow],
				ID: msg.CallID().Value(), To: netip.AddrPortFrom(flows[p.Flow], 0), Request: p.Inside.Raw,
			})
		case *sipgosip.Response:
			responses++
			if complaint := badResponse(msg); complaint != "" {
				t.Errorf("%s: %s\n%s", p.Step, complaint, p.Inside.Raw)
			}
		}
	}
	for _, m := range []string{"INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE", "INFO", "UPDATE", "PRACK", "REFER"} {
		if methods[m] == 0 {
			t.Errorf("the probe has sent no %s", m)
		}
	}
	if responses == 0 {
		t.Error("the probe has sent no response")
	}
	t.Logf("%d requests %v, %d responses", len(calls), methods, responses)

	t.Run("sipp", func(t *testing.T) {
		const port = 5070
		var servers []*sipp
		for _, addr := range []netip.Addr{netlab.WANAddr, netlab.WANAddr6} {
			for _, transport := range []string{"udp", "tcp"} {
				servers = append(servers, startSipp(t, wan, transport, netip.AddrPortFrom(addr, port)))
			}
		}
		plain := slices.DeleteFunc(slices.Clone(calls), func(c call) bool { return strings.HasPrefix(c.Step, "invite-spelling ") })
		sendAgain(t, lab.Host("lan"), plain, port)
		for _, s := range servers {
			s.verdict(t, plain)
		}
	})
	t.Run("sipgo", func(t *testing.T) {
		const port = 5080
		uas := netlab.Start(t, wan.Func(context.Background(), "uas", strconv.Itoa(port)))
		uas.WaitFor(t, "ready")
		sendAgain(t, lab.Host("lan"), calls, port)
		// An ACK has no answer: that the last one was taken shows when the server ends.
		var got map[string]int
		out := uas.Stop(t)
		head, summary, _ := strings.Cut(out, "taken ")
		if err := json.Unmarshal([]byte(summary), &got); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for m, n := range methods {
			// The ACK of a refused INVITE, and its CANCEL, are the affair of its transaction (RFC 3261 9.2 and 17.1.1.3).
			if m != "ACK" && m != "CANCEL" && got[m] != n {
				t.Errorf("%s: took %d of %d", m, got[m], n)
			}
		}
		if complaints := strings.TrimSpace(strings.TrimPrefix(head, "ready\n")); complaints != "" {
			t.Errorf("sipgo complains:\n%s", complaints)
		}
	})
}

// badResponse says what is wrong with a response as RFC 3261 8.2.6 demands it, "" if nothing is.
func badResponse(r *sipgosip.Response) string {
	switch {
	case r.Via() == nil || r.From() == nil || r.To() == nil || r.CallID() == nil || r.CSeq() == nil:
		return "a header field is missing that the request has"
	case !r.To().Params.Has("tag"):
		return "To has no tag"
	case r.ContentLength() == nil || int(*r.ContentLength()) != len(r.Body()):
		return "Content-Length is not that of the body"
	}
	return ""
}

// call is a request to be sent once more, and what comes back.
type call struct {
	Step, Method, Transport string
	ID                      string // Call-ID
	To                      netip.AddrPort
	Request                 []byte
	Response                []byte // the last one, nil for none
	Error                   string
}

// sendAgain sends the requests to a server's port and checks what comes back.
func sendAgain(t *testing.T, host *netlab.Host, calls []call, port uint16) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := host.Func(ctx, "callers")
	in, err := json.Marshal(at(calls, port))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("callers: %v", err)
	}
	var done []call
	if err := json.Unmarshal(out.Bytes(), &done); err != nil || len(done) != len(calls) {
		t.Fatalf("callers: %d of %d: %v", len(done), len(calls), err)
	}
	for _, c := range done {
		if complaint := c.complaint(); complaint != "" {
			t.Errorf("%s over %s to %v: %s\n%s\nanswer:\n%s", c.Step, c.Transport, c.To, complaint, c.Request, c.Response)
		}
	}
}

func at(calls []call, port uint16) []call {
	var out []call
	for _, c := range calls {
		c.To = netip.AddrPortFrom(c.To.Addr(), port)
		out = append(out, c)
	}
	return out
}

// complaint says what is wrong with the answer to a request, "" if nothing is.
func (c *call) complaint() string {
	switch {
	case c.Error != "":
		return c.Error
	case c.Method == "ACK" && c.Response == nil:
		return ""
	case c.Method == "ACK":
		return "an ACK was answered"
	case c.Response == nil:
		return "no answer"
	}
	request, err := sipgosip.ParseMessage(c.Request)
	if err != nil {
		return err.Error()
	}
	msg, err := sipgosip.ParseMessage(c.Response)
	if err != nil {
		return "the answer: " + err.Error()
	}
	response, ok := msg.(*sipgosip.Response)
	if !ok {
		return "the answer is no response"
	}
	req := request.(*sipgosip.Request)
	switch {
	case response.StatusCode == 400 || response.StatusCode > 400 && response.StatusCode != 486:
		return fmt.Sprintf("answered %d", response.StatusCode)
	case response.Via() == nil || response.From() == nil || response.To() == nil || response.CallID() == nil || response.CSeq() == nil:
		return "the server did not find all header fields that its answer must repeat"
	case len(response.GetHeaders("Via")) != len(req.GetHeaders("Via")):
		return "the server did not find every Via"
	case branch(response.Via()) != branch(req.Via()), response.CallID().Value() != req.CallID().Value(),
		response.CSeq().Value() != req.CSeq().Value(), response.From().Address.String() != req.From().Address.String():
		return "the server read something else than was sent"
	}
	return ""
}

func branch(v *sipgosip.ViaHeader) string {
	b, _ := v.Params.Get("branch")
	return b
}

// callersFunc sends the requests that it reads, one after the other, those of each call from a socket of its own, and writes
// them with what came back.
func callersFunc([]string) int {
	var calls []call
	if err := json.NewDecoder(os.Stdin).Decode(&calls); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	conns := map[string]net.Conn{}
	for i := range calls {
		if err := calls[i].make(conns); err != nil {
			calls[i].Error = err.Error()
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(calls); err != nil {
		return 1
	}
	return 0
}

// make sends the request and waits for the final response; to an ACK there is none.
func (c *call) make(conns map[string]net.Conn) error {
	const patience = time.Second
	key := fmt.Sprint(c.Transport, c.To, c.ID)
	conn := conns[key]
	if conn == nil {
		var err error
		if conn, err = net.DialTimeout(c.Transport, c.To.String(), patience); err != nil {
			return err
		}
		conns[key] = conn
	}
	if _, err := conn.Write(c.Request); err != nil {
		return err
	}
	wait := patience
	if c.Method == "ACK" {
		wait = 5 * time.Millisecond // there is no answer; one that comes late is seen by the server's statistics
	}
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	var stream []byte
	for buf := make([]byte, 1<<16); ; {
		n, err := conn.Read(buf)
		stream = append(stream, buf[:n]...)
		// None of the servers sends a body.
		for whole := true; whole; {
			var m []byte
			if m, stream, whole = bytes.Cut(stream, []byte("\r\n\r\n")); !whole {
				stream = m
				break
			}
			if c.Response = append(m, "\r\n\r\n"...); !bytes.HasPrefix(m, []byte("SIP/2.0 1")) {
				return nil
			}
		}
		var timeout net.Error
		switch {
		case err == nil:
		case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, io.EOF):
			return nil
		default:
			return err
		}
	}
}

// sipp is a server that takes whatever comes.
type sipp struct {
	process    *netlab.Process
	addr       netip.AddrPort
	transport  string
	dir, stats string
	errors     string
}

func startSipp(t *testing.T, host *netlab.Host, transport string, addr netip.AddrPort) *sipp {
	t.Helper()
	scenario, err := filepath.Abs("testdata/sipp/uas.xml")
	if err != nil {
		t.Fatal(err)
	}
	s := &sipp{addr: addr, transport: transport, dir: t.TempDir()}
	s.stats, s.errors = filepath.Join(s.dir, "stats.csv"), filepath.Join(s.dir, "errors.log")
	cmd := host.Command(context.Background(), "sipp", "-sf", scenario, "-i", addr.Addr().String(), "-p", strconv.Itoa(int(addr.Port())),
		"-t", map[string]string{"udp": "u1", "tcp": "t1"}[transport], "-nostdin", "-deadcall_wait", "0", "-trace_err", "-error_file", s.errors,
		"-trace_stat", "-stf", s.stats)
	cmd.Dir = s.dir
	s.process = netlab.Start(t, cmd)
	waitListening(t, host, transport, addr)
	return s
}

// waitListening waits until a port of the host is bound.
func waitListening(t *testing.T, host *netlab.Host, transport string, addr netip.AddrPort) {
	t.Helper()
	table := map[string]string{"udp": "-Hlun", "tcp": "-Hltn"}[transport]
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if strings.Contains(host.Run(t, "ss", table), addr.String()+" ") {
			return
		}
		if time.Since(begin) > 5*time.Second {
			t.Fatalf("nothing listens at %s %v", transport, addr)
		}
	}
}

// verdict ends the server and reads what it says about the calls.
func (s *sipp) verdict(t *testing.T, calls []call) {
	t.Helper()
	want := 0
	for _, c := range calls {
		if c.Transport == s.transport && c.To.Addr() == s.addr.Addr() {
			want++
		}
	}
	s.process.Signal(t, sippQuits)
	select {
	case <-s.process.Done():
	case <-time.After(10 * time.Second):
		t.Fatalf("sipp %s %v does not end:\n%s", s.transport, s.addr, s.process.Output())
	}
	if complaints, err := os.ReadFile(s.errors); err == nil && len(complaints) > 0 {
		t.Errorf("sipp %s %v complains:\n%s", s.transport, s.addr, complaints)
	}
	f, err := os.Open(s.stats)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.FieldsPerRecord = ';', -1
	rows, err := r.ReadAll()
	if err != nil || len(rows) < 2 {
		t.Fatalf("%s: %d lines: %v", s.stats, len(rows), err)
	}
	last := rows[len(rows)-1]
	for i, name := range rows[0] {
		if !strings.HasSuffix(name, "(C)") || i >= len(last) {
			continue
		}
		n, err := strconv.Atoi(last[i])
		if err != nil {
			continue // a time
		}
		switch name = strings.TrimSuffix(name, "(C)"); name {
		case "IncomingCall", "SuccessfulCall":
			if n != want {
				t.Errorf("sipp %s %v: %s %d, want %d", s.transport, s.addr, name, n, want)
			}
		case "TotalCallCreated", "CallLength", "ResponseTime1":
		default:
			if strings.HasPrefix(name, "Failed") || strings.HasSuffix(name, "Msgs") || strings.HasSuffix(name, "Errors") ||
				name == "Warnings" || name == "Retransmissions" || name == "OutgoingCall" {
				if n != 0 {
					t.Errorf("sipp %s %v: %s %d", s.transport, s.addr, name, n)
				}
			}
		}
	}
	t.Logf("sipp %s %v: %d requests", s.transport, s.addr, want)
}

// uasFunc is sipgo's transports, parser and transactions on a port of both addresses of wan. Calls are refused, everything
// else is answered 200. When it is interrupted it says what it took.
func uasFunc(args []string) int {
	if err := serveSIP(args[0]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serveSIP(port string) error {
	// Not its warnings, which are about its own counting of references to connections.
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	sipgosip.SetDefaultLogger(log)
	transports := sipgosip.NewTransportLayer(net.DefaultResolver, sipgosip.NewParser(), nil)
	transactions := sipgosip.NewTransactionLayer(transports)
	var mu sync.Mutex
	taken := map[sipgosip.RequestMethod]int{}
	transactions.OnRequest(func(req *sipgosip.Request, tx *sipgosip.ServerTx) {
		mu.Lock()
		taken[req.Method]++
		mu.Unlock()
		status, reason := 200, "OK"
		switch {
		case req.IsAck():
			return
		case req.IsInvite() && !req.To().Params.Has("tag"):
			status, reason = 486, "Busy Here"
		}
		if err := tx.Respond(sipgosip.NewResponseFromRequest(req, status, reason, nil)); err != nil {
			log.Error("respond", "method", req.Method, "err", err)
		}
	})
	for _, addr := range []netip.Addr{netlab.WANAddr, netlab.WANAddr6} {
		local := net.JoinHostPort(addr.String(), port)
		datagrams, err := net.ListenPacket("udp", local)
		if err != nil {
			return err
		}
		conns, err := net.Listen("tcp", local)
		if err != nil {
			return err
		}
		go transports.ServeUDP(datagrams)
		go transports.ServeTCP(conns)
	}
	fmt.Println("ready")
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	<-interrupted
	mu.Lock()
	defer mu.Unlock()
	text, err := json.Marshal(taken)
	fmt.Printf("taken %s\n", text)
	return err
}
