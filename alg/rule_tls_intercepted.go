package alg

import (
	"strings"
)

var tlsIntercepted = Rule{
	ID:       "tls-intercepted",
	Severity: Critical,
	Summary:  "TLS is terminated between here and the reflector: the handshake is not the one that the two ends make with each other",
	Symptom: "Phones that check certificates do not register. Others send passwords and calls to whoever has the key that was shown, " +
		"and an application gateway can read and rewrite what TLS was meant to hide from it.",
	Advice: turnOffTLS,
	Source: "RFC 3261 26.3.1, RFC 9266",
}

// interception is why TLS on a path is somebody else's, "" if it is not or nobody knows. It reports the findings.
func (j *caseJudge) interception(p Path) string {
	var fields []string
	for _, t := range j.c.Trials {
		if t.Kind != TrialTLS || t.Path != p || t.TLS == nil {
			continue
		}
		for _, c := range t.TLS.changes() {
			f, fresh := j.finding(&tlsIntercepted, p, Outbound, "handshake", c.field)
			if fresh {
				f.Kind, f.Sent, f.Got = ChangeAltered, Bytes(c.want), Bytes(c.got)
			}
			f.Count++
			fields = appendNew(fields, tlsNames[c.field])
		}
	}
	if len(fields) == 0 {
		return ""
	}
	return "TLS is terminated by somebody else: " + strings.Join(fields, ", ")
}

// tlsNames say what a field of a handshake shows.
var tlsNames = map[string]string{
	"tls.certificate": "the certificate is not the reflector's",
	"tls.version":     "the version is not the one that both ends speak",
	"tls.alpn":        "the application protocol is not the one that both ends want",
	"tls.sni":         "the name that was asked for is not the one that arrived",
	"tls.cipher":      "the two ends have different ciphers",
	"tls.binding":     "the two ends have different connections",
}
