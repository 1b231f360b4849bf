package alg

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Steps that tell what sets a box off: variants of an INVITE that hold the client's own address in one place each, in the
// others a host name, and variants that hold somebody else's addresses everywhere.
const (
	StepCauseVia     = "cause-via"
	StepCauseFrom    = "cause-from"
	StepCauseContact = "cause-contact"
	StepCauseSDP     = "cause-sdp"
	StepCauseOther   = "cause-other"        // in headers that no standard gives a meaning
	StepCausePort    = "cause-contact-port" // in Contact, with a port that is not the client's
	StepCauseNames   = "cause-names"        // no address at all
	StepCausePrivate = "cause-private"      // those of CausePrivate
	StepCausePublic  = "cause-public"       // CausePublic
	StepCauseNoSIP   = "cause-no-sip"       // the client's own address in a datagram that is no SIP
)

// StepAck is the acknowledgement of the answer to an INVITE, whichever that was.
const StepAck = "ack"

// CausePrivate are private addresses of nobody's here, one of each range of RFC 1918; over IPv6 unique local ones (RFC 4193).
func CausePrivate(v6 bool) [3]netip.Addr {
	if v6 {
		return [3]netip.Addr{netip.MustParseAddr("fd00:a::9"), netip.MustParseAddr("fd00:b::9"), netip.MustParseAddr("fd00:c::9")}
	}
	return [3]netip.Addr{netip.MustParseAddr("10.9.9.9"), netip.MustParseAddr("172.29.9.9"), netip.MustParseAddr("192.168.99.9")}
}

// CausePublic is a public address of nobody's, for documentation (RFC 5737, RFC 3849).
func CausePublic(v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr("2001:db8:99::9")
	}
	return netip.MustParseAddr("192.0.2.99")
}

// TraitWithout begins the trait of a variant of a message that was dropped: which line of it was left out.
const TraitWithout = "without the line "

// isVariant reports that the step was sent to tell what sets a box off.
func (s *step) isVariant() bool { return s.tries[0].Role == RoleCause }

// needed lists the lines without which a step that is dropped gets through.
func (j *caseJudge) needed(s *step) (lines []string) {
	for i := range j.c.Pairs {
		p := &j.c.Pairs[i]
		line, ok := strings.CutPrefix(p.Trait, TraitWithout)
		// They are sent from one source port.
		if flow := j.flows[p.Flow]; ok && flow != nil && flow.Path.Port == s.path.Port && p.Outbound == s.outbound && p.Delivered() &&
			strings.HasPrefix(p.Step, s.name+"-") {
			lines = appendNew(lines, line)
		}
	}
	return lines
}

// cause is what is known of what sets a box off on one port, by the difference between paths and what the variants showed.
type cause struct {
	group
	port        uint16
	altered     bool
	control     Verdict // the worst of the same messages on the control port, from the same source ports
	controlPort uint16
	sources     []string
	others      Verdict // of the worst other source port; empty if there is none
	directions  []string
	steps       []string // whose messages are altered
	narrowed    string   // by what the box goes, empty if that was not asked
	messages    bool     // that something is done to messages tells of it, and not traces alone
	traces      trace
}

// trace is what a box that reads messages leaves behind beside them.
type trace int

const (
	noTrace         trace = iota
	holesAlone            // calls open ports, and those to the control port open none
	holesAnywhere         // so do those to the control port
	holesSomewhere        // what those do is not known
	bindingsShorter       // bindings do not live as long as those of the control port
	bindingsLonger        // or live longer
)

// causes finds them in the results of one case. traces tell of the paths that are inspected though nothing is done to messages there.
func causes(results []PathResult, steps []*step, traces map[Path]trace) (found []cause) {
	for _, r := range results {
		if r.Control {
			continue
		}
		i := slices.IndexFunc(results, func(k PathResult) bool { return k.Control && k.SourcePort == r.SourcePort })
		if i < 0 {
			continue
		}
		for _, d := range []struct {
			dir           Direction
			port, control Verdict
		}{{Outbound, r.Outbound, results[i].Outbound}, {Inbound, r.Inbound, results[i].Inbound}} {
			if d.port != Altered && d.port != Dropped && d.port != Inspected {
				continue
			}
			k := slices.IndexFunc(found, func(c cause) bool { return c.group == r.group() && c.port == r.Port })
			if k < 0 {
				k = len(found)
				found = append(found, cause{
					group: r.group(), port: r.Port, controlPort: results[i].Port, control: Clean,
					narrowed: narrowed(r.Port, steps), steps: stepNames(steps, func(s *step) bool { return s.changed && s.path.Port == r.Port && s.name != StepAck }),
				})
			}
			c := &found[k]
			c.altered = c.altered || d.port == Altered
			if t := traces[r.Path]; t != noTrace && d.dir == Outbound {
				c.traces = t
			} else {
				c.messages = true
			}
			c.control = c.control.Worse(d.control)
			c.sources = appendNew(c.sources, r.SourcePort.String())
			c.directions = appendNew(c.directions, string(d.dir))
		}
	}
	for i := range found {
		c := &found[i]
		for _, r := range results {
			if r.group() == c.group && r.Port == c.port && !r.Control && !slices.Contains(c.sources, r.SourcePort.String()) {
				c.others = c.others.Worse(r.Outbound).Worse(r.Inbound)
			}
		}
	}
	return found
}

// stepNames lists the names of the steps that match.
func stepNames(steps []*step, match func(*step) bool) (names []string) {
	for _, s := range steps {
		if match(s) {
			names = appendNew(names, s.name)
		}
	}
	return names
}

// addCauses adds what another case showed; what it showed of a port before, it knows better now.
func (j *Judge) addCauses(more []cause) {
	for _, c := range more {
		if i := slices.IndexFunc(j.causes, func(o cause) bool { return o.group == c.group && o.port == c.port }); i >= 0 {
			j.causes[i] = c
		} else {
			j.causes = append(j.causes, c)
		}
	}
}

// triggers says in one sentence for each kind of behaviour where it is met and what sets it off.
func (j *Judge) triggers() []string {
	var out []string
	done := make([]bool, len(j.causes))
	for i := range j.causes {
		c := &j.causes[i]
		why := c.why()
		if done[i] || why == "" {
			continue
		}
		// The same on other transports, families and ports is told together.
		where := []cause{*c}
		for k := i + 1; k < len(j.causes); k++ {
			if o := &j.causes[k]; !done[k] && o.proto == c.proto && o.why() == why {
				where, done[k] = append(where, *o), true
			}
		}
		out = append(out, fmt.Sprintf("%s %s: %s%s.", ProtoName(c.proto), places(where), why, j.untouched(where)))
	}
	return out
}

// why is the sentence without where it happens, empty without a control that tells the cause.
func (c *cause) why() string {
	if !c.messages {
		return c.whyTraces()
	}
	what := "are not all let through"
	if c.altered {
		what = "are altered"
	}
	sentence := "messages " + what + ", " + strings.Join(c.directions, " and ")
	if c.others != "" {
		sentence += ", from source port " + strings.Join(c.sources, " and ")
	}
	if c.others == Clean {
		sentence += " alone"
	}
	sentence += "; "
	switch {
	case c.control == Clean:
		sentence += fmt.Sprintf("the same messages on port %d pass untouched, so it is the port that sets the box off", c.controlPort)
	case c.control == Altered && c.altered:
		sentence += fmt.Sprintf("so are they on port %d, so the box knows the protocol by its content, not by the port", c.controlPort)
	default:
		return ""
	}
	return sentence + c.narrowed
}

// whyTraces is why where nothing is done to messages.
func (c *cause) whyTraces() string {
	port := fmt.Sprintf("port %d", c.controlPort)
	const byPort, byContent = "so it is the port that sets the box off", "so the box knows the protocol by its content, not by the port"
	switch c.traces {
	case holesAlone:
		return "calls open the ports that they announce, on " + port + " they do not, " + byPort
	case holesAnywhere:
		return "calls open the ports that they announce, on " + port + " as well, " + byContent
	case bindingsShorter:
		return "an idle binding does not live as long as on " + port + ", " + byPort
	case bindingsLonger:
		return "an idle binding lives longer than on " + port + ", " + byPort
	}
	return ""
}

// places says over which transports, on which ports and in which families: together where each holds with each other.
func places(where []cause) string {
	var transports, ports, families []string
	for _, c := range where {
		transports = appendNew(transports, strings.ToUpper(c.transport))
		ports = appendNew(ports, fmt.Sprint(c.port))
		families = appendNew(families, fmt.Sprintf("IPv%d", c.family))
	}
	slices.Sort(families)
	if len(transports)*len(ports)*len(families) != len(where) {
		var parts []string
		for _, c := range where {
			parts = append(parts, places([]cause{c}))
		}
		return strings.Join(parts, ", ")
	}
	on := "port"
	if len(ports) > 1 {
		on = "ports"
	}
	return fmt.Sprintf("over %s on %s %s (%s)", and(transports), on, and(ports), and(families))
}

// untouched names what differs in one point from where something happens, and where the same messages pass untouched: another
// transport, another port.
func (j *Judge) untouched(where []cause) string {
	hit := func(proto, transport string, family int, port uint16) bool {
		return slices.ContainsFunc(where, func(c cause) bool {
			return c.group == (Path{Proto: proto, Transport: transport, Family: family}).group() && c.port == port
		})
	}
	var transports, families, ports []string
	for _, c := range where {
		for _, p := range j.paths {
			if p.Control || p.Proto != c.proto || hit(p.Proto, p.Transport, p.Family, p.Port) || !j.clean(p.Path) ||
				!slices.ContainsFunc(c.steps, func(name string) bool { return j.passed[p.Path][name] }) {
				continue
			}
			switch {
			case p.Transport != c.transport && p.Port == c.port && p.Family == c.family:
				transports = appendNew(transports, "over "+strings.ToUpper(p.Transport))
			case p.Transport == c.transport && p.Port == c.port && p.Family != c.family:
				families = appendNew(families, fmt.Sprintf("over IPv%d", p.Family))
			case p.Transport == c.transport && p.Port != c.port && p.Family == c.family:
				ports = appendNew(ports, fmt.Sprintf("on port %d", p.Port))
			}
		}
	}
	places := slices.Concat(transports, families, ports)
	if len(places) == 0 {
		return ""
	}
	return "; " + and(places) + " nothing is done to them"
}

// clean reports that a port is clean from every source port, in both directions.
func (j *Judge) clean(p Path) bool {
	for _, r := range j.paths {
		if r.group() == p.group() && r.Port == p.Port && r.Control == p.Control && (r.Outbound != Clean || r.Inbound != Clean) {
			return false
		}
	}
	return true
}

func and(list []string) string {
	if n := len(list); n > 1 {
		return strings.Join(list[:n-1], ", ") + " and " + list[n-1]
	}
	return strings.Join(list, "")
}

// narrowed says by what the box on a port goes, as far as the variants of a message show.
func narrowed(port uint16, steps []*step) string {
	variants := map[string]*step{}
	v6 := false
	for _, s := range steps {
		if s.isVariant() && s.outbound && s.path.Port == port && s.delivered > 0 {
			v6 = s.path.Family == 6
			if was := variants[s.name]; was == nil || s.changed {
				variants[s.name] = s
			}
		}
	}
	if len(variants) == 0 {
		return ""
	}
	changed := func(name string) bool { return variants[name] != nil && variants[name].changed }
	passed := func(name string) bool { return variants[name] != nil && !variants[name].changed }

	var in []string
	for _, place := range []struct{ step, name string }{
		{StepCauseVia, "Via"}, {StepCauseFrom, "From"}, {StepCauseContact, "Contact"}, {StepCauseSDP, "SDP"}, {StepCauseOther, "other headers"},
	} {
		if changed(place.step) {
			in = append(in, place.name)
		}
	}
	where := ", in " + and(in)
	switch {
	case len(in) == 5 && changed(StepCauseNoSIP):
		where = ", wherever it stands, even in what is no SIP"
	case len(in) == 5:
		where = ", wherever it stands"
	case len(in) == 0:
		where = ""
	}
	switch private := replacedAddrs(variants[StepCausePrivate], v6); {
	case changed(StepCauseNames):
		return "; it does so whatever addresses they hold"
	case changed(StepCausePublic):
		return "; it goes by any address" + where
	case len(private) == 3:
		return "; it goes by any private address" + where
	case len(private) > 0:
		return "; it goes by the address " + and(private)
	case len(in) == 0:
		return "; no address in one place alone sets it off"
	case !passed(StepCausePrivate) || !passed(StepCausePublic):
		return "; it goes by this computer's own address (whether by others as well is not known)" + where
	case changed(StepCauseContact) && passed(StepCausePort):
		return "; it goes by this computer's own address with its port" + where
	}
	return "; it goes by this computer's own address" + where
}

// replacedAddrs lists those of CausePrivate that did not arrive as often as they were sent.
func replacedAddrs(s *step, v6 bool) (addrs []string) {
	if s == nil {
		return nil
	}
	for _, a := range CausePrivate(v6) {
		text := []byte(a.String())
		if slices.ContainsFunc(s.tries, func(p *Pair) bool {
			sent, got := p.ends()
			return p.Delivered() && bytes.Count(got.Raw, text) < bytes.Count(sent.Raw, text)
		}) {
			addrs = append(addrs, a.String())
		}
	}
	return addrs
}
