package alg

// StepCalledSetup is the Setup of a call to the client.
const StepCalledSetup = "called-setup"

// Steps that send the same Setup in one segment, and in two: after the TPKT header, and in its middle.
const (
	StepSetup            = "setup"
	StepSetupSplitHeader = "setup-split-header"
	StepSetupSplitMiddle = "setup-split-middle"
)

// A gateway that reads segments and not the stream sees no message where it is split. That tells the kind of gateway, and
// that the same endpoint fails now and then: it depends on how its octets happen to be cut.
var h323SplitUntouched = Rule{
	ID:       "h323-split-untouched",
	Severity: Info,
	Summary:  "a message that arrives in several segments is left as it is, the same one in a single segment is rewritten",
	Symptom:  "Calls differ from one another: with long messages, or on a busy line, the addresses stay private.",
	Advice:   turnOffH323,
	Source:   "RFC 1006 6, H.225.0 Appendix IV",
}

// untouchedSplits reports messages that were rewritten whole and left alone in parts.
func (j *caseJudge) untouchedSplits(steps []*step) {
	type key struct {
		side
		shape string
	}
	whole := map[key]bool{}
	for _, s := range steps {
		if s.path.Proto == ProtoH323 && s.name == StepSetup && s.changed {
			whole[key{s.side, s.shape}] = true
		}
	}
	for _, s := range steps {
		split := s.name == StepSetupSplitHeader || s.name == StepSetupSplitMiddle
		if !split || !whole[key{s.side, s.shape}] || s.changed || s.delivered == 0 {
			continue
		}
		for _, p := range s.tries {
			if !p.Delivered() {
				continue
			}
			sent, got := p.ends()
			f, fresh := j.finding(&h323SplitUntouched, s.path, directionOf(s.outbound), h323Name(ProtoH323, sent.Raw), "")
			if fresh {
				f.Shape = s.shape
			}
			f.Count++
			if len(f.Marks) < maxMarks {
				f.Marks = append(f.Marks, Mark{Pair: p.ID, SentEnd: len(sent.Raw), GotEnd: len(got.Raw)})
			}
		}
	}
}
