package reflector_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"nofixup/reflector/reflectortest"
	"nofixup/reflector/wire"
	own "nofixup/sip"
)

// TestCallReferee has a SIP stack that is not ours place a call, which the client has answered by actions: INVITE, media both ways,
// re-INVITE and BYE.
func TestCallReferee(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			s := reflectortest.Start(t)
			sess := dial(t, s)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			var number atomic.Uint32
			port := sess.Grant.Media[0].First + 4
			answering := make(chan error, 1)
			stop, end := context.WithCancel(ctx)
			go func() { answering <- answerCall(stop, sess, port, &number) }()
			defer func() {
				end()
				if err := <-answering; err != nil && stop.Err() == nil {
					t.Error(err)
				}
			}()
			placeCall(ctx, t, sess, transport, port, &number)
		})
	}
}

// answerCall answers every request that waits for an answer, once, until ctx ends.
func answerCall(ctx context.Context, sess *wire.Session, port uint16, number *atomic.Uint32) error {
	done := map[string]bool{}
	for after := uint64(0); ; {
		r, err := sess.Receipts(ctx, after, time.Second)
		if err != nil {
			return err
		}
		after = r.Next
		for _, r := range r.Receipts {
			if r.Silence != wire.SilenceQuiet {
				continue
			}
			req, err := lastRequest(r.Data)
			if err != nil {
				return err
			}
			if branch, _ := req.Via().Params.Get("branch"); done[branch] {
				continue // a retransmission: what was sent answers it, too, or is lost
			} else {
				done[branch] = true
			}
			statuses := []int{200}
			if req.IsInvite() {
				statuses = []int{100, 180, 200}
			}
			for _, status := range statuses {
				a := wire.Action{Action: wire.ActionRespond, To: r.Seq, Number: number.Add(1), Status: status, Quiet: true}
				if a.SDP = status == 200 && req.IsInvite(); a.SDP {
					a.Port = port
				}
				if _, err := sess.Act(ctx, a); err != nil {
					return fmt.Errorf("%+v: %w", a, err)
				}
			}
		}
	}
}

// lastRequest returns the last of the messages in a receipt: over TCP an ACK and a BYE may have come with one read.
func lastRequest(data []byte) (*sip.Request, error) {
	var framer own.Framer
	for {
		f, err := framer.Next(data)
		if err != nil {
			return nil, err
		}
		if f.Len == len(data) {
			msg, err := sip.ParseMessage(data)
			if err != nil {
				return nil, err
			}
			return msg.(*sip.Request), nil
		}
		data = data[f.Len:]
	}
}

// placeCall is the caller's side.
func placeCall(ctx context.Context, t *testing.T, sess *wire.Session, transport string, port uint16, number *atomic.Uint32) {
	var server netip.AddrPort
	for _, target := range sess.Grant.Targets {
		if target.Service == wire.ServiceSIP && target.Transport == transport {
			server = target.Addr
			break
		}
	}
	media, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer media.Close()
	ua, err := sipgo.NewUA()
	if err != nil {
		t.Fatal(err)
	}
	defer ua.Close()
	client, err := sipgo.NewClient(ua, sipgo.WithClientHostname("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	dialogs := sipgo.DialogUA{Client: client, ContactHDR: sip.ContactHeader{Address: sip.Uri{User: "a", Host: "127.0.0.1"}}}
	tag := wire.Tag{Token: sess.Grant.Token, Number: number.Add(1)}.String()
	var uri sip.Uri
	text := fmt.Sprintf("sip:%s%s@%s", tag, wire.Quiet, server)
	if transport == "tcp" {
		text += ";transport=tcp"
	}
	if err := sip.ParseUri(text, &uri); err != nil {
		t.Fatal(err)
	}
	body := []byte(fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\n",
		media.LocalAddr().(*net.UDPAddr).Port))
	invite := func(to sip.Uri) *sip.Request {
		req := sip.NewRequest(sip.INVITE, to)
		req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
		req.SetBody(body)
		req.SetTransport(strings.ToUpper(transport))
		return req
	}
	dialog, err := dialogs.WriteInvite(ctx, invite(uri))
	if err != nil {
		t.Fatal(err)
	}
	defer dialog.Close()
	var statuses []int
	if err := dialog.WaitAnswer(ctx, sipgo.AnswerOptions{OnResponse: func(r *sip.Response) error {
		statuses = append(statuses, r.StatusCode)
		return nil
	}}); err != nil {
		t.Fatal(err, statuses)
	}
	if last := len(statuses) - 1; statuses[last] != 200 || !bytes.Contains(dialog.InviteResponse.Body(), []byte("m=audio "+strconv.Itoa(int(port))+" ")) {
		t.Errorf("%v\n%s", statuses, dialog.InviteResponse)
	}
	if err := dialog.Ack(ctx); err != nil {
		t.Fatal(err)
	}

	// Media there and back.
	raw := []byte("\x80\x00\x00\x01\x00\x00\x00\xa0\x12\x34\x56\x78" + tag + strings.Repeat("\xd5", 127))
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(server.Addr(), port))
	for range 5 {
		if _, err := media.WriteTo(raw, to); err != nil {
			t.Fatal(err)
		}
	}
	var records wire.MediaRecords
	for len(records.Media) < 5 {
		if records, err = sess.Media(ctx, 0, time.Second); err != nil {
			t.Fatal(err)
		}
	}
	sent, err := sess.Send(ctx, wire.Action{Action: wire.ActionMedia, Record: 1, Number: number.Add(1), Count: 5, Interval: 5})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2000)
	for range 5 {
		_ = media.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, from, err := media.ReadFrom(buf)
		if err != nil || from.String() != to.String() || !bytes.Contains(buf[:n], []byte(sent.Tag)) {
			t.Fatal(n, from, err)
		}
	}

	// Hold and end.
	body = bytes.Replace(body, []byte("t=0 0\r\n"), []byte("t=0 0\r\na=sendonly\r\n"), 1)
	again, err := dialog.Do(ctx, invite(dialog.InviteResponse.Contact().Address))
	if err != nil || again.StatusCode != 200 || !bytes.Contains(again.Body(), []byte("m=audio "+strconv.Itoa(int(port))+" ")) {
		t.Fatal(again, err)
	}
	ack := sip.NewRequest(sip.ACK, dialog.InviteResponse.Contact().Address)
	if err := dialog.WriteRequest(ack); err != nil {
		t.Fatal(err)
	}
	if err := dialog.Bye(ctx); err != nil {
		t.Fatal(err)
	}
	r, err := sess.Receipts(ctx, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	acks := 0
	for _, r := range r.Receipts {
		if r.Silence == wire.SilenceACK {
			acks++
		}
		if r.Direction == wire.Out && !bytes.HasPrefix(r.Data, []byte("SIP/2.0 1")) && !bytes.HasPrefix(r.Data, []byte("SIP/2.0 200")) {
			t.Errorf("%s", r.Data)
		}
	}
	if acks != 2 && transport == "udp" {
		t.Errorf("%d ACKs", acks)
	}
}
