package wire

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// TestRoundTrip writes and reads what goes over the wire: nothing is lost, and what is zero is left out where the protocol
// says so.
func TestRoundTrip(t *testing.T) {
	addr := netip.MustParseAddrPort("192.0.2.1:5060")
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, tt := range []struct {
		value any
		want  string
	}{
		{
			Receipt{Seq: 1, At: at, Direction: In, Transport: "udp", Local: addr, Remote: addr, TTL: 54, Data: []byte("\x00\xff"), Silence: SilenceQuiet},
			`{"seq":1,"at":"2026-01-02T03:04:05.000000006Z","direction":"in","transport":"udp","local":"192.0.2.1:5060","remote":"192.0.2.1:5060","ttl":54,"data":"AP8=","silence":"quiet"}`,
		},
		{
			Receipt{Seq: 2, At: at, Direction: Out, Transport: "tcp", Local: addr, Remote: addr, Conn: 3, Off: 4, Data: []byte("x"), Answers: 1},
			`{"seq":2,"at":"2026-01-02T03:04:05.000000006Z","direction":"out","transport":"tcp","local":"192.0.2.1:5060","remote":"192.0.2.1:5060","data":"eA==","conn":3,"off":4,"answers":1}`,
		},
		{
			Receipt{Seq: 3, At: at, Direction: In, Transport: "tcp", Local: addr, Remote: addr, Conn: 3, Off: 5, Data: []byte{}, End: EndClosed, Proven: true},
			`{"seq":3,"at":"2026-01-02T03:04:05.000000006Z","direction":"in","transport":"tcp","local":"192.0.2.1:5060","remote":"192.0.2.1:5060","data":"","conn":3,"off":5,"end":"closed","proven":true}`,
		},
		{Action{Action: ActionRespond, To: 1, Number: 2, Status: 183, SDP: true}, `{"action":"respond","to":1,"number":2,"status":183,"sdp":true}`},
		{Action{Action: ActionRequest, To: 1, Number: 2, Method: "ACK", Dialog: true, CSeq: 3}, `{"action":"request","to":1,"number":2,"method":"ACK","dialog":true,"cseq":3}`},
		{Action{Action: ActionClose, To: 1}, `{"action":"close","to":1,"number":0}`},
		{Sent{Seq: 7}, `{"seq":7}`},
	} {
		text, err := json.Marshal(tt.value)
		if err != nil || string(text) != tt.want {
			t.Errorf("got %s, %v\nwant %s", text, err, tt.want)
		}
		back := reflect.New(reflect.TypeOf(tt.value))
		if err := json.Unmarshal(text, back.Interface()); err != nil || !reflect.DeepEqual(back.Elem().Interface(), tt.value) {
			t.Errorf("read back %+v, %v", back.Elem(), err)
		}
	}
}
