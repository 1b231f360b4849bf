package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"

	"nofixup/alg"
	"nofixup/h323"
	"nofixup/reflector/wire"
)

// Steps of H.323. Each is a connection of its own, with a call on it but for the first.
const (
	stepFacility    = "facility" // a message without addresses: it makes contact, and shows that good messages pass
	stepSetup       = alg.StepSetup
	stepSetup27     = "setup-27"   // 27 extension bits, as version 5 and 6 have them: Linux misreads them
	stepSetup12     = "setup-12"   // 12 extension bits, as version 3 has them
	stepSetup7      = "setup-7"    // 7 extension bits, as version 2 has them; no fastStart, H.245 tunnelled
	stepSetupH245   = "setup-h245" // no fastStart, H.245 on a connection of its own
	stepSplitHeader = alg.StepSetupSplitHeader
	stepSplitMiddle = alg.StepSetupSplitMiddle
	stepSetupPair   = "setup-pair" // two messages in one segment
)

// callMessages are the messages of the scripts over H.323, by the names that they bear in the evidence: that of the step and
// that of the message's type. What gets in or out beside them is judged as well; these must be there.
var callMessages = func() map[string][]string {
	names := map[string][]string{}
	add := func(step string, more ...string) {
		names[step] = []string{step}
		for _, name := range more {
			names[step] = append(names[step], step+"-"+name)
		}
	}
	answers := []string{"callProceeding", "alerting", "connect", "releaseComplete"}
	for _, step := range []string{stepSetup, stepSetup27, stepSetup12, stepSplitHeader, stepSplitMiddle, stepSetupPair, stepPinhole, stepLive, stepLive27} {
		add(step, answers...)
	}
	add(stepSetup7, append(answers, "facility")...)
	add(stepSetupH245, append(answers, "nonStandard", "terminalCapabilitySet", "masterSlaveDetermination", "olc", "olcAck",
		"terminalCapabilitySetAck", "masterSlaveDeterminationAck", "endSessionCommand")...)
	add(stepCalled, "setup", "callProceeding", "alerting", "connect", "facility-2", "releaseComplete")
	names[stepCalled][0] = stepCalled + "-facility"
	return names
}()

// part names a message of the reflector by the script on the link, its type and, from the second of the same name on, a
// number. before are the messages ahead of it.
func (l *link) part(raw []byte, n int, before []*asked) Step {
	s := l.step
	s.Script = false
	s.Name = partName(s.Name, kindOf(l.Proto(), raw), func(name string) bool {
		return slices.ContainsFunc(before[:n], func(a *asked) bool { return a.step.Name == name })
	})
	return s
}

// inserted names what nobody sent and arrived all the same.
func (l *link) inserted() Step {
	s := l.step
	s.Script = false
	s.Name += "-inserted"
	return s
}

func partName(step, kind string, taken func(string) bool) string {
	name := step + "-" + kind
	for n := 2; taken(name); n++ {
		name = step + "-" + kind + "-" + strconv.Itoa(n)
	}
	return name
}

// kindOf names the type of a message of H.323.
func kindOf(proto string, raw []byte) string {
	var p h323.PDU
	if proto == alg.ProtoH245 {
		p.ParseH245(raw)
	} else {
		p.ParseCall(raw)
	}
	if p.Message == h323.MessageNone {
		return "octets"
	}
	return p.Message.String()
}

// call is one side of a call over H.323, as far as one connection shows it.
type call struct {
	*runner
	link   *link
	step   Step
	try    int
	own    netip.AddrPort // what the messages call their sender
	media  uint16         // first of callPorts ports, an even one
	ref    uint16
	callee bool
	id     [16]byte
	conf   [16]byte
	names  map[string]bool // taken
	end    *mediaEnd       // of a call with media, else nil
}

// callPorts is how many ports one call announces: RTP and RTCP of four channels, and one for H.245.
const callPorts = 10

// newCall makes a call. The session's token is its conferenceID; the callIdentifier must differ from call to call.
func (r *runner) newCall(l *link, s Step, try int, own netip.AddrPort) *call {
	c := &call{runner: r, link: l, step: s, try: try, own: own, names: map[string]bool{}}
	c.media = r.ports.take(callPorts)
	number := r.nextNumber()
	c.ref = uint16(number)&0x3FFF | 1
	token := r.session.Grant.Token
	c.id, c.conf = token, token
	binary.BigEndian.PutUint32(c.id[12:], number^0x5A5A5A5A)
	return c
}

// at is the own address with one of the call's ports.
func (c *call) at(port int) netip.AddrPort {
	return netip.AddrPortFrom(c.own.Addr(), c.media+uint16(port))
}

// h245 is where the call says that it listens for H.245.
func (c *call) h245() netip.AddrPort { return c.at(callPorts - 2) }

// compose makes a message with a number of its own. It does not fail: what goes in is of our making.
func (c *call) compose(body h323.CallBody, control ...h323.Control) (number uint32, raw []byte) {
	number = c.nextNumber()
	m := h323.CallMessage{
		Reference: c.ref, FromCallee: c.callee, ID: c.id, Body: body, Control: control, Tunnelling: len(control) > 0,
		Display: wire.Tag{Token: c.session.Grant.Token, Number: number}.String(),
	}
	if _, setup := body.(h323.SetupBody); setup && (c.end != nil || c.step.Name == stepPinhole) {
		m.Display += wire.Live
	}
	m.Display += " " + alg.Signature("", c.step.Name, c.link.Path.Control)
	raw, _, err := m.Append(nil)
	if err != nil {
		panic("probe: " + err.Error())
	}
	return number, raw
}

// name is what the next message is called; the first bears the name of the step.
func (c *call) name(kind string) string {
	name := partName(c.step.Name, kind, func(name string) bool { return c.names[name] })
	c.names[name] = true
	return name
}

func (c *call) entry(name string, number uint32, raw []byte) *sent {
	step := c.step
	step.Name, step.Script = name, false
	return &sent{number: number, link: c.link, step: step, try: c.try, raw: raw}
}

// send sends a message.
func (c *call) send(name string, body h323.CallBody, control ...h323.Control) *sent {
	number, raw := c.compose(body, control...)
	m := c.entry(name, number, raw)
	c.transmit(m)
	return m
}

// answer sends a message that is named by its type.
func (c *call) answer(body h323.CallBody, control ...h323.Control) *sent {
	number, raw := c.compose(body, control...)
	m := c.entry(c.name(kindOf(alg.ProtoH323, raw)), number, raw)
	c.transmit(m)
	return m
}

// channels are what fastStart offers: audio and video, each from here and to here.
func (c *call) channels() []h323.Channel {
	return []h323.Channel{
		{Number: 1, Codec: h323.CodecG711Ulaw, MediaControl: c.at(1)},
		{Number: 2, Codec: h323.CodecG711Ulaw, Reverse: true, Media: c.at(0), MediaControl: c.at(1)},
		{Number: 3, Codec: h323.CodecH261, MediaControl: c.at(3)},
		{Number: 4, Codec: h323.CodecH261, Reverse: true, Media: c.at(2), MediaControl: c.at(3)},
	}
}

// olc opens a channel for audio, with all the addresses that an openLogicalChannel can name.
func (c *call) olc() h323.Channel {
	return h323.Channel{Number: 11, Codec: h323.CodecG711Ulaw, Media: c.at(4), MediaControl: c.at(5)}
}

func (c *call) olcAck() h323.ChannelAck {
	return h323.ChannelAck{Number: 1, Media: c.at(6), MediaControl: c.at(7)}
}

// setup is the Setup of a step.
func (c *call) setup() (body h323.SetupBody, control []h323.Control) {
	tag := wire.Tag{Token: c.session.Grant.Token}.String()
	body = h323.SetupBody{
		ExtensionBits: 28, ConferenceID: c.conf,
		Source:                  []h323.Alias{{Kind: h323.AliasH323ID, Value: "nofixup"}},
		Destination:             []h323.Alias{{Kind: h323.AliasH323ID, Value: tag[:8]}},
		SourceCallSignalAddress: c.own, DestCallSignalAddress: c.link.Inside[1], H245Address: c.h245(),
		FastStart:           c.channels(),
		ParallelH245Control: []h323.Control{h323.CapabilitySet{}, h323.Determination{Number: uint32(c.ref)}},
	}
	switch c.step.Name {
	case stepSetup27, stepLive27:
		body.ExtensionBits = 27
	case stepSetup12:
		body.ExtensionBits, body.ParallelH245Control = 12, nil
	case stepSetup7:
		body.ExtensionBits, body.ParallelH245Control, body.FastStart = 7, nil, nil
		control = []h323.Control{h323.CapabilitySet{}, c.olc()}
	case stepSetupH245:
		body.ExtensionBits, body.ParallelH245Control, body.FastStart = 7, nil, nil
	case stepPinhole:
		body.H245Address = netip.AddrPort{} // its port is the neighbour that nobody announces
	}
	return body, control
}

// h323Script works through a call.
func (r *runner) h323Script(ctx context.Context, l *link, s Step, try int) {
	own, ok := r.own(l, s.Shape)
	if s.Shape == alg.ShapeNone {
		// An address that is nobody's here: some gateways overwrite whatever stands there.
		own, ok = netip.AddrPortFrom(alg.OtherAddress(l.Path.Family == 6), l.local().Port()), true
	}
	if !ok || ctx.Err() != nil || r.spent() {
		return
	}
	switch s.Name {
	case stepPinhole:
		r.pinhole(ctx, l, s, try)
	case stepCalled:
		r.newCall(l, s, try, own).beCalled(ctx)
	default:
		r.newCall(l, s, try, own).place(ctx)
	}
}

// place makes a call from here.
func (c *call) place(ctx context.Context) {
	if isLive(c.step.Name) {
		end, err := c.openMedia(ctx, c.link.local().Addr())
		if err != nil {
			c.note("no ports for media: " + err.Error())
			return
		}
		defer end.close()
		c.end, c.media = end, end.base
	}
	body, control := c.setup()
	number, raw := c.compose(body, control...)
	setup := c.entry(c.step.Name, number, raw)
	switch c.step.Name {
	case stepSplitHeader:
		setup.cuts = []int{tpktHeader}
		c.transmit(setup)
	case stepSplitMiddle:
		setup.cuts = []int{len(raw) / 2}
		c.transmit(setup)
	case stepSetupPair:
		number, raw := c.compose(h323.FacilityBody{})
		c.transmit(setup, c.entry(c.name(h323.Facility.String()), number, raw))
	default:
		c.transmit(setup)
	}
	connect := c.expect(ctx, h323.Connect)
	if connect == nil {
		return
	}
	switch c.step.Name {
	case stepSetup7:
		// What the Setup tunnelled is answered in the first Facility, what this one does in the second.
		c.answer(h323.FacilityBody{}, c.olc())
		if c.expectNth(ctx, h323.Facility, 2) != nil {
			c.answer(h323.FacilityBody{}, c.olcAck())
		}
	case stepSetupH245:
		c.control(ctx, setup, connect)
	case stepLive, stepLive27:
		c.live(ctx, setup)
	}
	c.release(ctx)
}

// audioLine and videoLine are which of the channels of a Setup this end receives on.
const audioLine, videoLine = 1, 3

// announce makes a call that announces media from a port on, and waits until it is picked up: some gateways open nothing before.
// It returns nil if that does not come about.
func (c *call) announce(ctx context.Context, port uint16) *announcedCall {
	c.media = port
	body, control := c.setup()
	setup := c.send(c.step.Name, body, control...)
	if c.expect(ctx, h323.Connect) == nil || !c.ledger.wait(ctx, c.patience("tcp"), func() bool { return setup.there != nil }) {
		return nil
	}
	a := &announcedCall{offer: setup, line: audioLine, hangUp: c.release}
	if alerting := c.expect(ctx, h323.Alerting); len(channelsIn(alerting)) > 0 {
		a.port = c.announcedPort(alerting)
	}
	return a
}

// live sends media both ways in a call, to where fastStart has settled it.
func (c *call) live(ctx context.Context, setup *sent) {
	alerting := c.expect(ctx, h323.Alerting)
	if alerting == nil || !c.ledger.wait(ctx, c.patience("tcp"), func() bool { return setup.there != nil }) {
		return
	}
	announced := channelsIn(alerting)
	if len(announced) == 0 {
		c.note("the answer to a call over H.323 announced no media")
		return
	}
	l := &liveCall{
		runner: c.runner, link: c.link, step: c.step, end: c.end, id: hex.EncodeToString(c.id[:]), proto: alg.ProtoH323,
		offer: setup, lines: [2]int{audioLine, videoLine}, audio: announced[0],
	}
	if len(announced) > 1 {
		l.video = announced[1]
	}
	l.port = c.announcedPort(alerting)
	l.talk(ctx)
}

// unoffered notes that the reflector takes no H.245 on connections of its own, if that is why the Connect that came has no address for
// it: nobody took that out, nor out of the Setup what asks for it.
func (c *call) unoffered(ctx context.Context, setup *sent, arrived []byte) {
	var connect []byte
	known := c.ledger.wait(ctx, c.patience("tcp"), func() bool {
		connect = c.asSent(arrived)
		return connect != nil && setup.there != nil
	})
	if !known || !bytes.Equal(setup.there.raw, setup.raw) {
		return
	}
	if _, ok := addressIn(connect, h323.FieldH245Address); ok {
		return
	}
	c.note("the reflector takes no H.245 on connections of its own: it was not tested")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noH245 = true
}

// asSent is a message of the reflector as it sent it, before anybody on the way may have changed it; nil as long as that is not known.
// The ledger is locked.
func (c *call) asSent(arrived []byte) []byte {
	for _, a := range c.link.inbound {
		if a.in != nil && a.out != nil && bytes.Equal(a.in.raw, arrived) {
			return a.out.raw
		}
	}
	return nil
}

// announcedPort is the port for audio that the reflector announced, before anybody on the way may have changed it.
func (c *call) announcedPort(arrived []byte) uint16 {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	if list := channelsIn(c.asSent(arrived)); len(list) > 0 {
		return list[0].Port()
	}
	return channelsIn(arrived)[0].Port()
}

// channelsIn are the addresses in fastStart at which the sender of a message takes media.
func channelsIn(raw []byte) (list []netip.AddrPort) {
	var p h323.PDU
	p.ParseCall(raw)
	var addr netip.Addr
	for _, s := range p.Spans {
		if s.Field != h323.FieldFastStart || s.InnerField != h323.FieldMediaChannel {
			continue
		}
		value := s.Bytes(raw)
		switch {
		case s.Part == h323.PartIP:
			addr, _ = netip.AddrFromSlice(value)
		case s.Part == h323.PartPort && len(value) == 2 && addr.IsValid():
			list = append(list, netip.AddrPortFrom(addr, binary.BigEndian.Uint16(value)))
		}
	}
	return list
}

// tpktHeader is the length of a TPKT header in octets (RFC 1006 6).
const tpktHeader = 4

// release ends the call, and waits for the last messages of both directions.
func (c *call) release(ctx context.Context) {
	c.finish(ctx, c.answer(h323.ReleaseBody{Reason: h323.ReleaseUndefinedReason}))
}

// finish waits until the last message has got there, and what the reflector sent before it has come here: receipts are in
// order, so that by then all of that is known. The connection is reset after it, which would take along what is under way.
func (c *call) finish(ctx context.Context, last *sent) {
	c.ledger.wait(ctx, c.patience("tcp"), func() bool {
		return last.there != nil && !slices.ContainsFunc(c.link.inbound, func(a *asked) bool { return a.in == nil })
	})
}

// beCalled has the reflector call over a connection from here: it opens none of its own. What a callee says of its
// addresses goes out on it.
func (c *call) beCalled(ctx context.Context) {
	c.callee = true
	hello := c.answer(h323.FacilityBody{H245Address: c.h245()})
	if !c.ledger.wait(ctx, c.patience("tcp"), func() bool { return hello.there != nil }) {
		return
	}
	if _, err := c.session.Act(ctx, wire.Action{
		Action: wire.ActionSetup, To: hello.there.seq, Number: c.nextNumber(),
	}); err != nil {
		if ctx.Err() == nil {
			c.note("the reflector did not call over H.323: " + err.Error())
		}
		return
	}
	if c.expect(ctx, h323.Setup) == nil {
		return
	}
	accepted := []h323.Channel{
		{Number: 1, Codec: h323.CodecG711Ulaw, Media: c.at(0), MediaControl: c.at(1)},
		{Number: 2, Codec: h323.CodecG711Ulaw, Reverse: true, MediaControl: c.at(1)},
	}
	c.answer(h323.AnswerBody{Message: h323.CallProceeding})
	c.answer(h323.AnswerBody{Message: h323.Alerting, FastStart: accepted})
	c.answer(h323.AnswerBody{Message: h323.Connect, H245Address: c.h245(), ConferenceID: c.conf})
	c.answer(h323.FacilityBody{}, c.olc())
	c.expect(ctx, h323.Facility)
	c.release(ctx)
}

// control goes to where the far end says that it listens for H.245, and negotiates a channel each way.
func (c *call) control(ctx context.Context, setup *sent, connect []byte) {
	to, ok := addressIn(connect, h323.FieldH245Address)
	if !ok {
		c.unoffered(ctx, setup, connect)
		return
	}
	from := netip.AddrPortFrom(c.link.local().Addr(), 0).String()
	var l *link
	var err error
	for range alg.Connects(0, 1) {
		if l, err = c.connect(ctx, c.link.flow, from, to, c.link); err == nil || ctx.Err() != nil {
			break
		}
		c.failed(alg.Trial{Kind: alg.TrialH245, Path: c.link.Path, Src: c.link.local(), Dst: to, Detail: connectReason(err)})
	}
	if err != nil {
		return
	}
	defer l.abort()
	d := *c
	d.link = l
	tag := wire.Tag{Token: c.session.Grant.Token, Number: c.nextNumber()}
	d.say(tag.Number, h323.NonStandardControl{Indication: true, Data: []byte(tag.String())})
	d.say(0, h323.CapabilitySet{})
	d.say(0, h323.Determination{Number: uint32(c.ref)})
	d.say(0, c.olc())
	if d.expect(ctx, h323.OLC) != nil {
		d.say(0, c.olcAck())
	}
	d.expect(ctx, h323.OLCAck)
	d.say(0, h323.CapabilitySetAck{})
	d.say(0, h323.DeterminationAck{})
	last := d.say(0, h323.EndSession{})
	d.expect(ctx, h323.EndSessionCommand)
	d.finish(ctx, last)
}

// say sends a message of H.245. They have no room for a number: one of 0 is only for our own books.
func (c *call) say(number uint32, m h323.Control) *sent {
	if number == 0 {
		number = c.nextNumber()
	}
	raw, _, err := h323.AppendControlTPKT(nil, m)
	if err != nil {
		panic("probe: " + err.Error())
	}
	entry := c.entry(c.name(kindOf(alg.ProtoH245, raw)), number, raw)
	c.transmit(entry)
	return entry
}

// expect waits for a message of a type and returns it as it arrived, nil if it does not come.
func (c *call) expect(ctx context.Context, kind h323.Message) []byte {
	return c.expectNth(ctx, kind, 1)
}

// expectNth waits for the n-th message of a type.
func (c *call) expectNth(ctx context.Context, kind h323.Message, n int) []byte {
	var raw []byte
	c.ledger.wait(ctx, c.patience("tcp"), func() bool {
		seen := 0
		for _, a := range c.link.inbound {
			if a.in == nil || kindOf(c.link.Proto(), a.in.raw) != kind.String() {
				continue
			}
			if seen++; seen == n {
				raw = a.in.raw
				return true
			}
		}
		return false
	})
	return raw
}

// addressIn is the transport address in a field of a message of H.225.0.
func addressIn(raw []byte, f h323.Field) (netip.AddrPort, bool) {
	var p h323.PDU
	p.ParseCall(raw)
	ip, ok := netip.AddrFromSlice(p.Leaf(f, 0, h323.PartIP))
	port := p.Leaf(f, 0, h323.PartPort)
	if !ok || len(port) != 2 {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(port)), true
}
