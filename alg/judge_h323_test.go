package alg

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"nofixup/h323"
)

const h245Flow = 4 // announced by a call on the main flow

// newH323Scene is like newScene, with the paths of H.323.
func newH323Scene() *scene {
	s := newScene()
	s.Flows = nil
	control := h323Path
	control.Port, control.Control = 11720, true
	for i, p := range []Path{h323Path, control} {
		ends := [2]netip.AddrPort{own(40100), netip.AddrPortFrom(server.Addr(), p.Port)}
		s.Flows = append(s.Flows, Flow{ID: i + 1, Path: p, Inside: ends, Outside: ends})
	}
	return s
}

// carry adds one message of any octets; without got it was lost.
func (s *scene) carry(flow int, outbound bool, step, shape string, sent, got []byte) *scene {
	s.now = s.now.Add(time.Second)
	id := len(s.Pairs) + 1
	p := Pair{ID: id, Flow: flow, Seq: id, Try: 1, Outbound: outbound, Step: step, Shape: shape}
	p.Inside = &Sighting{At: s.now, End: len(sent), Raw: sent}
	if got != nil {
		p.Outside = &Sighting{At: s.now.Add(time.Millisecond), End: len(got), Raw: got}
	}
	if !outbound {
		p.Inside, p.Outside = p.Outside, p.Inside
	}
	s.Pairs = append(s.Pairs, p)
	return s
}

// calls puts enough messages that pass on both flows to measure the loss by.
func (s *scene) calls() *scene {
	m := callMessage(h323.FacilityBody{}).raw
	for range 20 {
		for _, flow := range []int{controlFlow, mainFlow} {
			s.carry(flow, true, "facility", ShapeLocal, m, m).carry(flow, false, "facility", ShapeLocal, m, m)
		}
	}
	return s
}

func (s *scene) judged() *Report {
	var j Judge
	j.Add(s.Case)
	return j.Report()
}

func withID(r *Report, id string) []Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f Finding) bool { return f.ID != id })
}

// A gateway that rewrites a message whole and leaves it alone in parts reads segments.
func TestSplitUntouched(t *testing.T) {
	whole := callMessage(setupBody(28))
	same, changed := whole.raw, whole.translated()
	const header, middle = StepSetupSplitHeader, StepSetupSplitMiddle
	type sent struct {
		step, shape string
		got         []byte
	}
	for _, c := range []struct {
		name  string
		tries []sent
		want  int // messages that were left alone
	}{
		{"middle", []sent{{StepSetup, ShapeLocal, changed}, {header, ShapeLocal, changed}, {middle, ShapeLocal, same}}, 1},
		{"header and middle", []sent{{StepSetup, ShapeLocal, changed}, {header, ShapeLocal, same}, {middle, ShapeLocal, same}}, 2},
		{"split before whole", []sent{{middle, ShapeLocal, same}, {middle, ShapeLocal, same}, {StepSetup, ShapeLocal, changed}}, 2},
		{"rewritten as well", []sent{{StepSetup, ShapeLocal, changed}, {header, ShapeLocal, changed}, {middle, ShapeLocal, changed}}, 0},
		{"once rewritten", []sent{{StepSetup, ShapeLocal, changed}, {middle, ShapeLocal, same}, {middle, ShapeLocal, changed}}, 0},
		{"whole untouched", []sent{{StepSetup, ShapeLocal, same}, {middle, ShapeLocal, same}}, 0},
		{"only parts rewritten", []sent{{StepSetup, ShapeLocal, same}, {middle, ShapeLocal, changed}}, 0},
		{"whole lost", []sent{{StepSetup, ShapeLocal, nil}, {middle, ShapeLocal, same}}, 0},
		{"parts lost", []sent{{StepSetup, ShapeLocal, changed}, {middle, ShapeLocal, nil}}, 0},
		{"parts lost once", []sent{{StepSetup, ShapeLocal, changed}, {middle, ShapeLocal, nil}, {middle, ShapeLocal, same}}, 1},
		{"whole with other addresses", []sent{{StepSetup, ShapeNone, changed}, {StepSetup, ShapeLocal, same}, {middle, ShapeLocal, same}}, 0},
		{"another Setup", []sent{{"setup-27", ShapeLocal, changed}, {middle, ShapeLocal, same}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newH323Scene().calls()
			for _, m := range c.tries {
				s.carry(mainFlow, true, m.step, m.shape, same, m.got)
				s.carry(controlFlow, true, m.step, m.shape, same, same)
			}
			r := s.judged()
			checkReport(t, r, s.Case)
			found := withID(r, h323SplitUntouched.ID)
			if c.want == 0 {
				if len(found) != 0 {
					t.Errorf("%+v", found)
				}
				return
			}
			if len(found) != 1 || found[0].Count != c.want || found[0].Message != "setup" || found[0].Severity != Info ||
				found[0].Direction != Outbound || found[0].Path() != h323Path || found[0].Shape != ShapeLocal {
				t.Fatalf("%+v", found)
			}
			if r.Paths[0].Outbound != Altered || r.Verdict != OverallInterference {
				t.Errorf("%s, %s", r.Paths[0].Outbound, r.Verdict)
			}
		})
	}
}

// Calls whose connections for H.245 never come about have no audio.
func TestH245Unreachable(t *testing.T) {
	trial := func(control bool, outcome Outcome) Trial {
		p := h323Path
		if control {
			p.Port, p.Control = 11720, true
		}
		return Trial{
			Kind: TrialH245, Path: p, Src: own(40108), Dst: netip.AddrPortFrom(server.Addr(), 30000), At: testTime, Outcome: outcome,
			Detail: "it is refused",
		}
	}
	failed := func(n int) []Trial { return slices.Repeat([]Trial{trial(false, OutcomeFailed)}, n) }
	other := func(n int) []Trial { return slices.Repeat([]Trial{trial(true, OutcomeFailed)}, n) }
	ok := trial(false, OutcomeOK)
	control := netip.AddrPortFrom(server.Addr(), 30001)
	for _, c := range []struct {
		name    string
		trials  []Trial
		reached bool // a connection for H.245 is in the evidence
		want    Verdict
		control Verdict
		count   int
	}{
		{"enough failed", failed(minConnects), false, Blocked, Clean, minConnects},
		{"more failed", failed(minConnects + 1), false, Blocked, Clean, minConnects + 1},
		{"too few", failed(minConnects - 1), false, Clean, Clean, 0},
		{"one came about", append(failed(minConnects), ok), false, Clean, Clean, 0},
		{"one was used", failed(minConnects), true, Clean, Clean, 0},
		{"control port alone", other(minConnects), false, Clean, Blocked, 0},
		{"both", append(other(minConnects), failed(minConnects)...), false, Blocked, Blocked, minConnects},
		{"spread over both", append(other(1), failed(minConnects-1)...), false, Clean, Clean, 0},
		{"nothing tried", nil, false, Clean, Clean, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newH323Scene().calls()
			s.Trials = c.trials
			if c.reached {
				ends := [2]netip.AddrPort{own(40108), control}
				s.Flows = append(s.Flows, Flow{ID: h245Flow, Parent: mainFlow, Path: h323Path, Inside: ends, Outside: ends})
				m := controlMessage(h323.EndSession{}).raw
				s.carry(h245Flow, true, "setup-h245-endSessionCommand", ShapeLocal, m, m)
			}
			r := s.judged()
			for _, p := range r.Paths {
				want := c.want
				if p.Control {
					want = c.control
				}
				if p.Outbound != want || p.Inbound != Clean {
					t.Errorf("%s: %s outbound, %s inbound (%s), want %s", p.Path, p.Outbound, p.Inbound, p.Reason, want)
				}
				if want == Blocked && !strings.Contains(p.Reason, "no connection for H.245 in "+fmt.Sprint(max(minConnects, c.count))) {
					t.Errorf("%s: reason %q", p.Path, p.Reason)
				}
			}
			found := withID(r, h245Unreachable.ID)
			if len(found) != len(r.Findings) {
				t.Errorf("%+v", r.Findings)
			}
			if c.count == 0 {
				if len(found) != 0 {
					t.Errorf("%+v", found)
				}
				return
			}
			if len(found) != 1 || found[0].Count != c.count || found[0].Direction != Outbound || found[0].Severity != Critical ||
				!strings.HasSuffix(found[0].Summary, "203.0.113.10:30000: it is refused") || found[0].Path() != h323Path {
				t.Errorf("%+v", found)
			}
			if r.Verdict != OverallInterference {
				t.Errorf("%s", r.Verdict)
			}
		})
	}
}

// Signalling rewritten and media not is worse than both; which octets say so depends on the message.
func TestPartlyRewritten(t *testing.T) {
	source := "setup.sourceCallSignalAddress"
	tunnelled := setupBody(7)
	tunnelled.FastStart = nil
	olc := h323.Channel{Number: 11, Media: own(40004), MediaControl: own(40005)}
	rtcp := setupBody(27)
	rtcp.FastStart = rtcp.FastStart[:1]
	foreign := setupBody(28)
	foreign.FastStart = []h323.Channel{{Number: 1, MediaControl: netip.MustParseAddrPort("192.0.2.1:40001")}}
	for _, c := range []struct {
		name  string
		sent  wireMessage
		shape string
		paths []string // that are rewritten; nil for all
		want  string   // field of the finding
	}{
		{"all rewritten", callMessage(setupBody(28)), ShapeLocal, nil, ""},
		{"27 bits", callMessage(setupBody(27)), ShapeLocal, []string{source}, "setup.fastStart[1].mediaChannel.ip"},
		{"one of two channels", callMessage(setupBody(28)), ShapeLocal, []string{source, "setup.fastStart[1]"}, "setup.fastStart[0].mediaControlChannel.ip"},
		{"RTCP alone is announced", callMessage(rtcp), ShapeLocal, []string{source}, "setup.fastStart[0].mediaControlChannel.ip"},
		{"tunnelled", callMessage(tunnelled, olc), ShapeLocal, []string{source}, "setup.h245Control[0].olc.mediaChannel.ip"},
		{"no media in the message", callMessage(tunnelled), ShapeLocal, []string{source}, ""},
		{"media of somebody else", callMessage(foreign), ShapeLocal, []string{source}, ""},
		{"the source untouched", callMessage(setupBody(28)), ShapeLocal, []string{"setup.fastStart[0]"}, ""},
		{"an address that is nobody's", callMessage(setupBody(28)), ShapeNone, []string{source}, ""},
		{"no shape, as in a capture", callMessage(setupBody(28)), "", []string{source}, "setup.fastStart[1].mediaChannel.ip"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newH323Scene().calls().carry(mainFlow, true, "setup", c.shape, c.sent.raw, c.sent.translated(c.paths...))
			r := s.judged()
			checkReport(t, r, s.Case)
			if r.Paths[0].Outbound != Altered {
				t.Errorf("%s", r.Paths[0].Outbound)
			}
			var fields []string
			for _, f := range withID(r, h323PartlyRewritten.ID) {
				if f.Kind != ChangeMissed || !bytes.Equal(f.Sent, f.Got) {
					t.Errorf("%+v", f)
				}
				fields = append(fields, f.Field)
			}
			if got := strings.Join(fields, " "); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// Who reads of H.323 is told of H.323.
func TestAdviceH323(t *testing.T) {
	for _, r := range slices.Concat(h323Rules(), []Rule{messageDropped, nonconformingDropped, portBlocked}) {
		for _, proto := range []string{ProtoH323, ProtoRAS} {
			if advice := r.advice(proto); strings.Contains(advice, "SIP") || r.Advice == turnOff && !strings.Contains(advice, "H.323") {
				t.Errorf("%s on %s: %q", r.ID, proto, advice)
			}
		}
	}
	for _, r := range sipRules() {
		if r.advice(ProtoSIP) != r.Advice {
			t.Errorf("%s: %q", r.ID, r.advice(ProtoSIP))
		}
	}
	// A drop is the same rule on all protocols.
	setup := callMessage(setupBody(28)).raw
	s := newH323Scene().calls()
	for i := range enough {
		// Each on a connection of its own: behind a message that is missing the others of its connection wait.
		id := 100 + i
		s.Flows = append(s.Flows, Flow{ID: id, Path: h323Path, Inside: [2]netip.AddrPort{own(uint16(41000 + i)), server}})
		s.carry(id, true, StepSetup, ShapeLocal, setup, nil)
	}
	s.carry(controlFlow, true, StepSetup, ShapeLocal, setup, setup).calls()
	r := s.judged()
	checkReport(t, r, s.Case)
	if f := withID(r, messageDropped.ID); len(f) != 1 || f[0].Message != "setup" || f[0].Advice != turnOffH323 || len(f[0].Sent) != 0 {
		t.Errorf("%+v", r.Findings)
	}
}

func TestNameOfH323(t *testing.T) {
	for _, c := range []struct {
		proto string
		raw   []byte
		want  string
	}{
		{ProtoH323, callMessage(setupBody(28)).raw, "setup"},
		{ProtoH323, callMessage(h323.AnswerBody{Message: h323.CallProceeding}).raw, "callProceeding"},
		{ProtoH323, callMessage(h323.ReleaseBody{}).raw, "releaseComplete"},
		{ProtoH245, controlMessage(h323.Channel{}).raw, "olc"},
		{ProtoH245, controlMessage(h323.CapabilitySetAck{}).raw, "terminalCapabilitySetAck"},
		{ProtoRAS, rasMessage(h323.GatekeeperRequest{RASAddress: own(1719)}).raw, "grq"},
		{ProtoH323, []byte("blocked"), "octets"},
		{ProtoH323, nil, "octets"},
		{ProtoRAS, nil, "octets"},
		{ProtoSIP, []byte(fmt.Sprintf(options, 1)), "OPTIONS"},
	} {
		if got := nameOf(c.proto, c.raw); got != c.want {
			t.Errorf("%s %q: %q, want %q", c.proto, c.raw, got, c.want)
		}
		x := new(Judge).exchange(&Pair{Outbound: true, Inside: &Sighting{Raw: c.raw}, Outside: &Sighting{Raw: []byte{1}}}, &Flow{Path: pairFlow(c.proto).Path, Parent: pairFlow(c.proto).Parent})
		if got := x.name(); got != c.want {
			t.Errorf("%s %q: %q in an exchange, want %q", c.proto, c.raw, got, c.want)
		}
	}
}

// The cause is told for H.323 as for SIP.
func TestCausesH323(t *testing.T) {
	setup := callMessage(setupBody(28))
	olc := controlMessage(h323.Channel{Number: 11, Media: own(40004), MediaControl: own(40005)})
	for _, c := range []struct {
		name    string
		control []byte
		want    string
	}{
		{"by the port", setup.raw, "the same messages on port 11720 pass untouched, so it is the port that sets the box off"},
		{"by the content", setup.translated(), "so are they on port 11720, so the box knows the protocol by its content"},
	} {
		s := newH323Scene().calls().carry(mainFlow, true, StepSetup, ShapeLocal, setup.raw, setup.translated())
		s.carry(controlFlow, true, StepSetup, ShapeLocal, setup.raw, c.control)
		r := s.judged()
		if len(r.Triggers) != 1 || !strings.Contains(r.Triggers[0], "over TCP on port 1720 (IPv4): messages are altered, outbound; "+c.want) {
			t.Errorf("%s: %q", c.name, r.Triggers)
		}
	}
	// What happens on the connection for H.245 belongs to the path of the call.
	s := newH323Scene().calls()
	ends := [2]netip.AddrPort{own(40108), netip.MustParseAddrPort("203.0.113.10:30000")}
	s.Flows = append(s.Flows, Flow{ID: h245Flow, Parent: mainFlow, Path: h323Path, Inside: ends, Outside: ends})
	r := s.carry(h245Flow, true, "setup-h245-olc", ShapeLocal, olc.raw, olc.translated()).judged()
	if len(r.Paths) != 2 || r.Paths[0].Outbound != Altered || len(r.Triggers) != 1 || len(r.Findings) != 2 ||
		r.Findings[0].Path() != h323Path || r.Findings[0].Message != "olc" || r.Findings[0].ID != h323MediaAddressRewritten.ID {
		t.Errorf("%+v\n%q\n%+v", r.Paths, r.Triggers, r.Findings)
	}
}
