package alg

// Some networks end all TCP at their edge, to speed it up or to guard against floods of SYN, whatever it carries. That is no
// gateway for SIP or H.323.
var tcpProxy = Rule{
	ID:       "tcp-proxy",
	Severity: Info,
	Summary:  "TCP is completed by somebody between here and the reflector, on the control port as well",
	Symptom:  "None by itself: connections to far ends that are down seem to come about, and end at once.",
	Advice:   "Nothing for SIP or H.323. If calls over TCP fail, ask whose proxy it is (also called WAN optimizer, SYN proxy or accelerator).",
	Source:   "RFC 3135 2.1",
	Benign:   true,
}
