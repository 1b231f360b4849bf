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
