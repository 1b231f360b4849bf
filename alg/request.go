package alg

import (
	"fmt"
	"net/netip"
	"time"
)

// Request is a request of SIP over UDP that got no answer, or none that its sender heard, as one vantage point saw it. That it
// was sent again says so: it takes no capture of the way back.
type Request struct {
	Path      Path
	Direction Direction
	Call      string
	Method    string
	Src, Dst  netip.AddrPort
	Count     int           // how often it was sent
	Span      time.Duration // from the first time to the last
	Frames    []int
	InDialog  bool // it has a To tag: it goes to a party that is known
	Answers   int  // that passed all the same
	Late      int  // how often it was sent after the first of them

	Size     int  // octets of the datagram
	Pieces   int  // IP fragments of it that were seen, 0 if it came in one packet
	Partial  int  // how often the first fragment alone was seen
	Smaller  bool // a shorter one of this sender was answered there
	TooLarge int  // ICMP errors that say that it had to be fragmented, or that it could not be put together

	Refused int        // ICMP errors that say that nobody is there
	By      netip.Addr // who sent the errors

	// Contact is the address that the other party named for requests, and Signals where its messages came from; invalid if not
	// known, or a name.
	Contact, Signals netip.AddrPort

	Binding *Registration // that the request was sent to, nil if none is known
}

// Registration is a registration as one vantage point saw it.
type Registration struct {
	User    string         // the URI that was registered
	Path    Path           // of its REGISTERs
	Contact netip.AddrPort // where it says that it can be reached
	From    netip.AddrPort // where the REGISTER came from
	Now     netip.AddrPort // where later ones came from, invalid if there are none, or from the same
	Age     time.Duration  // since it was registered or refreshed last
	Expires time.Duration  // for which it was granted
	Moves   int            // how often it was refreshed from another port, though the client names the same one
	Gap     time.Duration  // the shortest time between two REGISTERs with such a move between them
	Frames  []int
}

const (
	minRepeats = 4               // how often a request is sent before it says that nobody answers: 0, 0.5, 1.5 and 3.5 s (RFC 3261 17.1.2.2)
	minRetries = 3 * time.Second // and for how long
)

// unheard reports that the sender tried for long and heard nothing.
func (r *Request) unheard() bool {
	return r.Answers == 0 && r.Count >= minRepeats && r.Span >= minRetries
}

// deaf reports that answers passed here, and that the sender went on all the same.
func (r *Request) deaf() bool { return r.Answers >= minRepeats && r.Late >= minRepeats }

// AddRequest judges a request that remained without an answer.
func (j *Judge) AddRequest(r *Request) {
	j.ready()
	dead := r.unheard() || r.Answers == 0 && r.Refused > 0
	switch {
	case r.Answers == 0 && r.lostInPieces():
		j.requestFinding(&largeMessageLost, r, r.pieces())
	case !dead && !(r.Method == "REGISTER" && r.deaf()):
	case r.astray():
		j.requestFinding(&contactUnreachable, r, r.contact())
	case r.Binding != nil && r.Method == "INVITE" && !r.InDialog:
		j.requestFinding(&registrationLost, r, r.binding())
	case r.Refused > 0 && r.matters():
		j.requestFinding(&signallingRefused, r, fmt.Sprintf("%s says so of %s, in %s", r.By, r.Dst, plural(r.Refused, "ICMP error")))
	case r.Method == "REGISTER":
		j.requestFinding(&registerUnanswered, r, r.register())
	}
}

// matters leaves out what is sent to find out whether somebody is there: it may well be nobody. Strangers who look for servers
// send a call or a REGISTER for that as well, and do so once.
func (r *Request) matters() bool {
	if r.Count == 1 && !r.InDialog && !Private(r.Src.Addr()) {
		return false
	}
	switch r.Method {
	case "INVITE", "REGISTER", "BYE", "UPDATE", "PRACK", "REFER":
		return true
	}
	return r.InDialog
}

// lostInPieces reports that it is its size for which the request gets no answer. That the first fragment alone passes says less: a
// capture that is filtered by port has no other.
func (r *Request) lostInPieces() bool {
	return r.TooLarge > 0 || r.Count >= minRepeats-1 && (r.Pieces > 1 || r.Partial > 0) && r.Smaller
}

// astray reports that it went to the address in the other party's Contact, and that its messages come from another one.
func (r *Request) astray() bool {
	return r.InDialog && r.Contact.IsValid() && r.Dst == r.Contact && r.Contact != r.Signals
}

// sent says how often it was sent, and for how long.
func (r *Request) sent() string {
	if r.Count == 1 {
		return fmt.Sprintf("%s to %s", r.Method, r.Dst)
	}
	return fmt.Sprintf("%s to %s was sent %d times in %.0f s", r.Method, r.Dst, r.Count, r.Span.Seconds())
}

func (r *Request) fate() string {
	if r.Refused > 0 {
		return fmt.Sprintf("%s says that nobody is there", r.By)
	}
	return "no answer came"
}

func (r *Request) contact() string {
	what := "which is not where it signals from: " + r.Signals.String()
	switch {
	case Private(r.Contact.Addr()) && !Private(r.Signals.Addr()):
		what = "which is private, while it signals from " + r.Signals.String()
	case r.Contact.Addr() == r.Signals.Addr():
		what = fmt.Sprintf("while it signals from port %d", r.Signals.Port())
	}
	return fmt.Sprintf("%s, the Contact of the other end, %s; %s", r.sent(), what, r.fate())
}

func (r *Request) binding() string {
	b := r.Binding
	what := fmt.Sprintf("%s; %s; %s was registered from there %.0f s before, for %.0f s", r.sent(), r.fate(), b.User, b.Age.Seconds(), b.Expires.Seconds())
	switch {
	case b.Now.IsValid():
		what += ", and signals from " + b.Now.String() + " now"
	case r.Dst != b.From:
		what = fmt.Sprintf("%s; %s; it is the Contact of %s, which was registered from %s %.0f s before", r.sent(), r.fate(), b.User, b.From, b.Age.Seconds())
	}
	return what
}

func (r *Request) register() string {
	if r.Answers > 0 {
		return fmt.Sprintf("%s; answers pass here, %d of them, and do not arrive", r.sent(), r.Answers)
	}
	return r.sent() + "; " + r.fate()
}

func (r *Request) pieces() string {
	what := fmt.Sprintf("%s of %d octets to %s, sent %s", r.Method, r.Size, r.Dst, plural(r.Count, "time"))
	switch {
	case r.Pieces > 1:
		what += fmt.Sprintf(", in %d fragments", r.Pieces)
	case r.Partial > 0:
		what += ", of which the first fragment alone passes here"
	}
	if r.Smaller {
		what += "; shorter ones are answered"
	}
	if r.TooLarge > 0 {
		what += fmt.Sprintf("; %s says that it is too large or lacks a fragment, in %s", r.By, plural(r.TooLarge, "ICMP error"))
	}
	return what
}

func plural(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (j *Judge) requestFinding(rule *Rule, r *Request, evidence string) *Finding {
	f, fresh := (&caseJudge{Judge: j}).finding(rule, r.Path, r.Direction, r.Method, "")
	if fresh {
		f.Call = r.Call
		f.Summary += ": " + evidence
	}
	f.Count++
	if len(f.Frames) < maxMarks {
		f.Frames = append(f.Frames, r.Frames...)
	}
	return f
}

// AddBinding judges a registration whose client came from other ports as time went on.
func (j *Judge) AddBinding(b *Registration) {
	if b.Moves == 0 {
		return
	}
	j.ready()
	f, fresh := (&caseJudge{Judge: j}).finding(&registrationMoved, b.Path, Outbound, "REGISTER", "")
	if fresh {
		f.Summary += fmt.Sprintf(": %s, which names %s all the time, came from another port %s, the last time from %s; the shortest time between two REGISTERs with a move between them is %.0f s",
			b.User, b.Contact, plural(b.Moves, "time"), b.From, b.Gap.Seconds())
	}
	f.Count++
	if len(f.Frames) < maxMarks {
		f.Frames = append(f.Frames, b.Frames...)
	}
}

// AddFaxRefused reports that a switch to T.38 was refused.
func (j *Judge) AddFaxRefused(r *Request, status int) {
	j.ready()
	j.requestFinding(&t38Refused, r, fmt.Sprintf("%s answers %d", r.Dst, status))
}
